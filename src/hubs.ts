/** The way to Redis that a config asks for, and the one that an engine of ours has. */
import type { Logger } from 'pino';
import type { ResolvedConfig } from './config/index.js';
import { RedisHub } from './redis/hub.js';
import { partitionsOf } from './redis/partitions.js';

type Redis = NonNullable<ResolvedConfig['redis']>;

export const openHub = (redis: Redis, namespace: string, log: Logger): RedisHub =>
  new RedisHub({
    source: redis.source,
    partitions: (connections) => partitionsOf(connections, namespace, redis.partitions),
    log,
  });

/** By the engine that a NodeAdapter is made with: presence on that adapter shares its connections. */
export const hubs = new WeakMap<object, RedisHub>();
