/** How Redis and the engine are resolved: one is never without the other. */
import { PARTITIONS } from '../redis/partitions.js';
import type { Found } from './found.js';
import { isClient, isCluster, isPlain, urlOfClient } from './redis-client.js';
import type { ResolvedRedis } from './resolved.js';
import { shown, wrong } from './shown.js';
import type { EngineName, RedisConfig, RedisSource } from './types.js';

export function resolveRedis(found: Found): ResolvedRedis | null {
  const { file, set, refused, problems, warnings } = found;
  if (['redis', 'engine', 'REDIS_URL'].some((name) => refused.has(name))) return null;
  if (file.redis !== undefined && set.REDIS_URL)
    warnings.push('REDIS_URL is used instead of the option `redis`.');
  const configured = set.REDIS_URL ?? file.redis;
  const engineProblem = enginesProblem(file.engine, configured !== undefined);
  if (engineProblem) problems.push(engineProblem);
  if (engineProblem || configured === undefined) return null;
  const parts = partsOf(configured);
  if (!hasDatabase(parts.source)) {
    problems.push(
      wrong('Option `redis`', 'an ioredis instance whose `db` is a whole number from 0', 'another'),
    );
    return null;
  }
  if (found.engineIsOurs && file.engine === 'faye-redis') return withEngineUrl(parts, problems);
  return { ...parts, engineUrl: parts.engineUrl ?? urlOf(parts.source) ?? null };
}

function enginesProblem(engine: EngineName | undefined, hasRedis: boolean): string | undefined {
  if (engine === 'faye-redis' && !hasRedis)
    return `${wrong('Option `engine`', 'faye-online or faye-memory, as no Redis is configured', shown(engine))}: faye-redis needs a Redis URL (option \`redis\`, or REDIS_URL)`;
  if (engine === 'faye-memory' && hasRedis)
    return `${wrong('Option `engine`', 'faye-online or faye-redis, as Redis is configured', shown(engine))}: presence in Redis needs an engine that all nodes share`;
  return undefined;
}

function withEngineUrl(parts: Parts, problems: string[]): ResolvedRedis | null {
  const { source } = parts;
  const engineUrl = parts.engineUrl ?? urlOf(source);
  if (isCluster(source)) {
    problems.push(wrong('Option `redis`', 'one Redis, as faye-redis can use no Cluster', shown(source)));
    return null;
  }
  if (engineUrl) return { ...parts, engineUrl };
  const expected = '{ client, engineUrl }, as faye-redis takes only a redis:// or rediss:// URL';
  problems.push(wrong('Option `redis`', expected, `${kindOf(source)} without an engineUrl`));
  return null;
}

interface Parts {
  source: RedisSource;
  engineUrl?: string | undefined;
  partitions: number;
}

function partsOf(configured: RedisConfig): Parts {
  if (typeof configured !== 'object' || isClient(configured))
    return { source: configured, partitions: PARTITIONS };
  const { url, client, engineUrl, partitions = PARTITIONS } = configured;
  return { source: url ?? client ?? '', engineUrl, partitions };
}

function urlOf(source: RedisSource): string | undefined {
  if (typeof source === 'string') return source;
  return isClient(source) && isPlain(source) ? urlOfClient(source) : undefined;
}

/** ioredis goes on in database 0 with any other. */
const hasDatabase = (source: RedisSource): boolean =>
  !isClient(source) || isCluster(source) || isDatabase(source.options.db);

const isDatabase = (db: unknown): boolean => db === undefined || (Number.isInteger(db) && Number(db) >= 0);

function kindOf(source: RedisSource): string {
  if (!isClient(source) || isCluster(source)) return shown(source, 'url');
  const { sentinels, path } = source.options;
  if (sentinels?.length) return 'an ioredis instance with Sentinels';
  return path ? 'an ioredis instance on a socket file' : 'an ioredis instance with TLS settings of its own';
}
