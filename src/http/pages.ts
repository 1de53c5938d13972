/** The demo page at `/`, and the browser's script. */
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
  router.get('/faye-online/client.js', (_request, response) => {
    response.type('text/javascript').send(clientScript());
  });
  if (!demo) return router;
  router.get('/', (_request, response) => {
    const page = readFileSync(new URL('index.html', PAGES), 'utf8');
    response.type('text/html').send(page.replaceAll('{{mount}}', mount));
  });
  for (const file of ['demo.css', 'demo.js', 'demo.svg']) {
    router.get(`/${file}`, (_request, response) => {
      response.type(file).send(readFileSync(new URL(file, PAGES), 'utf8'));
    });
  }
  return router;
}

function clientScript(): string {
  for (const place of SCRIPTS) {
    try {
      return readFileSync(place, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw new Error('The client script has not been built: run `npm run build`');
}
