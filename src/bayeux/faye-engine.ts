/** The online API for engines that lack it, or a part of it: Faye's memory engine, and those that have all clients on every node. */
import { EventEmitter } from 'node:events';
import type { Message } from './extension.js';
import type { Internals } from './internals.js';
import type { Delivery, EngineStreams, OnlineApi, Ownership, SharedEngine } from './online-api.js';

const MEMORY = { description: "Faye's memory engine", connected: true, ready: true, outage: null };

/** `shared`: what that is where the engine does not say. */
export function onlineApiOf(internals: Internals, shared: boolean): OnlineApi {
  const engine = internals.engine as Partial<OnlineApi & SharedEngine>;
  const exists = engine.exists?.bind(engine) ?? ((clientId: string) => asksFaye(internals, clientId));
  return {
    shared: engine.shared ?? shared,
    get status() {
      return engine.status ?? MEMORY;
    },
    events: engine.events ?? new EventEmitter(),
    ownership: engine.ownership ?? fayesOwnership(exists, () => engine.status?.connected ?? true),
    delivery: engine.delivery ?? fayesDelivery(internals, exists),
    streams: engine.streams ?? fayesStreams(exists),
  };
}

type Exists = Ownership['exists'];

const asksFaye = ({ proxy }: Internals, clientId: string): Promise<boolean> =>
  new Promise((resolve) => proxy.clientExists(clientId, (exists) => resolve(Boolean(exists))));

const noop = (): void => {};

function fayesOwnership(exists: Exists, has: () => boolean): Ownership {
  return {
    tracksOwners: false,
    others: { subscribe: async () => true, ask: async () => undefined },
    has,
    exists,
    async existing(clientIds) {
      const exist = await Promise.all(clientIds.map(exists));
      return new Set(clientIds.filter((_, index) => exist[index]));
    },
    confirmed: () => undefined,
    verified: () => undefined,
    adopt: async () => true,
    handler: noop,
  };
}

function fayesDelivery({ proxy, engine }: Internals, exists: Exists): Delivery {
  /** Faye's engines know no such thing; a subscription of a moment to a channel that nobody else has does it. */
  async function deliverTo(clientId: string, message: Message): Promise<void> {
    // A message for a client that is gone would stay in Faye's memory engine for ever.
    if (!(await exists(clientId))) return;
    const own = `/meta/client/${clientId}`;
    proxy.subscribe(clientId, own);
    engine.publish(message, [own]);
    proxy.unsubscribe(clientId, own);
  }

  return {
    async deliver(clientIds, message) {
      await Promise.all(clientIds.map((clientId) => deliverTo(clientId, message)));
    },
    publish(message) {
      engine.publish(message, [message.channel]);
      return [];
    },
    hasSubscribers: () => true,
    answered: noop,
    abandoned: noop,
    isDelivering: () => false,
    isRetry: () => false,
    shareWhen: noop,
  };
}

const fayesStreams = (exists: Exists): EngineStreams => ({
  tokens: {
    get: async (clientId) => ((await exists(clientId)) ? '' : null),
    save: async () => {},
    request: async () => {},
  },
  attached: noop,
  detached: noop,
});
