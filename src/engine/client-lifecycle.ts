/** How a client of this node begins, what it subscribes to, how long it may be silent, and how it ends. */
import type { EngineStreams } from '../bayeux/online-api.js';
import type { Stream } from '../bayeux/streams.js';
import type { Remains, Sessions, StreamTokens } from '../sessions/sessions.js';
import type { Backplane } from './backplane.js';
import { type Client, leftOf } from './client.js';
import { Deadlines } from './deadlines.js';
import type { EngineHost } from './host.js';
import type { Registry } from './registry.js';

/** What an engine is made of. */
export interface EngineParts {
  host: EngineHost;
  registry: Registry;
  backplane: Backplane;
  sessions: Sessions;
  /** Milliseconds after which a client whose stream has closed is over, unless it comes back. */
  grace: number;
}

export class ClientLifecycle implements EngineStreams {
  readonly tokens: StreamTokens;
  readonly deadlines = new Deadlines((client) => this.end(client));

  constructor(private readonly parts: EngineParts) {
    this.tokens = parts.sessions.streams;
  }

  create(id: string, { isOwned }: { isOwned: boolean }): Client {
    const client: Client = {
      id,
      isOwned,
      channels: new Set(),
      stream: null,
      step: null,
      heardOf: null,
      waiting: null,
      delivered: null,
      withdrawn: null,
      deadline: 0,
      silentUntil: 0,
      bucket: 0,
      cameAt: 0,
    };
    this.parts.registry.add(client);
    this.allowSilence(client);
    return client;
  }

  /** `delay`: milliseconds in which the client must send something. */
  allowSilence(client: Client, delay = 2_000 * this.parts.host.timeout): void {
    client.silentUntil = performance.now() + delay;
    this.deadlines.set(client, delay);
  }

  attached(clientId: string, stream: Stream): void {
    const client = this.parts.registry.get(clientId);
    if (!client) return;
    client.stream = stream;
    client.delivered = null;
    this.deadlines.set(client, leftOf(client));
  }

  detached(clientId: string): void {
    const client = this.parts.registry.get(clientId);
    if (!client) return;
    client.stream = null;
    this.deadlines.set(client, Math.min(this.parts.grace, leftOf(client)));
  }

  /** What it takes on this node; that messages of the channel reach it is the backplane's. */
  subscribe(client: Client, channel: string): void {
    // Who subscribes again wants the list again.
    client.delivered?.forget(channel);
    const isNew = this.parts.registry.subscribe(client, channel);
    if (isNew) this.parts.host.trigger('subscribe', client.id, channel);
  }

  unsubscribe(client: Client, channel: string): void {
    client.delivered?.forget(channel);
    const { removed, last } = this.parts.registry.unsubscribe(client, channel);
    if (last) this.parts.backplane.unlisten(channel);
    if (removed) this.parts.host.trigger('unsubscribe', client.id, channel);
  }

  end(client: Client): void {
    // First, so that a listener of the events below finds nothing to end once more.
    this.remove(client);
    this.parts.sessions.ended(client);
    this.parts.host.trigger('close', client.id);
  }

  remove(client: Client): Remains {
    const waiting = [...(client.waiting?.take() ?? []), ...(client.step?.messages ?? [])];
    const channels = [...client.channels];
    const delivered = client.delivered?.etags;
    this.parts.registry.remove(client);
    for (const channel of channels) this.unsubscribe(client, channel);
    this.deadlines.remove(client);
    client.waiting = null;
    client.stream = null;
    return { waiting, channels, delivered };
  }
}
