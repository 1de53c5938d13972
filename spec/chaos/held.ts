/**
 * What a node holds for its clients, read from its private fields: all zero once everybody has gone.
 *
 * The identities of clients of other nodes are not among it: a node caches them for a while, which is no leak.
 */
import type { FayeOnlineServer } from '../../src/server.js';

interface Sized {
  size: number;
}

interface OnlineEngine {
  registry: { size: { clients: number; channels: number } };
  sessions?: {
    reconciler?: { sessions: Map<unknown, Sized>; dirty: Sized };
    rpc?: { waiting: Sized };
  };
  backplane?: { outboxes?: Sized };
}

interface Inside {
  attached: {
    bayeux: {
      queues: Sized;
      subscriptions: { channels: Sized; streamed: Sized; missing: Sized };
      internals: { proxy: { _connections: Sized; _engine: Partial<OnlineEngine> } };
      transports: { size: number; polls: { latest: Sized }; streams: { bound: Sized } };
    };
  };
}

export function heldBy(server: FayeOnlineServer): Record<string, number> {
  const { bayeux } = (server as unknown as Inside).attached;
  const { proxy } = bayeux.internals;
  const { registry, sessions, backplane } = proxy._engine;
  return {
    ...registry?.size,
    sessions: sum(sessions?.reconciler?.sessions.values() ?? []),
    dirty: sessions?.reconciler?.dirty.size ?? 0,
    requests: sessions?.rpc?.waiting.size ?? 0,
    unsaid: backplane?.outboxes?.size ?? 0,
    connections: proxy._connections.size,
    queues: bayeux.queues.size,
    subscriptions: bayeux.subscriptions.channels.size,
    streamed: bayeux.subscriptions.streamed.size,
    missing: bayeux.subscriptions.missing.size,
    streams: bayeux.transports.size,
    bound: bayeux.transports.streams.bound.size,
    polls: bayeux.transports.polls.latest.size,
  };
}

const sum = (parts: Iterable<Sized>): number => [...parts].reduce((total, { size }) => total + size, 0);
