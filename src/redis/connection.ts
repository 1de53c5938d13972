/**
 * Our connections to Redis: one for commands, one that listens; with Redis Cluster each is one to every master.
 *
 * Commands never wait for a Redis that is away: they fail at once, since one that reached it late could bring back a
 * client that has ended meanwhile. Sessions are written again once Redis is back (`Reconciler`). With Cluster a master may be
 * away while the others are there: then `commands.status` is `ready`, and commands for that master fail, those that wait
 * for its connection within 2 s.
 */
import { type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { COMMAND_TIMEOUT_MS, RECONNECT_MAX_MS } from '../timings.js';
import { accept, UnusableRedisError } from './acceptance.js';
import { type Listening, listenToCluster } from './cluster-listener.js';
import { isCluster } from './is-cluster.js';
import { Listener } from './listener.js';
import type { Partitions } from './partitions.js';
import { Refusals, refusalOf } from './refusals.js';
import { type Scope, takeScope } from './scope.js';
import type { Commands } from './scripts.js';
import { watch } from './watch.js';

/** A `redis://` or `rediss://` URL, an ioredis instance of the user's own, or a function that makes one. */
export type RedisSource = string | Commands | (() => Commands);

/** Milliseconds that a connection to a master may take: less, so that no command reaches it after it has failed. */
const CONNECT_TIMEOUT = 2_000;
/** Milliseconds that the other side has to close a connection that hangs. */
const DISCONNECT_TIMEOUT = 100;
/** Milliseconds between two looks which masters there are. */
const LOOK = 5_000;
/** Milliseconds until a Redis that went away in the middle is asked again whether it can be used. */
const ASK_AGAIN = 500;

const retryStrategy = (attempt: number): number =>
  Math.min(50 * 2 ** Math.min(attempt, 10), RECONNECT_MAX_MS);

const COMMANDS = {
  lazyConnect: false,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: COMMAND_TIMEOUT_MS,
  disconnectTimeout: DISCONNECT_TIMEOUT,
  retryStrategy,
} satisfies RedisOptions;

/** What it subscribes to after a cut the `Listener` decides: with Cluster another connection may hear it by then. */
const LISTENS = {
  keyPrefix: '',
  lazyConnect: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  disconnectTimeout: DISCONNECT_TIMEOUT,
  maxRetriesPerRequest: null,
  retryStrategy,
} satisfies RedisOptions;

/** Nothing is tried again: whether a command has arrived is not known. Other masters are found by MOVED, and by looking. */
const CLUSTER = {
  lazyConnect: false,
  // Its answer comes from a master whose connection may only just be opening; each master answers for itself anyway.
  enableReadyCheck: false,
  // A master's first commands come while its connection opens. UnavailableError is what has a status other than `ready`.
  enableOfflineQueue: true,
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
  slotsRefreshInterval: LOOK,
  scaleReads: 'master',
  shardedSubscribers: false,
  clusterRetryStrategy: retryStrategy,
} satisfies ClusterOptions;

const MASTER = {
  // A master that hangs would keep commands until it answers; so they go to it, and fail in time.
  enableReadyCheck: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: CONNECT_TIMEOUT,
  disconnectTimeout: DISCONNECT_TIMEOUT,
} satisfies RedisOptions;

export interface RedisConnections {
  readonly commands: Commands;
  readonly listener: Listener;
  /**
   * Listens to channels that are not sharded. With Redis Cluster it has connections of its own: of a connection that listens to
   * both kinds ioredis forgets the one kind with the last channel of the other.
   */
  readonly plain: Listener;
  readonly description: string;
  /** For everybody, why Redis refuses what it is asked although it can be reached. Null where it does not. */
  readonly refusal: string | null;
  /** What the names of keys and Pub/Sub channels are to have: the connections have no `keyPrefix` of their own. */
  readonly scope: Scope;
  /**
   * Resolves once both are there and the nodes agree on the partitions. Rejects with `UnusableRedisError`, and closes both, where
   * Redis is older than 7.0 or has another number of partitions.
   */
  accepted(partitions: Partitions): Promise<void>;
  close(): void;
}

/**
 * Opens both. A user's own instance is left alone: we open two like it (`duplicate`), with our rules for commands. What a
 * user's function makes is used as it is; for a Cluster it is called once, and connections like those to its masters
 * listen. All that is opened here is closed by `close`.
 */
export function openRedis(source: RedisSource, log: Logger): RedisConnections {
  const commands = connect(source, COMMANDS);
  const scope = takeScope(commands);
  const refusals = {
    commands: new Refusals({
      role: 'commands',
      isOpen: () => commands.status === 'ready',
      // The other connection may hear what that replica is sent, until nobody sends it anything.
      isReplica: () => reconnect(),
      log,
    }),
    listener: new Refusals({ role: 'listener', isOpen: () => listener.status === 'ready', log }),
  };
  reportOutages(commands, 'commands', refusals.commands, log);
  watchAll(commands, refusals.commands);
  const { listener, reconnect, close: stopListening } = listen(source, commands, refusals.listener, log);
  const other = isCluster(commands) ? listen(source, commands, refusals.listener, log) : undefined;
  let closed = false;
  let refused = false;
  const close = (): void => {
    closed = true;
    for (const each of Object.values(refusals)) each.clear();
    commands.disconnect();
    stopListening();
    other?.close();
  };

  async function accepted(partitions: Partitions): Promise<void> {
    while (!closed) {
      await Promise.all([ready(commands), ready(listener)]);
      try {
        return await accept(commands, partitions);
      } catch (error) {
        refused = error instanceof UnusableRedisError;
        if (refused) close();
        if (refused) throw error;
        // One that Redis refuses is logged once, as a refusal.
        if (!refusalOf(error))
          log.warn({ err: error }, 'Redis could not be asked whether it can be used; it will be again');
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
      }
    }
  }
  return {
    commands,
    listener,
    plain: other?.listener ?? listener,
    description: describe(source, commands),
    scope,
    get refusal() {
      if (refused) return 'can not be used, the log says why';
      const reason = refusals.commands.reason ?? refusals.listener.reason;
      return reason === null ? null : `refuses commands: ${reason}`;
    },
    accepted,
    close,
  };
}

interface Connected extends Listening {
  /** Makes the connection anew. */
  reconnect(): void;
}

function listen(source: RedisSource, commands: Commands, refusals: Refusals, log: Logger): Connected {
  const watched = (redis: Redis): void => {
    reportOutages(redis, 'listener', refusals, log);
    watchOne(redis, refusals);
  };
  // Who is master, a Cluster says itself.
  if (isCluster(commands)) return { ...listenToCluster(commands, LISTENS, watched), reconnect: NOTHING };
  const redis = connect(source, LISTENS) as Redis;
  takeScope(redis);
  watched(redis);
  const listener = new Listener(() => redis);
  listener.add(redis);
  return { listener, reconnect: () => redis.disconnect(true), close: () => redis.disconnect() };
}

function connect(source: RedisSource, options: RedisOptions): Commands {
  if (typeof source === 'string') return new Redis(source, options);
  if (typeof source === 'function') return begun(source());
  if (isCluster(source)) return source.duplicate([], { ...CLUSTER, redisOptions: MASTER });
  return source.duplicate(options);
}

/** A connection of the user's making may wait for its first command before it connects; nobody sends one. */
function begun(redis: Commands): Commands {
  const db = isCluster(redis) ? 0 : (redis.options.db ?? 0);
  // ioredis would go on in database 0.
  if (!Number.isInteger(db) || db < 0) {
    redis.disconnect();
    throw new UnusableRedisError(
      `Redis: expected the number of a database, a whole number from 0, got ${db}`,
    );
  }
  if (redis.status === 'wait') redis.connect().catch(NOTHING);
  return redis;
}

/** ioredis reports it as an `error` as well, and tries again. */
const NOTHING = (): void => {};

function watchAll(redis: Commands, refusals: Refusals): void {
  const each = (node: Redis): void => watchOne(node, refusals);
  if (!isCluster(redis)) {
    each(redis);
    return;
  }
  for (const node of redis.nodes()) each(node);
  redis.on('+node', each);
}

function watchOne(redis: Redis, refusals: Refusals): void {
  refusals.watch(redis);
  redis.once(
    'end',
    watch(redis, () => refusals.add(new Error(LOADING))),
  );
}

/** As Redis says it to commands, of which ioredis sends none meanwhile. */
const LOADING = 'LOADING Redis is loading the dataset in memory';

function ready(redis: Commands | Listener): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve) => (redis as Listener).once('ready', resolve));
}

/** One line when it goes and one when it is back; ioredis reports an error for every attempt in between. */
function reportOutages(redis: Commands, role: string, refusals: Refusals, log: Logger): void {
  let away = false;
  let leaving = false;
  redis.on('error', (error: Error) => {
    // What follows from leaving says nothing of Redis.
    if (leaving) return;
    const refusal = refusals.add(error);
    if (refusal?.code === 'ERR' && !isCluster(redis)) {
      // ioredis would go on in database 0.
      leaving = true;
      redis.disconnect(true);
    }
    if (refusal) return;
    refusals.clear();
    if (!away) log.error({ reason: error.message, role }, 'Redis is away');
    away = true;
  });
  redis.on('close', () => {
    leaving = false;
  });
  redis.on('ready', () => {
    if (away) log.info({ role }, 'Redis is back');
    away = false;
  });
}

function describe(source: RedisSource, commands: Commands): string {
  if (typeof source === 'string') {
    const { hostname, port } = new URL(source);
    return `Redis at ${hostname}:${port || 6379}`;
  }
  if (isCluster(commands)) return 'Redis Cluster';
  const { host, port, path, sentinels, name } = commands.options;
  if (sentinels) return `Redis ${name ?? ''} by Sentinel`.trim();
  return `Redis at ${path ?? `${host}:${port}`}`;
}
