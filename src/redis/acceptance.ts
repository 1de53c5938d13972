/** Whether a Redis is one that we can use, and one on which the nodes agree. */
import type { Redis } from 'ioredis';
import { isCluster } from './is-cluster.js';
import type { Partitions } from './partitions.js';
import type { Commands } from './scripts.js';

/** Major version from which on there is sharded Pub/Sub, and all that our scripts use. */
const LEAST = 7;

/** This Redis can't be used, however often it is asked. */
export class UnusableRedisError extends Error {
  override readonly name = 'UnusableRedisError';
  readonly code = 'REDIS';
}

/**
 * Rejects with `UnusableRedisError` where it is too old, where it is a node of a Cluster that is not asked as one, or where other
 * nodes have another number of partitions.
 */
export async function accept(redis: Commands, partitions: Partitions): Promise<void> {
  const clustered = isCluster(redis);
  if (clustered) checkPrefix(partitions);
  await Promise.all(serversOf(redis).map((server) => check(server, clustered)));
  if (partitions.count !== null) await agree(redis, partitions, partitions.count);
}

const serversOf = (redis: Commands): Redis[] => (isCluster(redis) ? redis.nodes('master') : [redis]);

async function check(redis: Redis, clustered: boolean): Promise<void> {
  const info = await redis.info('server');
  const version = /redis_version:(\S+)/.exec(info)?.[1] ?? 'one without a version';
  if (!(Number.parseInt(version, 10) >= LEAST))
    throw new UnusableRedisError(`Redis: expected version ${LEAST}.0 or newer, or Valkey, got ${version}`);
  if (!clustered && /redis_mode:cluster/.test(info))
    throw new UnusableRedisError(
      "Redis: expected ioredis' Cluster for a Redis Cluster, got a connection to one of its nodes",
    );
}

/** A prefix with an empty hash tag (`{}`) hides ours: each key would be in a slot of its own. */
function checkPrefix({ scope }: Partitions): void {
  if (!/^[^{]*\{\}/.test(scope.keyPrefix)) return;
  throw new UnusableRedisError(
    `Redis: expected a keyPrefix without an empty hash tag, {}, for a Redis Cluster, got ${JSON.stringify(scope.keyPrefix)}`,
  );
}

/** The first node says how many there are. */
async function agree(redis: Commands, { key }: Partitions, count: number): Promise<void> {
  const known = await redis.set(key, count, 'NX', 'GET');
  if (known === null || known === String(count)) return;
  throw new UnusableRedisError(
    `Option \`redis.partitions\`: expected ${known}, as the other nodes have it (the key ${key} says so), got ${count}`,
  );
}
