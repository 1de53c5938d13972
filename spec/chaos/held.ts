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
  residence?: {
    keeping: { unsaved: Sized; underWay: Sized; overwritten: Sized };
    handOvers: Sized;
    ends: Sized;
    adopting: Sized;
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
  const { size, residence, backplane } = proxy._engine;
  return {
    ...size,
    unsaved: residence?.keeping.unsaved.size ?? 0,
    keeping: residence?.keeping.underWay.size ?? 0,
    overwritten: residence?.keeping.overwritten.size ?? 0,
    untold: residence?.handOvers.size ?? 0,
    ends: residence?.ends.size ?? 0,
    adopting: residence?.adopting.size ?? 0,
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
