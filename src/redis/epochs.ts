/**
 * Watches whether Redis still has the data that it had, in each partition: each second, and as it connects. A FLUSHALL needs
 * no new connection. Where a new epoch has begun the listeners are called, until what follows from that is done.
 *
 * Whoever renews the leases of this node looks each second (`lookAt`); where nobody does, `start` does it.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { RENEW_MS, SETTLING_MS } from '../timings.js';
import { ask } from './ask.js';
import type { RedisConnections } from './connection.js';
import { Keys } from './keys.js';
import type { Partitions } from './partitions.js';
import { scripts } from './scripts.js';

export interface EpochsOptions {
  redis: RedisConnections;
  partitions: Partitions;
  /** Milliseconds in which nothing is announced in a new epoch. Default `SETTLING_MS`. */
  settling?: number | undefined;
  log: Logger;
}

export interface Epoch {
  id: string;
  /** Milliseconds in which nothing is announced yet. */
  settling: number;
}

/** What follows from a new epoch of a partition. Called again after the next look where it rejects. */
export type EpochListener = (partition: number) => Promise<void>;

export class Epochs {
  private readonly keys: readonly Keys[];
  private readonly known: string[];
  /** Partitions that were not looked at since Redis was away. */
  private readonly unlooked: Set<number>;
  /** Partitions that could not be looked at the last time. */
  private readonly failed = new Set<number>();
  /** Partitions in a new epoch whose listeners have yet to succeed. */
  private readonly changed = new Set<number>();
  private readonly listeners: EpochListener[] = [];
  private readonly preparing: EpochListener[] = [];
  /** Partitions in a new epoch that is not prepared yet. */
  private readonly unprepared = new Set<number>();
  private readonly looking = new Map<number, Promise<Epoch>>();
  private notifying: Promise<void> | undefined;
  private wereAllKnown = (): void => {};
  /** Resolves once all partitions were looked at for the first time. */
  readonly first = new Promise<void>((resolve) => {
    this.wereAllKnown = resolve;
  });
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: EpochsOptions) {
    const { partitions, redis } = options;
    this.keys = partitions.namespaces.map((namespace) => new Keys(namespace, partitions.scope));
    this.known = this.keys.map(() => '');
    this.unlooked = new Set(this.keys.keys());
    redis.commands.on('ready', () => this.lookAgain());
    redis.commands.on('close', () => {
      for (const partition of this.known.keys()) this.unlooked.add(partition);
    });
  }

  /** Looks each second from now on. */
  start(): void {
    this.timer ??= setInterval(() => this.lookAgain(), RENEW_MS);
    this.timer.unref();
  }

  /** Looks at all partitions now. Rejects where one can't be looked at; what a new epoch leads to is not waited for. */
  async look(): Promise<void> {
    const looks = await Promise.allSettled(this.keys.map((_, partition) => this.lookAt(partition)));
    const failed = looks.find((look) => look.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** Looks at one partition now; who asks while that is under way waits for it. */
  lookAt(partition: number): Promise<Epoch> {
    const underWay = this.looking.get(partition) ?? this.read(partition);
    this.looking.set(partition, underWay);
    return underWay.finally(() => {
      if (this.looking.get(partition) === underWay) this.looking.delete(partition);
    });
  }

  onChange(listener: EpochListener): void {
    this.listeners.push(listener);
  }

  /** As `onChange`, and before anything is written in the new epoch: until it succeeds that can't be looked at. */
  onBegin(listener: EpochListener): void {
    this.preparing.push(listener);
  }

  /** By partition; none where those that go on are not known for certain. */
  get all(): readonly string[] {
    return this.unlooked.size === 0 ? this.known : [];
  }

  /** Empty until it was looked at. */
  of(partition: number): string {
    return this.known[partition] ?? '';
  }

  /** How many partitions could not be looked at the last time. */
  get away(): number {
    return this.failed.size;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private lookAgain(): void {
    this.look().catch((error: unknown) => {
      this.options.log.debug({ err: error }, 'the epoch of Redis could not be read; it will be');
    });
  }

  private async read(partition: number): Promise<Epoch> {
    this.unlooked.add(partition);
    const before = this.of(partition);
    const [id, settling, cause] = await this.ask(partition, before).catch((error: unknown) => {
      this.failed.add(partition);
      throw error;
    });
    this.failed.delete(partition);
    this.known[partition] = id;
    this.unlooked.delete(partition);
    if (this.known.every((each) => each !== '')) this.wereAllKnown();
    if (before !== '' && id !== before) {
      this.options.log.warn({ partition, cause }, 'Redis has lost data, or has older: a new epoch has begun');
      this.changed.add(partition);
      this.unprepared.add(partition);
    }
    if (this.unprepared.has(partition)) {
      await Promise.all(this.preparing.map((listener) => listener(partition)));
      this.unprepared.delete(partition);
    }
    this.notifying ??= this.notify().finally(() => {
      this.notifying = undefined;
    });
    return { id, settling };
  }

  private ask(partition: number, before: string): Promise<[id: string, settling: number, cause: string]> {
    const { redis, settling = SETTLING_MS } = this.options;
    const [home] = this.keys;
    const key = this.keys[partition]?.epoch ?? '';
    return ask(redis, (commands) =>
      scripts.epoch(commands, [key], [before, randomUUID(), settling, home?.announcements ?? '']),
    );
  }

  private async notify(): Promise<void> {
    const failed: number[] = [];
    for (const partition of this.changed) {
      // First, so that a loss while it is under way counts once more.
      this.changed.delete(partition);
      try {
        await Promise.all(this.listeners.map((listener) => listener(partition)));
      } catch (error) {
        this.options.log.debug({ err: error, partition }, 'a new epoch: not all could be done; it will be');
        failed.push(partition);
      }
    }
    for (const partition of failed) this.changed.add(partition);
  }
}
