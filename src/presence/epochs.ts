/**
 * Looks whether Redis still has the data that it had, in each partition: as it connects, and each second, since a FLUSHALL
 * needs no new connection. Where a new epoch has begun it says so, until what follows from that is done.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { ask } from '../redis/ask.js';
import type { RedisConnections } from '../redis/connection.js';
import type { Keys } from '../redis/keys.js';
import { scripts } from '../redis/scripts.js';
import { RENEW_MS } from '../timings.js';
import { allSettled } from './all-settled.js';

export interface EpochsOptions {
  redis: RedisConnections;
  /** By partition. */
  keys: readonly Keys[];
  /** Pub/Sub channel that every node listens to, once it has looked. */
  heard: string;
  /** Milliseconds in which nothing is announced in a new epoch. */
  quiet: number;
  /** Done again after the next look where it rejects. */
  renewed(partition: number): Promise<void>;
  log: Logger;
}

export class Epochs {
  private readonly known: string[];
  /** Partitions that were not looked at since Redis was away. */
  private readonly unlooked: Set<number>;
  /** Partitions in a new epoch, of which that is still to be said. */
  private readonly unsaid = new Set<number>();
  /** Resolves once all partitions were looked at for the first time. */
  readonly first: Promise<void>;
  /** Partitions that could not be looked at the last time. */
  private readonly failed = new Set<number>();
  private readonly timer: NodeJS.Timeout;
  private looked = (): void => {};
  private looking: Promise<void> | undefined;
  private saying: Promise<void> | undefined;

  constructor(private readonly options: EpochsOptions) {
    this.known = options.keys.map(() => '');
    this.first = new Promise((resolve) => {
      this.looked = resolve;
    });
    this.unlooked = new Set(options.keys.keys());
    options.redis.commands.on('ready', () => this.lookAgain());
    options.redis.commands.on('close', () => this.doubt());
    this.timer = setInterval(() => this.lookAgain(), RENEW_MS);
    this.timer.unref();
  }

  /** Looks now. Rejects where Redis is away; what a new epoch leads to is not waited for. */
  look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
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

  private async lookOnce(): Promise<void> {
    await allSettled(
      this.options.keys.map(async (keys, partition) => {
        this.unlooked.add(partition);
        await this.read(keys, partition);
        this.unlooked.delete(partition);
      }),
    );
    this.looked();
    this.saying ??= this.say().finally(() => {
      this.saying = undefined;
    });
  }

  private async read(keys: Keys, partition: number): Promise<void> {
    const before = this.known[partition] ?? '';
    const [epoch, , cause] = await this.ask(keys, before).catch((error: unknown) => {
      this.failed.add(partition);
      throw error;
    });
    this.failed.delete(partition);
    this.known[partition] = epoch;
    if (before === '' || epoch === before) return;
    this.options.log.warn({ partition, cause }, 'Redis has lost data, or has older: a new epoch has begun');
    this.unsaid.add(partition);
  }

  private async ask(
    { epoch: key }: Keys,
    before: string,
  ): Promise<[epoch: string, quiet: number, cause: string]> {
    const { redis, quiet, heard } = this.options;
    return ask(redis, (commands) => scripts.epoch(commands, [key], [before, randomUUID(), quiet, heard]));
  }

  private doubt(): void {
    for (const partition of this.known.keys()) this.unlooked.add(partition);
  }

  private async say(): Promise<void> {
    const failed: number[] = [];
    for (const partition of this.unsaid) {
      // First, so that a loss while it is under way is said again.
      this.unsaid.delete(partition);
      try {
        await this.options.renewed(partition);
      } catch (error) {
        this.options.log.debug({ err: error, partition }, 'a new epoch: not all could be said; it will be');
        failed.push(partition);
      }
    }
    for (const partition of failed) this.unsaid.add(partition);
  }
}
