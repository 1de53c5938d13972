/** What load balancers and people ask: is it alive, can it do all of its work? */
import { Router } from 'express';

export interface Health {
  store: { description: string; connected: boolean };
  engine: { description: string; connected: boolean };
}

/**
 * `/healthz`: 200 while the process serves its clients; its JSON says what is degraded.
 * `/readyz`: 503 while Redis is configured and away, so that new clients go to another node.
 */
export function health(now: () => Health): Router {
  const router = Router();
  router.get('/healthz', (_request, response) => {
    response.set('Cache-Control', 'no-store').json(report(now()));
  });
  router.get('/readyz', (_request, response) => {
    const { status } = report(now());
    response
      .status(status === 'ok' ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json({ ready: status === 'ok' });
  });
  return router;
}

function report({ store, engine }: Health) {
  const named = { store: placeless(store.description), engine: placeless(engine.description) };
  const degraded = [
    ...(store.connected ? [] : [`store: ${named.store} is away`]),
    ...(engine.connected ? [] : [`engine: ${named.engine} is away`]),
  ];
  return {
    status: degraded.length === 0 ? 'ok' : 'degraded',
    ...(degraded.length > 0 && { degraded }),
    ...named,
  };
}

/** Where Redis is, is not for everybody. */
const placeless = (description: string): string => description.replace(/ at .*$/, '');
