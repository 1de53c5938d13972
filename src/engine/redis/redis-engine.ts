/** Our engine on Redis, for many processes: its backplane and its sessions. */
import { randomUUID } from 'node:crypto';
import type { EngineType } from 'faye';
import type { Logger } from 'pino';
import { ask } from '../../redis/ask.js';
import type { RedisHub } from '../../redis/hub.js';
import { type FellowStatus, readNodes } from '../../sessions/redis/nodes.js';
import { RedisSessions } from '../../sessions/redis/redis-sessions.js';
import { type OnlineEngineOptions, onlineEngine } from '../online-engine.js';
import { RedisBackplane } from './redis-backplane.js';

export interface RedisEngineOptions extends OnlineEngineOptions {
  hub: RedisHub;
  /** What may wait to be said while Redis is away. */
  outbox: { messages: number; bytes: number };
  /** A message that waited to be said was dropped. */
  onUnsaid(): void;
  log: Logger;
}

export interface RedisEngine {
  type: EngineType;
  sessions: RedisSessions;
  /** The living nodes, oldest first. Rejects where Redis can't be asked. */
  nodes(): Promise<FellowStatus[]>;
  /** Gives this node's clients the time to go to another, and sends what waits. The hub stays open. */
  close(): Promise<void>;
}

export function redisEngine(options: RedisEngineOptions): RedisEngine {
  const { hub, log, grace, onUnsaid } = options;
  const { redis, partitions } = hub;
  const node = randomUUID();
  hub.accepted().catch((error: unknown) => log.fatal({ err: error }, 'this Redis is refused'));
  const backplane = new RedisBackplane({ ...options, redis, partitions, node, onDrop: onUnsaid });
  const sessions = new RedisSessions({ hub, node, grace, backplane, log });
  return {
    sessions,
    type: onlineEngine({ ...options, backplane, sessions }),
    nodes: async () => {
      const nodes = await ask(redis, (commands) => readNodes(commands, partitions));
      return nodes.map((status) => ({ ...status, isThis: status.node === node }));
    },
    close: async () => {
      await sessions.close();
      await backplane.outboxes.flushLast();
    },
  };
}
