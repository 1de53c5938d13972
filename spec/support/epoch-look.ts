/** Looks in which epoch a Redis is, as a node of its own does. */
import { randomUUID } from 'node:crypto';
import type { Epoch } from '../../src/redis/epochs.js';
import { type Commands, scripts } from '../../src/redis/scripts.js';
import { SETTLING_MS } from '../../src/timings.js';

export function epochLook(redis: Commands, key: string): () => Promise<Epoch> {
  let known = '';
  return async () => {
    const args = [known, randomUUID(), SETTLING_MS, '/faye/announcements'];
    const [id, settling] = await scripts.epoch(redis, [key], args);
    known = id;
    return { id, settling };
  };
}
