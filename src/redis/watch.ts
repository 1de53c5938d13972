/**
 * Watches a connection that may hang: one that is open, and that nothing comes back by, looks alive for minutes. It is asked
 * every 2 s, and made anew where it has not answered for 4 s.
 *
 * While Redis loads its data ioredis keeps the connection from being ready without a word: then it is asked for that.
 */
import type { Redis } from 'ioredis';

/** Milliseconds between two questions. */
const ASK = 2_000;
/** Milliseconds without an answer after which the connection is made anew. */
const SILENT = 4_000;

/** Watches until what it returns is called. `loading`: called each 2 s while Redis loads its data. */
export function watch(redis: Redis, loading: () => void): () => void {
  let silentSince: number | null = null;

  function ask(): void {
    if (redis.status === 'connect') redis.info('persistence').then(asked, () => {});
    if (redis.status !== 'ready') {
      silentSince = null;
    } else if (silentSince === null) {
      silentSince = performance.now();
      redis.ping().then(answered, () => {});
    } else if (performance.now() - silentSince >= SILENT) {
      silentSince = null;
      redis.disconnect(true);
    }
  }

  function asked(info: string): void {
    if (/^loading:1/m.test(info)) loading();
  }

  function answered(): void {
    silentSince = null;
  }

  const timer = setInterval(ask, ASK);
  timer.unref();
  return () => clearInterval(timer);
}
