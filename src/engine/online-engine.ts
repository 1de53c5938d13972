/**
 * Our engine: one registry and fan-out a process, and a backplane between processes.
 *
 * A message is encoded once, and all messages of an event-loop turn go to a client as one Bayeux array; clients that
 * get the same share one prebuilt WebSocket frame. Who can't have it (polls, EventSource, permessage-deflate, or where an
 * outgoing extension wants to see each recipient's copy) gets its messages Faye's way.
 */
import type { EngineType, Message } from 'faye';
import type { EngineExtras } from '../bayeux/bayeux.js';
import type { Stream } from '../bayeux/streams.js';
import type { Backplane } from './backplane.js';
import type { Client } from './client.js';
import { Deadlines } from './deadlines.js';
import type { EngineHost } from './host.js';
import { LocalBackplane } from './local-backplane.js';
import { Registry } from './registry.js';
import { type Step, Turn } from './turn.js';
import { Waiting, type WaitingLimits } from './waiting.js';

export interface OnlineEngineOptions {
  /** Milliseconds after which a client whose stream has closed is over, unless it comes back. Default 8,000. */
  grace: number;
  /** What may wait for a client between two polls. Default 1,000 messages, 1 MB. */
  waiting: WaitingLimits;
  /** A waiting message was dropped. */
  onDrop(): void;
  backplane?: Backplane;
}

/** The engine for Faye's `engine: { type }`. */
export function onlineEngine(options: OnlineEngineOptions): EngineType {
  return { create: (host) => new OnlineEngine(host as EngineHost, options) };
}

export class OnlineEngine implements EngineExtras {
  readonly shared = false;
  readonly description = 'faye-online';
  readonly connected = true;
  private readonly registry = new Registry();
  private readonly turn: Turn;
  private readonly deadlines: Deadlines;
  private readonly backplane: Backplane;
  private mayShare: () => boolean = () => true;
  /** `mayShare` in this turn. */
  private shares = true;

  constructor(
    private readonly host: EngineHost,
    private readonly options: OnlineEngineOptions,
  ) {
    this.turn = new Turn(
      () => {
        this.shares = this.mayShare();
      },
      (client, step) => this.send(client, step),
    );
    this.deadlines = new Deadlines((client) => this.end(client));
    this.backplane = options.backplane ?? new LocalBackplane();
    this.backplane.onMessage((message, channels) => {
      this.turn.add(message, this.registry.subscribers(channels));
    });
  }

  // Faye's contract

  createClient(callback: (clientId: string) => void, context?: unknown): void {
    const id = this.host.generateId();
    const client: Client = {
      id,
      channels: new Set(),
      stream: null,
      step: null,
      waiting: null,
      deadline: 0,
      bucket: 0,
    };
    this.registry.add(client);
    this.ping(id);
    this.host.trigger('handshake', id);
    callback.call(context, id);
  }

  clientExists(clientId: string, callback: (exists: boolean) => void, context?: unknown): void {
    callback.call(context, this.registry.get(clientId) !== undefined);
  }

  destroyClient(clientId: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    if (client) this.end(client);
    callback?.call(context);
  }

  ping(clientId: string): void {
    const client = this.registry.get(clientId);
    if (client) this.deadlines.set(client, 2_000 * this.host.timeout);
  }

  /** Calls back once messages of the channel reach the client; never for one that does not exist. */
  subscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    if (!client) return;
    const { added } = this.registry.subscribe(client, channel);
    if (added) this.host.trigger('subscribe', clientId, channel);
    this.backplane.listen(channel, () => callback?.call(context));
  }

  unsubscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void {
    const client = this.registry.get(clientId);
    if (client) this.unsubscribeOne(client, channel);
    callback?.call(context);
  }

  publish(message: Message, channels: readonly string[]): void {
    this.backplane.publish(message, channels);
    this.host.trigger('publish', message.clientId, message.channel, message.data);
  }

  emptyQueue(clientId: string): void {
    const client = this.registry.get(clientId);
    if (!client?.waiting || !this.reaches(client)) return;
    const messages = client.waiting.take();
    client.waiting = null;
    this.host.deliver(clientId, messages);
  }

  disconnect(): void {
    this.turn.end();
    this.deadlines.close();
    this.backplane.close();
  }

  // What it offers beyond

  async exists(clientId: string): Promise<boolean> {
    return this.registry.get(clientId) !== undefined;
  }

  /** Sends one message to some clients, in order with what else they get. Those that are gone are passed over. */
  deliver(clientIds: readonly string[], message: Message): void {
    const clients = clientIds.map((clientId) => this.registry.get(clientId));
    this.turn.add(
      message,
      clients.filter((client) => client !== undefined),
    );
  }

  /** The client has a stream now. */
  attached(clientId: string, stream: Stream): void {
    const client = this.registry.get(clientId);
    if (client) client.stream = stream;
  }

  /** The client's stream has closed: it is over after the grace, unless it comes back. */
  detached(clientId: string): void {
    const client = this.registry.get(clientId);
    if (!client) return;
    client.stream = null;
    this.deadlines.set(client, this.options.grace);
  }

  /** `mayShare`: whether one encoding may go to many, because no outgoing extension wants to see each copy. */
  sharesWhere(mayShare: () => boolean): void {
    this.mayShare = mayShare;
  }

  /** What is left: all zero once everybody has gone. */
  get size(): { clients: number; channels: number } {
    return this.registry.size;
  }

  private end(client: Client): void {
    // First, so that a listener of the events below finds nothing to end once more.
    this.registry.remove(client);
    for (const channel of [...client.channels]) this.unsubscribeOne(client, channel);
    this.deadlines.remove(client);
    client.waiting = null;
    client.stream = null;
    this.host.trigger('disconnect', client.id);
    this.host.trigger('close', client.id);
  }

  private unsubscribeOne(client: Client, channel: string): void {
    const { removed, last } = this.registry.unsubscribe(client, channel);
    if (last) this.backplane.unlisten(channel);
    if (removed) this.host.trigger('unsubscribe', client.id, channel);
  }

  private send(client: Client, step: Step): void {
    if (this.registry.get(client.id) !== client) return;
    const { stream } = client;
    if (stream?.open && stream.write && this.shares) stream.write(step.frame);
    else this.sendFayesWay(client, step);
  }

  /** Each its own copy: an extension may change it. The limits are for what waits, not for what is sent. */
  private sendFayesWay(client: Client, step: Step): void {
    const { id } = client;
    if (this.reaches(client)) {
      this.emptyQueue(id);
      this.host.deliver(
        id,
        step.messages.map(({ json }) => JSON.parse(json) as Message),
      );
      return;
    }
    client.waiting ??= new Waiting(this.options.waiting, this.options.onDrop);
    for (const { json } of step.messages) {
      client.waiting.push(JSON.parse(json) as Message, Buffer.byteLength(json));
    }
  }

  /** Faye has a connection also of a stream that is closing, which drops what it is given. */
  private reaches({ id, stream }: Client): boolean {
    return this.host.hasConnection(id) && (stream === null || stream.open);
  }
}
