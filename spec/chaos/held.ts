/**
 * What a node holds for its clients, read from its private fields: all zero once everybody has gone.
 *
 * Who clients are (`presence.remembered.size`) is not among it: of a client that spoke here and lives elsewhere a node remembers
 * that for a minute, which is no leak.
 */
import type { FayeOnlineServer } from '../../src/server.js';

interface Sized {
  size: number;
}

interface OnlineEngine {
  size: { clients: number; channels: number };
  sessions?: {
    reconciler?: { sessions: Map<unknown, Sized>; dirty: Sized };
    rpc?: { waiting: Sized };
  };
  backplane?: { waiting: number };
}

interface Inside {
  attached: {
    bayeux: {
      queues: Sized;
      subscriptions: Sized;
      streamed: Sized;
      missing: Sized;
      traffic: { streams: number };
      internals: { proxy: { _connections: Sized; _engine: Partial<OnlineEngine> } };
      transports: { polls: { latest: Sized }; streams: { bound: Sized } };
    };
    presence: { doubtful: unknown[] };
  };
}

export function heldBy(server: FayeOnlineServer): Record<string, number> {
  const { bayeux, presence } = (server as unknown as Inside).attached;
  const { proxy } = bayeux.internals;
  const { size, sessions, backplane } = proxy._engine;
  return {
    ...size,
    sessions: sum(sessions?.reconciler?.sessions.values() ?? []),
    dirty: sessions?.reconciler?.dirty.size ?? 0,
    requests: sessions?.rpc?.waiting.size ?? 0,
    unsaid: backplane?.waiting ?? 0,
    connections: proxy._connections.size,
    queues: bayeux.queues.size,
    subscriptions: bayeux.subscriptions.size,
    streamed: bayeux.streamed.size,
    missing: bayeux.missing.size,
    streams: bayeux.traffic.streams,
    bound: bayeux.transports.streams.bound.size,
    polls: bayeux.transports.polls.latest.size,
    unsettled: presence.doubtful.length,
  };
}

const sum = (parts: Iterable<Sized>): number => [...parts].reduce((total, { size }) => total + size, 0);
