/**
 * Watches a connection that may hang: one that is open, and that nothing comes back by, looks alive for minutes. It is asked
 * each second, and made anew where it has not answered for 4 s.
 *
 * While Redis loads its data ioredis keeps the connection from being ready without a word: then it is asked for that.
 */
import type { Redis } from 'ioredis';
import { HANG_MS, PING_MS } from '../timings.js';

/** Watches until what it returns is called. `loading`: called each second while Redis loads its data. */
export function watch(redis: Redis, loading: () => void): () => void {
  let silentSince: number | null = null;

  function ask(): void {
    if (redis.status === 'connect') redis.info('persistence').then(asked, () => {});
    if (redis.status !== 'ready') {
      silentSince = null;
    } else if (silentSince === null) {
      silentSince = performance.now();
      redis.ping().then(answered, () => {});
    } else if (performance.now() - silentSince >= HANG_MS) {
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

  const timer = setInterval(ask, PING_MS);
  timer.unref();
  return () => clearInterval(timer);
}
