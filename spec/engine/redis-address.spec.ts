import { describe, expect, it } from 'vitest';
import { describeAddress, parseRedisUrl } from '../../src/engine/faye-redis/redis-address.js';

describe('the URL of a Redis', () => {
  it.each([
    ['redis://', { host: '127.0.0.1', port: 6379, db: 0 }, '127.0.0.1:6379'],
    ['redis://example.test:7000/3', { host: 'example.test', port: 7000, db: 3 }, 'example.test:7000/3'],
    ['redis://:p%40ss@10.0.0.1', { host: '10.0.0.1', port: 6379, db: 0, password: 'p@ss' }, '10.0.0.1:6379'],
    [
      'redis://app:secret@[::1]:7000/',
      { host: '::1', port: 7000, db: 0, user: 'app', password: 'secret' },
      '[::1]:7000',
    ],
    [
      'rediss://example.test',
      { host: 'example.test', port: 6379, db: 0, tls: { servername: 'example.test' } },
      'example.test:6379',
    ],
    ['rediss://10.0.0.1', { host: '10.0.0.1', port: 6379, db: 0, tls: {} }, '10.0.0.1:6379'],
    [
      'redis://example.test?family=6',
      { host: 'example.test', port: 6379, db: 0, family: 'IPv6' },
      'example.test:6379',
    ],
    [
      'redis://example.test/3?keyPrefix=app%3A',
      { host: 'example.test', port: 6379, db: 3, keyPrefix: 'app:' },
      'example.test:6379/3',
    ],
  ])('%s', (url, address, description) => {
    expect(parseRedisUrl(url)).toEqual(address);
    expect(describeAddress(parseRedisUrl(url))).toBe(description);
  });

  it.each([
    ['http://user:secret@127.0.0.1', /redis:\/\/ or rediss:\/\/, got one of http:/],
    ['secret', /got something that is no URL/],
    ['redis://:secret@127.0.0.1/first', /number of a database, got 5 characters/],
  ])('is not %s', (url, message) => {
    expect(() => parseRedisUrl(url)).toThrow(message);
    expect(() => parseRedisUrl(url)).toThrow(expect.not.objectContaining({ message: /secret/ }));
  });
});
