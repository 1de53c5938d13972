/** Steps of the store as the Announcer takes them. */
import type { Store, Taken } from '../../src/presence/store.js';

/** Outside the quiet time of a new epoch. */
export async function take(store: Store, channel: string, claim: string): Promise<Taken | null> {
  const taken = await store.channels.take(channel, claim);
  if (typeof taken === 'number') throw new Error(`Nothing is announced for ${taken} ms`);
  return taken;
}

/** Whether a key goes by itself: with partitions, who has left a channel lately. */
export const expires = (key: string): boolean => key.includes('}/left/');
