/**
 * The backplane of many processes: Redis Pub/Sub.
 *
 * A node says each message once, and hears its own at once and not by Redis, so that its clients are served while Redis
 * is away. Messages have numbers: what comes twice, by two patterns or because it was sent again, is passed over.
 */
import { setTimeout as after } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { RedisConnections } from '../../redis/connection.js';
import type { Partitions } from '../../redis/partitions.js';
import { FLUSH_DELAY_MS } from '../../timings.js';
import type { Backplane, Hear, HeardOf, Position, Published } from '../backplane.js';
import type { Client } from '../client.js';
import { HeardElsewhere, namesOf } from './heard-of.js';
import { EngineKeys } from './keys.js';
import { type Letter, read } from './letter.js';
import { Listening, type Name } from './listening.js';
import { Outbox } from './outbox.js';
import { Positions } from './positions.js';

export interface RedisBackplaneOptions {
  redis: RedisConnections;
  partitions: Partitions;
  /** The name of this node. */
  node: string;
  /** What may wait to be said while Redis is away. */
  outbox: { messages: number; bytes: number };
  onDrop(): void;
  log: Logger;
}

/** Milliseconds for which a client that arrives waits for what this node published before. */
const FLUSH_TIMEOUT_MS = 1_000;
/** Milliseconds that a node which stops has for what it has yet to say, and between two looks whether it is said. */
const LAST_WORDS = 1_000;
const LOOK = 10;

export class RedisBackplane implements Backplane {
  private readonly keys: readonly EngineKeys[];
  private readonly outboxes: readonly Outbox[];
  private readonly listening: Listening;
  /** By partition. */
  private readonly heard: readonly Positions[];
  private readonly back: (() => void)[] = [];
  private hear: Hear = () => {};
  private number = 0;
  private wasReady = false;
  /** How often it began to hold back what it has to say. */
  private holds = 0;

  constructor(private readonly options: RedisBackplaneOptions) {
    const { redis, partitions } = options;
    const { commands, listener } = redis;
    this.keys = partitions.namespaces.map((namespace) => new EngineKeys(namespace, partitions.scope));
    this.heard = this.keys.map(() => new Positions());
    const command = commands.isCluster ? 'SPUBLISH' : 'PUBLISH';
    this.outboxes = this.keys.map(
      () => new Outbox({ commands, command, limits: options.outbox, onDrop: options.onDrop }),
    );
    this.listening = new Listening(
      listener,
      (channel) => this.namesOf(channel),
      () => this.isBack(),
    );
    const messages = this.keys[0]?.messages('') as string;
    listener.on('message', (name: string, text: string) => {
      if (name.startsWith(messages)) this.received(text);
    });
    listener.on('pmessage', (_glob: string, _name: string, text: string) => this.received(text));
    listener.on('smessage', (_name: string, text: string) => this.received(text));
    // A Cluster says nothing of one master: whose messages this node hears no more, others do not hear either.
    if (commands.isCluster) listener.on('close', () => this.holdUnheard());
    else commands.on('close', () => this.hold());
    commands.on('ready', () => void this.releaseSoon());
    listener.on('moved', () => {
      if (this.outboxes.some(({ isHeld }) => isHeld)) void this.releaseSoon();
    });
  }

  /** How far a client of this node has heard each node: as this node has, or where it came from one that had heard more. */
  positionOf({ heardOf }: Client): Position {
    return this.further(
      this.heard.map((heard) => this.withOwn(heard.all)),
      heardOf?.position ?? [],
    );
  }

  /** Of two positions what is further. */
  private further(one: Position, other: Position): Position {
    return one.map((numbers, partition) => {
      const position = { ...numbers };
      for (const [name, number] of Object.entries(other[partition] ?? {})) {
        position[name] = Math.max(number, position[name] ?? 0);
      }
      return position;
    });
  }

  /** What a client has had that comes from a node at this position, where it subscribed to these. */
  heardOf(position: Position, channels: readonly string[]): HeardOf {
    const { partitions } = this.options;
    return new HeardElsewhere(position, new Set(channels), (channel) => partitions.of(channel));
  }

  /** Calls back after each outage, once this node hears again what it listens to. */
  onBack(listener: () => void): void {
    this.back.push(listener);
  }

  /** Calls back as soon as this node hears the others no more; with Redis Cluster, some of them. */
  onDeaf(listener: () => void): void {
    this.options.redis.listener.on('close', listener);
  }

  publish(message: Omit<Published, 'id'>, channels: readonly string[]): void {
    const { node, partitions } = this.options;
    this.number += 1;
    const { number } = this;
    const { channel, json } = message;
    const exact = channels.length === 1;
    const partition = partitions.of(channel);
    // First: it is said before this node begins to write to its own clients.
    this.outboxes[partition]?.put(this.saidOn(channel, partition), { node, number, exact, channel, json });
    this.hear({ id: `${node} ${number}`, channel, json }, channels);
  }

  listen(channel: string, listening: () => void): void {
    this.listening.listen(channel, listening);
  }

  unlisten(channel: string): void {
    this.listening.unlisten(channel);
  }

  onMessage(hear: Hear): void {
    this.hear = hear;
  }

  /** Messages that wait to be said. */
  get waiting(): number {
    return this.outboxes.reduce((sum, { size }) => sum + size, 0);
  }

  /** Resolves once what waits now has been sent, at once while Redis is away, or after a second. */
  async flushed(): Promise<void> {
    if (this.waiting === 0) return;
    const all = this.outboxes.map((outbox) => outbox.flushed());
    await Promise.race([Promise.all(all), after(FLUSH_TIMEOUT_MS, undefined, { ref: false })]);
  }

  /** Says what waits, whoever may hear it: resolves once it is said, or can't be, or after a second. */
  async said(): Promise<void> {
    for (const outbox of this.outboxes) outbox.release();
    const end = performance.now() + LAST_WORDS;
    const { commands } = this.options.redis;
    while (this.waiting > 0 && commands.status === 'ready' && performance.now() < end) await after(LOOK);
  }

  close(): void {
    for (const heard of this.heard) heard.close();
    this.listening.close();
  }

  private get isCluster(): boolean {
    return this.options.redis.commands.isCluster;
  }

  private saidOn(channel: string, partition: number): string[] {
    const keys = this.keys[partition] as EngineKeys;
    return this.isCluster ? [keys.messages(channel), keys.everything] : [keys.messages(channel)];
  }

  private namesOf(channel: string): Name[] {
    const isPattern = channel.endsWith('*');
    if (isPattern && this.isCluster)
      return this.keys.map(({ everything }, partition) => ({
        kind: 'ssubscribe',
        name: everything,
        tag: this.tagOf(partition),
      }));
    const partition = this.options.partitions.of(channel);
    const keys = this.keys[partition] as EngineKeys;
    const tag = this.tagOf(partition);
    const kind = this.isCluster ? 'ssubscribe' : 'subscribe';
    if (!isPattern) return [{ kind, name: keys.messages(channel), tag }];
    const parent = channel.slice(0, channel.lastIndexOf('/') + 1);
    return [{ kind: 'psubscribe', name: `${escaped(keys.messages(parent))}*`, tag }];
  }

  private received(text: string): void {
    const letter = read(text);
    if (!letter || letter.node === this.options.node || !this.isNew(letter)) return;
    const { node, number, channel, json } = letter;
    this.hear({ id: `${node} ${number}`, channel, json }, namesOf(letter));
  }

  private isNew({ node, number, channel }: Letter): boolean {
    return this.heardIn(channel).goesOn(node, number);
  }

  private heardIn(channel: string): Positions {
    return this.heard[this.options.partitions.of(channel)] as Positions;
  }

  private withOwn(numbers: Record<string, number>): Record<string, number> {
    return { ...numbers, [this.options.node]: this.number };
  }

  private hold(): void {
    this.holds += 1;
    for (const outbox of this.outboxes) outbox.hold();
  }

  private holdUnheard(): void {
    this.holds += 1;
    this.outboxes.forEach((outbox, partition) => {
      if (!this.hears(partition)) outbox.hold();
    });
  }

  /** Unless it is away again by then. */
  private async releaseSoon(): Promise<void> {
    const { holds } = this;
    if (this.wasReady) await after(FLUSH_DELAY_MS);
    if (this.holds !== holds) return;
    this.outboxes.forEach((outbox, partition) => {
      if (this.hears(partition)) outbox.release();
    });
  }

  private isBack(): void {
    void this.releaseSoon();
    this.wasReady = true;
    for (const listener of this.back) listener();
  }

  private hears(partition: number): boolean {
    return this.options.redis.listener.lineOf(this.tagOf(partition)) !== undefined;
  }

  private tagOf(partition: number): string {
    return this.options.partitions.tags[partition] as string;
  }
}

/** Redis' glob characters; Bayeux channels have none, a namespace may. */
const escaped = (text: string): string => text.replace(/[\\?*[\]^]/g, '\\$&');
