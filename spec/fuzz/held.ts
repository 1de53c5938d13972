/** What a server holds for its clients, read from its private fields: all zero where there are none. */
import type { FayeOnlineServer } from '../../src/server.js';

interface Sized {
  size: number;
}

interface FayesMemory {
  _clients: Sized;
  _channels: Sized;
  _messages: Sized;
  _namespace: { _used: Sized };
}

interface Ours {
  registry: { size: { clients: number; channels: number } };
}

interface Inside {
  attached: {
    bayeux: {
      queues: Sized;
      subscriptions: { channels: Sized };
      internals: { proxy: { _connections: Sized; _engine: FayesMemory | Ours } };
      transports: {
        size: number;
        polls: { latest: Sized };
        streams: { bound: Sized };
        eventSources: { wanted: Sized };
      };
    };
    /** One process: `LocalClients`. */
    presence: { clients: { clients: Sized } };
    store: { channels: Sized };
  };
}

export function heldBy(server: FayeOnlineServer): Record<string, number> {
  const { bayeux, presence, store } = (server as unknown as Inside).attached;
  const { proxy } = bayeux.internals;
  const { polls, streams, eventSources } = bayeux.transports;
  return {
    ...heldByEngine(proxy._engine),
    connections: proxy._connections.size,
    queues: bayeux.queues.size,
    subscriptions: bayeux.subscriptions.channels.size,
    streams: bayeux.transports.size,
    bound: streams.bound.size,
    polls: polls.latest.size,
    eventSources: eventSources.wanted.size,
    identities: presence.clients.clients.size,
    rooms: store.channels.size,
  };
}

function heldByEngine(engine: FayesMemory | Ours): Record<string, number> {
  if ('registry' in engine) return { ...engine.registry.size };
  const { _namespace, _clients, _channels, _messages } = engine;
  return {
    clients: _namespace._used.size,
    subscribers: _clients.size,
    channels: _channels.size,
    waiting: _messages.size,
  };
}
