/** The options of more than one process: Redis, and the engine. */
import { z } from 'zod';
import { isClient } from '../redis-client.js';
import { ENGINES, type RedisClient, type RedisOptions } from '../types.js';
import { declared, type Judge } from './declaration.js';

const isRedisUrl = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return (url?.protocol === 'redis:' || url?.protocol === 'rediss:') && url.hostname !== '';
};

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
  doc: "What carries messages between clients: one process alone by ours or by Faye's own, or all nodes through Redis.",
  type: 'one of faye-online, faye-memory, faye-redis',
  default: 'faye-redis where Redis is configured, faye-online otherwise',
});

/** Of the object form: url alone, or client with or without engineUrl. */
const isOneSource = ({ url, client, engineUrl }: RedisOptions): boolean =>
  url === undefined ? client !== undefined : client === undefined && engineUrl === undefined;

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
            doc: 'Instead of url: the client of presence.',
            type: 'an ioredis instance (no Cluster), or a function that returns one',
            default: 'none',
            secret: 'url',
          })
          .optional(),
        engineUrl: redisUrl(
          'read from a plain ioredis instance',
          'Beside client: where faye-redis connects to.',
        ).optional(),
      })
      .refine(isOneSource, { when: ({ issues }) => issues.length === 0 }),
  ])
  .register(declared, {
    doc: 'Redis, for more than one node. faye-redis connects by URL alone: that of an ioredis instance is read from its options, and Sentinels or a function take an `engineUrl` beside it.',
    type: 'a redis:// or rediss:// URL, an ioredis instance (no Cluster), a function that returns one, { url } or { client, engineUrl }',
    default: 'none, all is in memory',
    secret: 'url',
  });
