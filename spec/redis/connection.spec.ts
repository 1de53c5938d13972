import { createRequire } from 'node:module';
import { Cluster, Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRedis, type RedisConnections } from '../../src/redis/connection.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

/** ioredis as an app has it that installed a copy of its own. */
function otherCopy(): typeof Redis {
  const require = createRequire(import.meta.url);
  for (const file of Object.keys(require.cache)) {
    if (file.includes('/node_modules/ioredis/')) delete require.cache[file];
  }
  return (require('ioredis') as { Redis: typeof Redis }).Redis;
}

describe('#openRedis', () => {
  let server: RedisServer;
  let opened: RedisConnections | undefined;

  beforeEach(async () => {
    server = await RedisServer.start();
  });
  afterEach(async () => {
    opened?.close();
    await server.dispose();
  });

  it('opens two like an instance of another copy of ioredis', async () => {
    const OtherRedis = otherCopy();
    const source = new OtherRedis(server.port, '127.0.0.1', { lazyConnect: true, db: 3 });
    expect(source).not.toBeInstanceOf(Redis);

    opened = openRedis(source, silent);
    const { commands, listener, description } = opened;
    await until(() => commands.status === 'ready' && listener.status === 'ready', 'both to be ready');
    expect(description).toBe(`Redis at 127.0.0.1:${server.port}`);
    expect(await commands.call('CLIENT', 'INFO')).toContain(' db=3 ');
    expect(source.status).toBe('wait');
  });
});

it('refuses a Redis Cluster, of the user or of a function', () => {
  const cluster = () => new Cluster([{ port: 1 }], { lazyConnect: true });
  expect(() => openRedis(cluster(), silent)).toThrow('Redis Cluster is not supported');
  expect(() => openRedis(cluster, silent)).toThrow('Redis Cluster is not supported');
});
