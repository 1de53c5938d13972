/** The outboxes of all partitions. They are held while Redis is away, and until the nodes have had the time to receive again. */
import { setTimeout as after } from 'node:timers/promises';
import type { RedisConnections } from '../../redis/connection.js';
import type { Partitions } from '../../redis/partitions.js';
import { FLUSH_DELAY_MS } from '../../timings.js';
import type { Letter } from './letter.js';
import { Outbox, type OutboxOptions } from './outbox.js';

export interface OutboxesOptions extends Pick<OutboxOptions, 'limits' | 'onDrop'> {
  redis: RedisConnections;
  partitions: Partitions;
}

/** Milliseconds for which a client that arrives waits for what this node published before. */
const FLUSH_TIMEOUT_MS = 1_000;
/** Milliseconds that a node which stops has for what it has yet to send, and between two looks whether it is sent. */
const LAST_FLUSH_MS = 1_000;
const POLL_MS = 10;

export class Outboxes {
  private readonly all: readonly Outbox[];
  private hasReceived = false;
  /** How often they were held. */
  private holds = 0;

  constructor(private readonly options: OutboxesOptions) {
    const { redis, partitions } = options;
    const { commands, listener } = redis;
    const command = commands.isCluster ? 'SPUBLISH' : 'PUBLISH';
    this.all = partitions.namespaces.map(() => new Outbox({ ...options, commands, command }));
    // A Cluster says nothing of one master: whose messages this node does not receive, others do not receive either.
    if (commands.isCluster) listener.on('close', () => this.hold((partition) => !this.receives(partition)));
    else commands.on('close', () => this.hold());
    commands.on('ready', () => void this.releaseSoon());
    listener.on('moved', () => {
      if (this.all.some(({ isHeld }) => isHeld)) void this.releaseSoon();
    });
  }

  put(partition: number, names: readonly string[], letter: Letter): void {
    this.all[partition]?.put(names, letter);
  }

  /** Messages that wait. */
  get size(): number {
    return this.all.reduce((sum, { size }) => sum + size, 0);
  }

  hold(isHeld: (partition: number) => boolean = () => true): void {
    this.holds += 1;
    this.all.forEach((outbox, partition) => {
      if (isHeld(partition)) outbox.hold();
    });
  }

  /** This node receives again what it listens to. */
  receiving(): void {
    void this.releaseSoon();
    this.hasReceived = true;
  }

  /** Resolves once what waits now has been sent, at once while Redis is away, or after a second. */
  async flushed(): Promise<void> {
    if (this.size === 0) return;
    const all = this.all.map((outbox) => outbox.flushed());
    await Promise.race([Promise.all(all), after(FLUSH_TIMEOUT_MS, undefined, { ref: false })]);
  }

  /** Sends what waits. Resolves once it is sent, or can't be, or after a second. */
  async flushLast(): Promise<void> {
    for (const outbox of this.all) outbox.release();
    const end = performance.now() + LAST_FLUSH_MS;
    const { commands } = this.options.redis;
    while (this.size > 0 && commands.status === 'ready' && performance.now() < end) await after(POLL_MS);
  }

  /** Unless Redis is away again by then. */
  private async releaseSoon(): Promise<void> {
    const { holds } = this;
    if (this.hasReceived) await after(FLUSH_DELAY_MS);
    if (this.holds !== holds) return;
    this.all.forEach((outbox, partition) => {
      if (this.receives(partition)) outbox.release();
    });
  }

  private receives(partition: number): boolean {
    const { redis, partitions } = this.options;
    return redis.listener.lineOf(partitions.tags[partition] as string) !== undefined;
  }
}
