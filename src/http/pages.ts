/** The demo page at `/`, and the browser's script. Read once, so that a build beside a running server changes nothing of it. */
import { readFileSync } from 'node:fs';
import { Router } from 'express';

const PAGES = new URL('./pages/', import.meta.url);
/** Made by the build; from source it stands in dist/. */
const SCRIPTS = [
  new URL('../client/faye-online.js', import.meta.url),
  new URL('../../dist/src/client/faye-online.js', import.meta.url),
];

export interface PagesOptions {
  /** Where Bayeux is, such as `/faye`. */
  mount: string;
  demo: boolean;
}

export function pages({ mount, demo }: PagesOptions): Router {
  const router = Router();
  const script = clientScript();
  router.get('/faye-online/client.js', (_request, response) => {
    if (script === undefined) throw new Error('The client script has not been built: run `npm run build`');
    // Helmet's default would keep it from the pages of other origins, which are to load it as they load Faye's.
    response.set('Cross-Origin-Resource-Policy', 'cross-origin').type('text/javascript').send(script);
  });
  if (!demo) return router;
  const page = readFileSync(new URL('index.html', PAGES), 'utf8').replaceAll('{{mount}}', mount);
  router.get('/', (_request, response) => {
    response.type('text/html').send(page);
  });
  for (const file of ['demo.css', 'demo.js', 'demo.svg']) {
    const text = readFileSync(new URL(file, PAGES), 'utf8');
    router.get(`/${file}`, (_request, response) => {
      response.type(file).send(text);
    });
  }
  return router;
}

/** Undefined where it runs from source that was never built. */
function clientScript(): string | undefined {
  for (const place of SCRIPTS) {
    try {
      return readFileSync(place, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return undefined;
}
