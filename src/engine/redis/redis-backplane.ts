/**
 * The backplane of many processes: Redis Pub/Sub.
 *
 * A node sends each message once, and receives its own at once and not by Redis, so that its clients are served while Redis
 * is away. Messages have numbers: what comes twice, by two patterns or because it was sent again, is passed over.
 */
import type { RedisConnections } from '../../redis/connection.js';
import type { Partitions } from '../../redis/partitions.js';
import type { Backplane, Hear, Published } from '../backplane.js';
import { ChannelNames } from './channel-names.js';
import { namesOf } from './heard-of.js';
import { read } from './letter.js';
import { Listening } from './listening.js';
import { Outboxes } from './outboxes.js';
import { SeenMessages } from './seen-messages.js';

export interface RedisBackplaneOptions {
  redis: RedisConnections;
  partitions: Partitions;
  /** The name of this node. */
  node: string;
  /** What may wait to be sent while Redis is away. */
  outbox: { messages: number; bytes: number };
  onDrop(): void;
}

export class RedisBackplane implements Backplane {
  readonly outboxes: Outboxes;
  readonly seen: SeenMessages;
  private readonly names: ChannelNames;
  private readonly listening: Listening;
  private readonly back: (() => void)[] = [];
  private hear: Hear = () => {};
  private number = 0;

  constructor(private readonly options: RedisBackplaneOptions) {
    const { redis, partitions, node, outbox: limits, onDrop } = options;
    const { commands, listener } = redis;
    this.names = new ChannelNames(partitions, commands.isCluster);
    this.seen = new SeenMessages(partitions, () => ({ [node]: this.number }));
    this.listening = new Listening(
      listener,
      (channel) => this.names.of(channel),
      () => this.isBack(),
    );
    const root = this.names.messages('', 0);
    listener.on('message', (name: string, text: string) => {
      if (name.startsWith(root)) this.received(text);
    });
    listener.on('pmessage', (_glob: string, _name: string, text: string) => this.received(text));
    listener.on('smessage', (_name: string, text: string) => this.received(text));
    this.outboxes = new Outboxes({ redis, partitions, limits, onDrop });
  }

  /** Calls back after each outage, once this node receives again what it listens to. */
  onBack(listener: () => void): void {
    this.back.push(listener);
  }

  publish(message: Omit<Published, 'id'>, channels: readonly string[]): void {
    const { node, partitions } = this.options;
    this.number += 1;
    const { number } = this;
    const { channel, json } = message;
    const exact = channels.length === 1;
    const partition = partitions.of(channel);
    // First: it is sent before this node begins to write to its own clients.
    this.outboxes.put(partition, this.names.to(channel, partition), { node, number, exact, channel, json });
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

  close(): void {
    this.seen.close();
    this.listening.close();
  }

  private received(text: string): void {
    const letter = read(text);
    if (!letter || letter.node === this.options.node) return;
    const { node, number, channel, json } = letter;
    if (!this.seen.isNew(channel, node, number)) return;
    this.hear({ id: `${node} ${number}`, channel, json }, namesOf(letter));
  }

  private isBack(): void {
    this.outboxes.receiving();
    for (const listener of this.back) listener();
  }
}
