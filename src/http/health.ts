/** What load balancers and people ask: is it alive, can it do all of its work? */
import { Router } from 'express';
import type { RecordsState } from '../records/records.js';

export interface Health {
  store: Part;
  engine: Part;
  /** Undefined where they are off. */
  records: RecordsState | undefined;
}

interface Part {
  description: string;
  /** Whether this node can do its work, or no other can do better. */
  ready: boolean;
  /** What of it can't be asked: null where all can. */
  outage: string | null;
}

/**
 * `/healthz`: 200 while the process serves its clients; its JSON says what is degraded.
 * `/readyz`: 503 while Redis is configured and is away or refuses commands, so that new clients go to another node; its JSON says
 * why. Not where some partitions of a Redis
 * Cluster are, which every node misses. Presence needs no database.
 */
export function health(now: () => Health): Router {
  const router = Router();
  router.get('/healthz', (_request, response) => {
    response.set('Cache-Control', 'no-store').json(report(now()));
  });
  router.get('/readyz', (_request, response) => {
    const { store, engine } = now();
    const ready = store.ready && engine.ready;
    response
      .status(ready ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json(ready ? { ready } : { ready, reasons: outages({ store, engine }) });
  });
  return router;
}

function report({ store, engine, records }: Health) {
  const named = { store: placeless(store.description), engine: placeless(engine.description) };
  const degraded = [...outages({ store, engine }), ...(records ? recordsTroubles(records) : [])];
  return {
    status: degraded.length === 0 ? 'ok' : 'degraded',
    ...(degraded.length > 0 && { degraded }),
    ...named,
    records: records ? placeless(records.database) : 'off',
  };
}

function outages(parts: Pick<Health, 'store' | 'engine'>): string[] {
  return Object.entries(parts).flatMap(([name, { description, outage }]) =>
    outage ? [`${name}: ${placeless(description)} ${outage}`] : [],
  );
}

function recordsTroubles({ database, trouble, lag, dropped, isDropping, setAside }: RecordsState): string[] {
  const waiting = lag > 0 ? `, ${lag} entries wait` : '';
  return [
    ...(trouble ? [`records: ${placeless(database)} takes nothing since ${trouble.since}${waiting}`] : []),
    ...(setAside > 0 ? [`records: ${setAside} entries could not be stored, and were set aside`] : []),
    ...(isDropping ? [`records: the journal is full, ${dropped} entries were dropped`] : []),
  ];
}

/** Where Redis and the database are is not for everybody. */
const placeless = (description: string): string => description.replace(/ (at|in) .*$/, '');
