/** The options of more than one process: Redis, and the engine. */
import { z } from 'zod';
import { PARTITIONS } from '../../redis/partitions.js';
import { isClient } from '../redis-client.js';
import { ENGINES, type RedisClient, type RedisOptions } from '../types.js';
import { declared, type Judge } from './declaration.js';

/**
 * ioredis and others take a wrong database number for 0. A `/`, `?` or `#` of a password that is not percent-encoded ends the
 * part of the URL that has it: what is behind it would be the path, the query or the fragment.
 */
const isRedisUrl = (text: string): boolean => {
  if (!URL.canParse(text) || !isPercentEncoded(text)) return false;
  const { protocol, hostname, pathname, searchParams, hash } = new URL(text);
  const names = [...searchParams.keys()];
  return (
    (protocol === 'redis:' || protocol === 'rediss:') &&
    hostname !== '' &&
    hash === '' &&
    isDatabaseNumber(pathname.slice(1) || '0') &&
    isDatabaseNumber(searchParams.get('db') ?? '0') &&
    names.every((name) => /^\w+$/.test(name))
  );
};

const isDatabaseNumber = (text: string): boolean => /^\d{1,9}$/.test(text);

const isPercentEncoded = (text: string): boolean => !/%(?![\da-f]{2})/i.test(text);

export const redisUrl = (fallback: string, doc: string) =>
  z.string().refine(isRedisUrl).register(declared, {
    doc,
    type: 'a redis:// or rediss:// URL',
    default: fallback,
    secret: 'url',
  });

const isFactory: Judge<() => RedisClient> = (value): value is () => RedisClient =>
  typeof value === 'function';

const isClientOrFactory: Judge<RedisClient | (() => RedisClient)> = (value) =>
  isClient(value) || isFactory(value);

export const engine = z.enum(ENGINES).register(declared, {
  doc: "What carries messages between clients: ours, in one process or through Redis in many; Faye's own, in one process alone; or that of the npm package faye-redis.",
  type: 'one of faye-online, faye-memory, faye-redis',
  default: 'faye-online',
});

/** Of the object form: url alone, or client with or without what stands beside it. */
const isOneSource = ({ url, client, engineUrl, partitions }: RedisOptions): boolean =>
  url === undefined
    ? client !== undefined
    : client === undefined && engineUrl === undefined && partitions === undefined;

export const redis = z
  .union([
    z.string().refine(isRedisUrl),
    z.custom<RedisClient | (() => RedisClient)>(isClientOrFactory),
    z
      .strictObject({
        url: redisUrl('none', 'The same as `redis` as a text.').optional(),
        client: z
          .custom<RedisClient | (() => RedisClient)>(isClientOrFactory)
          .register(declared, {
            doc: 'Instead of url.',
            type: 'an ioredis Redis or Cluster, or a function that returns one',
            default: 'none',
            secret: 'url',
          })
          .optional(),
        partitions: z
          .int()
          .min(1)
          .max(256)
          .register(declared, {
            doc: 'Beside client: among how many parts channels and clients are divided with Redis Cluster, each on one master. The first node writes it down, and a node that has another number is refused.',
            type: 'a whole number of partitions',
            limits: 'from 1 to 256',
            default: String(PARTITIONS),
          })
          .optional(),
        engineUrl: redisUrl(
          'read from a plain ioredis instance',
          'Beside client, with the engine faye-redis: where that connects to, as it takes no client.',
        ).optional(),
      })
      .refine(isOneSource, { when: ({ issues }) => issues.length === 0 }),
  ])
  .register(declared, {
    doc: 'Redis 7.0 or newer, or Valkey, for more than one node. Of an ioredis instance, by Sentinel and Cluster too, we open connections like it; what a function returns is used as it is.',
    type: 'a redis:// or rediss:// URL, an ioredis Redis or Cluster, a function that returns one, { url } or { client, partitions, engineUrl }',
    default: 'none, all is in memory',
    secret: 'url',
  });
