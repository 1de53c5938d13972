/** An ioredis instance of the user's own, and the URL that can be read from it. */
import type { Cluster, Redis } from 'ioredis';
import type { RedisClient } from './types.js';

/** By what it can do: it may be of another copy of ioredis than ours. */
const isOfIoredis = (value: unknown): value is Redis | Cluster =>
  typeof value === 'object' &&
  value !== null &&
  'defineCommand' in value &&
  typeof value.defineCommand === 'function' &&
  'duplicate' in value &&
  typeof value.duplicate === 'function' &&
  'options' in value;

export const isCluster = (value: unknown): value is Cluster => isOfIoredis(value) && value.isCluster;

export const isClient = (value: unknown): value is RedisClient => isOfIoredis(value);

/** Neither Cluster, Sentinel, socket file nor TLS with certificates of its own: what a URL can say. */
export function isPlain(client: RedisClient): client is Redis {
  if (isCluster(client)) return false;
  const { sentinels, path, tls } = client.options;
  const plainTls = typeof tls !== 'object' || tls === null || Object.keys(tls).length === 0;
  return !sentinels?.length && !path && plainTls;
}

export function urlOfClient({ options }: Redis): string {
  const { host = 'localhost', port = 6379, db = 0, username, password, tls, keyPrefix } = options;
  const user = password ? `${encodeURIComponent(username ?? '')}:${encodeURIComponent(password)}@` : '';
  const name = host.includes(':') ? `[${host}]` : host;
  const prefix = keyPrefix ? `?keyPrefix=${encodeURIComponent(String(keyPrefix))}` : '';
  return `${tls ? 'rediss' : 'redis'}://${user}${name}:${port}/${db}${prefix}`;
}
