/**
 * A node's way to its Redis: one connection for commands and one that listens, and one watch over the epochs. The engine and
 * presence share it. With Redis Cluster there is one for commands to every master and two that listen: one for sharded channels.
 */
import type { Logger } from 'pino';
import { openRedis, type RedisConnections, type RedisSource } from './connection.js';
import { Epochs } from './epochs.js';
import type { Partitions } from './partitions.js';

export interface HubOptions {
  source: RedisSource;
  /** How keys are divided, which depends on whether it is a Cluster. */
  partitions(redis: RedisConnections): Partitions;
  /** Milliseconds in which nothing is announced in a new epoch. Default 5,000. */
  settling?: number;
  log: Logger;
}

export class RedisHub {
  readonly redis: RedisConnections;
  readonly partitions: Partitions;
  readonly epochs: Epochs;
  private acceptance: Promise<void> | undefined;

  constructor({ source, partitions, settling, log }: HubOptions) {
    this.redis = openRedis(source, log);
    this.partitions = partitions(this.redis);
    this.epochs = new Epochs({ redis: this.redis, partitions: this.partitions, settling, log });
  }

  /** As `RedisConnections.accepted`; asked once. */
  accepted(): Promise<void> {
    this.acceptance ??= this.redis.accepted(this.partitions);
    return this.acceptance;
  }

  close(): void {
    this.epochs.close();
    this.redis.close();
  }
}
