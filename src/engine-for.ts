/** The engine that a config asks for. */
import type { EngineType } from 'faye';
import type { Logger } from 'pino';
import type { ResolvedConfig } from './config/index.js';
import type { Counters } from './counters.js';
import { fayeRedis } from './engine/faye-redis/faye-redis.js';
import { onlineEngine } from './engine/online-engine.js';
import { redisEngine } from './engine/redis/redis-engine.js';
import { openHub, type Shared, shares } from './hubs.js';
import type { FellowStatus } from './sessions/redis/nodes.js';

export type EngineConfig = Pick<ResolvedConfig, 'engine' | 'redis' | 'namespace' | 'gc' | 'grace' | 'limits'>;

/** What may wait to be said to other nodes while Redis is away. */
const OUTBOX = { messages: 10_000, bytes: 16_000_000 };

export interface Engine {
  /** Undefined for Faye's own, which is what an adapter has that was told none. */
  type?: EngineType;
  /** Undefined where our engine is not on Redis. */
  shared?: Shared;
  nodes?(): Promise<FellowStatus[]>;
  close?(): Promise<void>;
}

export function engineFor(config: EngineConfig, counters: Counters, log: Logger): Engine {
  const { engine, redis, namespace, gc, grace, limits } = config;
  if (engine === 'faye-memory') return {};
  if (engine === 'faye-redis')
    return { type: fayeRedis({ url: redis?.engineUrl ?? '', namespace, gc, log }) };
  const options = {
    grace: grace * 1_000,
    waiting: { messages: limits.waitingMessages, bytes: limits.waitingBytes },
    onDrop: () => counters.count('dropped: waiting messages'),
  };
  if (!redis) return { type: onlineEngine(options) };
  const hub = openHub(redis, namespace, log);
  const { type, sessions, nodes, close } = redisEngine({
    ...options,
    hub,
    outbox: OUTBOX,
    onUnsaid: () => counters.count('dropped: messages to other nodes, while Redis was away'),
    log,
  });
  shares.set(type, { hub, sessions });
  return {
    type,
    shared: { hub, sessions },
    nodes,
    close: async () => {
      await close();
      hub.close();
    },
  };
}
