/** Steps of the store as Presence and the Announcer take them. */
import type { User } from '../../src/presence/identity.js';
import type { Entered, Store, Taken, Transition } from '../../src/presence/store.js';

/** Bound, and meant, before it is entered. */
export async function enter(
  store: Store,
  channel: string,
  user: User,
  clientId: string,
  since?: number,
  isRenamed?: boolean,
): Promise<Entered> {
  await store.bind(clientId, { ...user });
  const intent = await store.intend(clientId, [channel]);
  const entered = intent && (await store.enter(channel, user, clientId, intent.at, since, isRenamed));
  if (!entered) throw new Error(`The store has not let ${clientId} enter ${channel}`);
  return entered;
}

/** Not meant any more, before it is left. */
export async function leave(
  store: Store,
  channel: string,
  uid: string | number,
  clientId: string,
  at?: number,
): Promise<Transition> {
  const meant = (await store.read(clientId))?.channels ?? [];
  const intent = await store.intend(
    clientId,
    meant.filter((each) => each !== channel),
  );
  return store.leave(channel, uid, clientId, intent?.at ?? null, at);
}

/** Nothing is left of the clients but what they have not left. */
export async function forget(store: Store, ...clientIds: string[]): Promise<void> {
  for (const clientId of clientIds) {
    await store.beginEnd(clientId);
    await store.forget(clientId);
  }
}

/** Outside the quiet time of a new epoch. */
export async function take(store: Store, channel: string, claim: string): Promise<Taken | null> {
  const taken = await store.take(channel, claim);
  if (typeof taken === 'number') throw new Error(`Nothing is announced for ${taken} ms`);
  return taken;
}

/** Whether a key goes by itself: with partitions, who has left a channel lately. */
export const expires = (key: string): boolean => key.includes('}/left/');
