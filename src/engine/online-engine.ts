/**
 * Our engine: one registry and fan-out a process, a backplane between processes, and sessions that say which of them has a
 * client.
 */
import { EventEmitter } from 'node:events';
import type { EngineType, Message } from 'faye';
import type { EngineEvents, EngineStreams, OnlineApi } from '../bayeux/online-api.js';
import { LocalSessions } from '../sessions/local-sessions.js';
import type { Sessions, SessionsStatus } from '../sessions/sessions.js';
import type { Backplane } from './backplane.js';
import { ClientLifecycle } from './client-lifecycle.js';
import { EngineDelivery } from './delivery.js';
import { FanOut, type FanOutOptions } from './fan-out.js';
import type { EngineHost } from './host.js';
import { LocalBackplane } from './local-backplane.js';
import { Outgoing } from './outgoing.js';
import { EngineOwnership } from './ownership.js';
import { Registry } from './registry.js';
import { EngineSessionHost } from './session-host.js';

export interface OnlineEngineOptions extends FanOutOptions {
  /** Milliseconds after which a client whose stream has closed is over, unless it comes back. Default 8,000. */
  grace: number;
  backplane?: Backplane;
  /** Default: those of one process. */
  sessions?: Sessions;
}

/** Ids that are drawn until one is of a partition that can be asked. */
const MAX_ID_DRAWS = 100;

/** The engine for Faye's `engine: { type }`. */
export function onlineEngine(options: OnlineEngineOptions): EngineType {
  return { create: (host) => new OnlineEngine(host as EngineHost, options) };
}

/** Faye's contract. What it offers beyond is in its parts. */
export class OnlineEngine implements OnlineApi {
  readonly shared = false;
  readonly events = new EventEmitter<EngineEvents>();
  readonly registry = new Registry();
  readonly ownership: EngineOwnership;
  readonly delivery: EngineDelivery;
  readonly streams: EngineStreams;
  readonly sessionHost: EngineSessionHost;
  private readonly fanOut: FanOut;
  private readonly lifecycle: ClientLifecycle;
  private readonly backplane: Backplane;
  private readonly sessions: Sessions;

  constructor(
    private readonly host: EngineHost,
    options: OnlineEngineOptions,
  ) {
    const { registry, events } = this;
    const { grace, backplane = new LocalBackplane(), sessions = new LocalSessions() } = options;
    const parts = { host, registry, backplane, sessions, grace };
    const fanOut = new FanOut(host, registry, options);
    const lifecycle = new ClientLifecycle(parts);
    const ownership = new EngineOwnership(registry, sessions);
    backplane.onMessage((message, channels) => fanOut.turn.add(message, registry.subscribers(channels)));
    this.fanOut = fanOut;
    this.lifecycle = lifecycle;
    this.streams = lifecycle;
    this.backplane = backplane;
    this.sessions = sessions;
    this.ownership = ownership;
    this.delivery = new EngineDelivery(registry, fanOut);
    this.sessionHost = new EngineSessionHost({ ...parts, lifecycle, fanOut, ownership, events });
    sessions.open(this.sessionHost);
  }

  get status(): SessionsStatus {
    return this.sessions.status;
  }

  createClient(callback: (clientId: string) => void, context?: unknown): void {
    const client = this.lifecycle.create(this.newId(), { isOwned: true });
    this.host.trigger('handshake', client.id);
    const created = this.sessions.changed(client);
    if (created) created.then(() => callback.call(context, client.id));
    else callback.call(context, client.id);
  }

  clientExists(clientId: string, callback: (exists: boolean) => void, context?: unknown): void {
    if (this.ownership.has(clientId)) callback.call(context, true);
    else
      this.sessions.others.exists(clientId).then(
        (exists) => callback.call(context, exists),
        // A client that can't be asked for is not told that it is unknown: it would shake hands anew.
        () => callback.call(context, true),
      );
  }

  destroyClient(clientId: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    if (client?.isOwned) {
      this.lifecycle.end(client);
      callback?.call(context);
      return;
    }
    // One that is not this node's, or not yet, is ended where it is.
    this.sessions.others
      .end(clientId)
      // Where it can't be asked the client ends by its silence; Faye has no word for it.
      .catch(() => {})
      .then(() => callback?.call(context));
  }

  ping(clientId: string): void {
    const client = this.registry.get(clientId);
    if (client) this.lifecycle.allowSilence(client);
  }

  /** Calls back once messages of the channel reach the client; at once for one that is not here. */
  subscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    // One that is arriving has yet to become this node's; it is subscribed then.
    if (!client?.isOwned) {
      callback?.call(context);
      return;
    }
    this.lifecycle.subscribe(client, channel);
    const changed = this.sessions.changed(client);
    this.backplane.listen(channel, () => {
      if (changed) changed.then(() => callback?.call(context));
      else callback?.call(context);
    });
  }

  unsubscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    if (client) {
      this.lifecycle.unsubscribe(client, channel);
      void this.sessions.changed(client);
    }
    callback?.call(context);
  }

  publish(message: Message, channels: readonly string[]): void {
    this.backplane.publish(new Outgoing(message), channels);
    this.host.trigger('publish', message.clientId, message.channel, message.data);
  }

  emptyQueue(clientId: string): void {
    const client = this.registry.get(clientId);
    if (client) this.fanOut.flush(client);
  }

  disconnect(): void {
    this.fanOut.turn.end();
    this.lifecycle.deadlines.close();
    this.backplane.close();
  }

  /** With Redis Cluster one of a client that can be written down, if there is any. */
  private newId(): string {
    let id = this.host.generateId();
    for (let draws = 1; draws < MAX_ID_DRAWS && this.sessions.isAway(id); draws += 1)
      id = this.host.generateId();
    return id;
  }
}
