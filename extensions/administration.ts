/**
 * An administrator's disconnect: ends a client, or all clients of a user, on whichever node, with the advice not to come
 * back for a while. A user is kept out for that long; a client that nobody has signed in can only be asked.
 */
import type { Bayeux } from '../src/bayeux/bayeux.js';
import { type Extension, extension } from '../src/bayeux/extension.js';
import type { Presence } from '../src/presence/presence.js';
import type { Order, Orders } from '../src/presence/store.js';

/** Whom to disconnect. */
export type Whom = { clientId: string } | { uid: string | number };

export interface Administration {
  extension: Extension;
  /** Sends away clients of users who are to stay away: an order is heard by whoever listens at that moment. */
  enforce(): Promise<void>;
  /** `awayFor` in milliseconds. Rejects where the store is away; then nobody is disconnected. */
  disconnect(whom: Whom, awayFor: number): Promise<void>;
}

/** Milliseconds in which the last answers to a client go out. */
const FAREWELL = 5_000;

export function administration(bayeux: Bayeux, presence: Presence, store: Orders): Administration {
  /** Clients that are being sent away, and for how many milliseconds. */
  const leaving = new Map<string, number>();

  store.onOrder((order) => {
    for (const clientId of meant(order)) sendAway(clientId, order.awayFor);
  });

  const meant = ({ clientId, uid }: Order): string[] => {
    if (clientId !== undefined) return [clientId];
    return uid === undefined ? [] : presence.clientsOf(uid);
  };

  function sendAway(clientId: string, awayFor: number): void {
    leaving.set(clientId, awayFor);
    setTimeout(() => leaving.delete(clientId), FAREWELL).unref();
    // Every node hears the order; the one that has the client ends it, and says why.
    if (bayeux.online.ownership.has(clientId)) bayeux.end(clientId);
  }

  return {
    async enforce() {
      for (const { uid, left } of await store.banned()) {
        for (const clientId of presence.clientsOf(uid)) sendAway(clientId, left);
      }
    },
    async disconnect(whom, awayFor) {
      if ('uid' in whom) await store.ban(whom.uid, awayFor);
      await store.order({ ...whom, awayFor });
    },
    extension: extension({
      name: 'administration',
      broadcastSafe: true,
      outgoing(message) {
        const awayFor = message.clientId === undefined ? undefined : leaving.get(message.clientId);
        if (message.channel === '/meta/connect' && awayFor !== undefined) {
          message.advice = { reconnect: 'handshake', interval: awayFor };
        }
        return true;
      },
    }),
  };
}
