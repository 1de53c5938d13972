/**
 * faye-redis as an engine that survives its Redis. Its keys, its Pub/Sub channels, `unsubscribe` and the search for
 * dead clients are its own, so nodes that run it as it is can share the Redis; what was not safe is replaced below.
 *
 * While Redis is away: steps wait, 10,000 at most. A message that was on its way may be delivered twice, as it is sent
 * again where it is not known to have arrived. Questions wait for 30 s; then Faye's are left without an answer, for
 * "no" would make each client handshake anew, and Faye's client asks again by itself, after 1.2 times its `timeout`.
 *
 * What it can't do: a node that dies while it removes dead clients keeps others from it for 10 s. A client that one
 * node can't ping for twice the timeout, being cut off from Redis alone, is ended by another. What was taken out of a
 * client's queue is lost where the connection to the client, or to Redis, ends at that moment.
 */
import { EventEmitter } from 'node:events';
import type { EngineType, Message } from 'faye';
import type { Logger } from 'pino';
import type { EngineEvents, SharedEngine } from '../../bayeux/online-api.js';
import { UnavailableError } from '../../errors.js';
import { DESTROY, GIVE_BACK, PUBLISH, SUBSCRIBE, TAKE } from './atomic-steps.js';
import { Links } from './links.js';
import { describeAddress, parseRedisUrl, type RedisAddress } from './redis-address.js';
import { type EngineHost, FayeRedis } from './source.js';

export interface FayeRedisOptions {
  /** `redis://` or `rediss://`, with user, password and the number of the database where they are needed. */
  url: string;
  /** `faye` makes keys that begin with `/faye`, as `/faye/clients`. */
  namespace: string;
  /** Seconds between two looks for clients that are gone; faye-redis' own default is 60. */
  gc: number;
  log: Logger;
}

/** Milliseconds until another node may look for dead clients, where the one that did has died. */
const LOCK = 10_000;

/** The engine for Faye's `engine: { type }`. Throws a TypeError where the URL is none of a Redis. */
export function fayeRedis(options: FayeRedisOptions): EngineType {
  const address = parseRedisUrl(options.url);
  return { create: (server) => new SafeFayeRedis(server as EngineHost, options, address) };
}

class SafeFayeRedis extends FayeRedis implements SharedEngine {
  readonly shared = true;
  readonly events = new EventEmitter<EngineEvents>();
  readonly status = this;
  readonly description: string;
  private readonly links: Links;
  private readonly clients: string;
  private mayEndFrom = 0;

  constructor(server: EngineHost, { namespace, gc, log }: FayeRedisOptions, address: RedisAddress) {
    const links = new Links(address, log);
    super(server, { namespace: `${address.keyPrefix ?? ''}/${namespace}`, gc, socket: links.takeTurns() });
    this.links = links;
    this.description = `faye-redis on ${describeAddress(address)}`;
    this.clients = `${this._ns}/clients`;
    links.onBack(() => this.catchUp());
  }

  /** Both connections are up: what is published reaches the clients of this node. */
  get connected(): boolean {
    return this.links.up;
  }

  get ready(): boolean {
    return this.outage === null;
  }

  get outage(): string | null {
    return this.links.refusal ?? (this.links.up ? null : 'is away');
  }

  /** How many commands wait for Redis. */
  get waiting(): number {
    return this.links.commands.held;
  }

  /** Rejects with `UnavailableError` where Redis does not say. */
  exists(clientId: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.links.commands.attempt('zscore', [this.clients, clientId], (error, score) => {
        if (error) reject(new UnavailableError(this.description, error));
        else resolve(lives(score));
      });
    });
  }

  /** Alive at once, not from its first ping on: in between faye-redis' gc could end it. */
  override createClient(callback: (clientId: string) => void, context?: unknown): void {
    const clientId = this._server.generateId();
    const create = [this.clients, 'NX', Date.now(), clientId];
    this.links.commands.ask('zadd', create, (error, added, uncertain) => {
      if (error) return;
      if (added === 0 && !uncertain) return this.createClient(callback, context);
      this._server.trigger('handshake', clientId);
      callback.call(context, clientId);
    });
  }

  /**
   * A client exists until it was ended. faye-redis also takes its last ping for a sign, which after an outage of
   * Redis is old for every client.
   */
  override clientExists(clientId: unknown, callback: (exists: boolean) => void, context?: unknown): void {
    if (typeof clientId !== 'string') {
      callback.call(context, false);
      return;
    }
    this.links.commands.ask('zscore', [this.clients, clientId], (error, score) => {
      if (!error) callback.call(context, lives(score));
    });
  }

  /** One `disconnect` however often, and on however many nodes, it is called; two where its answer was lost. */
  override destroyClient(clientId: string, callback?: () => void, context?: unknown): void {
    const keys = [this.clients, this.keyOf(clientId, 'channels'), this.keyOf(clientId, 'messages')];
    const args = [clientId, `${this._ns}/channels`, this._closeChannel];
    this.run(DESTROY, keys, args, (error, reply, uncertain) => {
      const [existed, channels] = error ? [0, []] : (reply as [existed: number, channels: string[]]);
      if (existed === 1 || (uncertain && !error)) this.announceEnd(clientId, channels);
      callback?.call(context);
    });
  }

  /** Never brings back a client that has ended. Not kept for later: `catchUp` does it for all. */
  override ping(clientId: string): void {
    this.links.commands.attempt('zadd', [this.clients, 'XX', Date.now(), clientId]);
  }

  /** Calls back once Redis has it; never where the client does not exist. */
  override subscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void {
    const keys = [this.clients, this.keyOf(clientId, 'channels'), `${this._ns}/channels${channel}`];
    this.run(SUBSCRIBE, keys, [clientId, channel], (error, added) => {
      if (error || added === -1) return;
      if (added === 1) this._server.trigger('subscribe', clientId, channel);
      callback?.call(context);
    });
  }

  override publish(message: Message, channels: string[]): void {
    const keys = [this.clients, ...channels.map((channel) => `${this._ns}/channels${channel}`)];
    this.run(PUBLISH, keys, [`${this._ns}/clients/`, JSON.stringify(message), this._messageChannel]);
    this._server.trigger('publish', message.clientId, message.channel, message.data);
  }

  /** Not kept for later: `catchUp` does it for all. */
  override emptyQueue(clientId: string): void {
    if (!this._server.hasConnection(clientId)) return;
    const take = [TAKE, 1, this.keyOf(clientId, 'messages')];
    this.links.commands.attempt('eval', take, (error, messages) => {
      if (error) return;
      const taken = messages as string[];
      // A poll is answered with the first message that comes; it may be gone by the time that these have.
      if (taken.length > 0 && !this._server.deliver(clientId, this.parse(taken)))
        this.giveBack(clientId, taken);
    });
  }

  /** Not while clients look dead only because nobody could ping them. */
  override gc(): void {
    if (this.connected && Date.now() >= this.mayEndFrom) super.gc();
  }

  override disconnect(): void {
    clearInterval(this._gc);
    this.links.close();
  }

  /** faye-redis' own lock has no end where its holder died. Two holders do no harm: `destroyClient` is atomic. */
  override _withLock(name: string, callback: (release: () => void) => void, context?: unknown): void {
    const key = `${this._ns}/locks/${name}`;
    // The value is what faye-redis writes: when the lock ends.
    const lock = [key, Date.now() + LOCK, 'NX', 'PX', LOCK];
    this.links.commands.attempt('set', lock, (_error, set) => {
      if (set === 'OK') callback.call(context, () => this.links.commands.send('del', [key]));
    });
  }

  /** Notifications of messages and of ended clients were missed, and maybe no node could ping its clients. */
  private catchUp(): void {
    this.mayEndFrom = Date.now() + 2_000 * this._server.timeout;
    const resumed = [...this._server._connections.keys()].map((clientId) => this.resume(clientId));
    void Promise.all(resumed).then(() => this.events.emit('back'));
  }

  private async resume(clientId: string): Promise<void> {
    const exists = await this.exists(clientId).catch(() => null);
    if (exists === null) return;
    // Its client learns at once, and not at its next connect, that it must handshake.
    if (!exists) return this._server.trigger('close', clientId);
    this.ping(clientId);
    this.emptyQueue(clientId);
  }

  private giveBack(clientId: string, messages: readonly string[]): void {
    const keys = [this.clients, this.keyOf(clientId, 'messages')];
    this.run(GIVE_BACK, keys, [clientId, ...messages], () => this.emptyQueue(clientId));
  }

  private announceEnd(clientId: string, channels: readonly string[]): void {
    for (const channel of channels) this._server.trigger('unsubscribe', clientId, channel);
    this._server.trigger('disconnect', clientId);
  }

  private run(
    script: string,
    keys: readonly string[],
    args: readonly string[],
    answer?: Parameters<Links['commands']['send']>[2],
  ): void {
    this.links.commands.send('eval', [script, keys.length, ...keys, ...args], answer);
  }

  private parse(messages: readonly string[]): Message[] {
    return messages.flatMap((text) => {
      try {
        return [JSON.parse(text) as Message];
      } catch (error) {
        this.links.report('a message in a queue is no JSON', { reason: (error as Error).message });
        return [];
      }
    });
  }

  private keyOf(clientId: string, what: 'channels' | 'messages'): string {
    return `${this.clients}/${clientId}/${what}`;
  }
}

/** 0 is the mark of faye-redis' own destroyClient, on a node that runs it as it is: about to be gone. */
function lives(score: unknown): boolean {
  return Number(score) > 0;
}
