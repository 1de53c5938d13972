/**
 * Our connections to Redis: one for commands, one that listens.
 *
 * Commands never wait for a Redis that is away: they fail at once, since one that reached it late could bring back a
 * client that has ended meanwhile. Whoever asked knows what to repair (`Presence.settle`).
 */
import { type Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';

/** A `redis://` or `rediss://` URL, an ioredis instance of the user's own, or a function that makes one. */
export type RedisSource = string | Redis | Cluster | (() => Redis | Cluster);

/** Milliseconds that a command may take before it counts as failed. */
const COMMAND_TIMEOUT = 5_000;
const RETRY_MOST = 1_000;

const OPTIONS = {
  lazyConnect: false,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: COMMAND_TIMEOUT,
  retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 10), RETRY_MOST),
} satisfies RedisOptions;

export interface RedisConnections {
  readonly commands: Redis;
  readonly listener: Redis;
  readonly description: string;
  close(): void;
}

/**
 * Opens both. A user's own instance is left alone: we open two like it (`duplicate`), with our rules for commands.
 * What a user's function makes is used as it is. All that is opened here is closed by `close`.
 */
export function openRedis(source: RedisSource, log: Logger): RedisConnections {
  const commands = connect(source, OPTIONS);
  // The listener must subscribe again by itself after a cut, and may wait for that as long as it takes.
  const listener = connect(source, {
    lazyConnect: false,
    retryStrategy: OPTIONS.retryStrategy,
    maxRetriesPerRequest: null,
  });
  for (const [redis, role] of [
    [commands, 'commands'],
    [listener, 'listener'],
  ] as const) {
    reportOutages(redis, role, log);
  }
  return {
    commands,
    listener,
    description: describe(source, commands),
    close: () => {
      commands.disconnect();
      listener.disconnect();
    },
  };
}

/** ioredis reports it as an `error` as well, and tries again. */
const NOTHING = (): void => {};

function connect(source: RedisSource, options: RedisOptions): Redis {
  if (typeof source === 'string') return new Redis(source, options);
  const made = typeof source === 'function' ? source() : source;
  if (isCluster(made)) {
    if (made !== source) made.disconnect();
    throw new Error('Redis Cluster is not supported: expected a connection to one Redis, or by Sentinel');
  }
  if (made === source) return made.duplicate(options);
  // A connection of the user's making may wait for its first command before it connects; nobody sends one.
  if (made.status === 'wait') made.connect().catch(NOTHING);
  return made;
}

/** By what it says of itself: the user's may be of another copy of ioredis than ours. */
const isCluster = (redis: Redis | Cluster): redis is Cluster => redis.isCluster;

/** One line when it goes and one when it is back; ioredis reports an error for every attempt in between. */
function reportOutages(redis: Redis, role: string, log: Logger): void {
  let away = false;
  redis.on('error', (error: Error) => {
    if (!away) log.error({ reason: error.message, role }, 'Redis is away');
    away = true;
  });
  redis.on('ready', () => {
    if (away) log.info({ role }, 'Redis is back');
    away = false;
  });
}

function describe(source: RedisSource, commands: Redis): string {
  if (typeof source === 'string') {
    const { hostname, port } = new URL(source);
    return `Redis at ${hostname}:${port || 6379}`;
  }
  const { host, port, sentinels, name } = commands.options;
  return sentinels ? `Redis ${name ?? ''} by Sentinel`.trim() : `Redis at ${host}:${port}`;
}
