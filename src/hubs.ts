/** The way to Redis that a config asks for, and the one that an engine of ours has. */
import type { Logger } from 'pino';
import type { ResolvedConfig } from './config/index.js';
import { RedisHub } from './redis/hub.js';
import { partitionsOf } from './redis/partitions.js';
import type { RedisSessions } from './sessions/redis/redis-sessions.js';

type Redis = NonNullable<ResolvedConfig['redis']>;

export const openHub = (redis: Redis, namespace: string, log: Logger): RedisHub =>
  new RedisHub({
    source: redis.source,
    partitions: (connections) => partitionsOf(connections, namespace, redis.partitions),
    log,
  });

/** What presence shares with our engine on Redis. */
export interface Shared {
  readonly hub: RedisHub;
  readonly sessions: RedisSessions;
}

/** By the engine that a NodeAdapter is made with. */
export const shares = new WeakMap<object, Shared>();
