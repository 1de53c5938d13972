/** Where Redis is, from its URL: as redis 3 takes it, and as people may see it. */
import { isIP } from 'node:net';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  /** The number of the database; 0 where the URL names none. */
  readonly db: number;
  /** What its keys begin with, as ioredis' option of that name. */
  readonly keyPrefix?: string;
  readonly user?: string;
  readonly password?: string;
  readonly tls?: { servername?: string };
  /** redis 3 looks a host's name up for IPv4 unless it is told otherwise, by `?family=6`. */
  readonly family?: 'IPv6';
}

/**
 * `redis://[[user]:password@]host[:port][/db][?family=6&keyPrefix=app:]`, or `rediss://` for TLS. Throws a TypeError for anything
 * else; its message never holds the URL, which may hold a password.
 */
export function parseRedisUrl(text: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'redis:' && url?.protocol !== 'rediss:') {
    throw new TypeError(`Expected the URL of a Redis, redis:// or rediss://, got ${kindOf(text, url)}`);
  }
  const prefix = url.searchParams.get('keyPrefix');
  const host = url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1';
  return {
    host,
    port: Number(url.port || 6379),
    db: databaseOf(url),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(url.password && url.username && { user: decodeURIComponent(url.username) }),
    // Without a server name a TLS proxy can't tell for which host it is asked.
    ...(url.protocol === 'rediss:' && { tls: isIP(host) ? {} : { servername: host } }),
    ...(prefix && { keyPrefix: prefix }),
    ...(url.searchParams.get('family') === '6' && { family: 'IPv6' as const }),
  };
}

/** `127.0.0.1:6379`, and `/2` behind it for another database than 0. Never the user or the password. */
export function describeAddress({ host, port, db }: RedisAddress): string {
  const name = isIP(host) === 6 ? `[${host}]` : host;
  return `${name}:${port}${db === 0 ? '' : `/${db}`}`;
}

function databaseOf(url: URL): number {
  const text = url.pathname.replace(/^\//, '');
  if (!/^\d*$/.test(text)) {
    // It may be a part of a password that is not percent-encoded.
    throw new TypeError(
      `Expected the path of the Redis URL to be the number of a database, got ${text.length} characters`,
    );
  }
  return Number(text);
}

function kindOf(text: unknown, url: URL | null): string {
  if (url) return `one of ${url.protocol}//`;
  return typeof text === 'string' ? 'something that is no URL' : typeof text;
}
