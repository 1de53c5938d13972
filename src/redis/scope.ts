/**
 * What separates deployments that share one Redis, beside the namespace: the number of the database, and ioredis' `keyPrefix`.
 *
 * Redis' Pub/Sub knows no databases, and ioredis puts its `keyPrefix` before keys and sharded channels, but neither before the
 * channels of PUBLISH, SUBSCRIBE and PSUBSCRIBE nor before a pattern of SCAN. So ioredis is left without one, and our own
 * names have both.
 */
import type { Commands } from './scripts.js';

export interface Scope {
  /** What every key and Pub/Sub channel begins with. */
  readonly keyPrefix: string;
  /** 0 with Redis Cluster. */
  readonly database: number;
}

/** Database 0, without a prefix. */
export const PLAIN: Scope = { keyPrefix: '', database: 0 };

/** Takes the prefix from a connection of ours, whose commands have none from then on. */
export function takeScope(redis: Commands): Scope {
  const { options } = redis;
  const keyPrefix = String(options.keyPrefix ?? '');
  const database = 'db' in options ? Number(options.db ?? 0) : 0;
  options.keyPrefix = '';
  return { keyPrefix, database };
}

/** What the keys of a namespace begin with, or those of a partition. */
export const keyRoot = (ns: string, { keyPrefix }: Scope): string => `${keyPrefix}/${ns}`;

/** What its Pub/Sub channels begin with. No namespace has an `@`. */
export const channelRoot = (ns: string, scope: Scope): string =>
  `${keyRoot(ns, scope)}${scope.database === 0 ? '' : `@${scope.database}`}`;
