/** Whole servers whose Redis can be reached, and refuses what it is asked. */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/index.js';
import { CliServer } from '../support/cli-server.js';
import { RedisServer } from '../support/redis-server.js';
import { join, type Running, sees, startServer, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

const REFUSED = 'Redis refuses commands';
const OVER = 'Redis takes commands again';
/** Milliseconds. */
const LONG = 30_000;

const disposing: (() => unknown)[] = [];
afterEach(async () => {
  await stopAll();
  for (const dispose of disposing.splice(0).reverse()) await dispose();
});

async function startRedis(options: readonly string[] = []): Promise<RedisServer> {
  const redis = await RedisServer.start(options);
  disposing.push(() => redis.dispose());
  return redis;
}

async function startCli(url: string): Promise<CliServer> {
  const server = await CliServer.start({ REDIS_URL: url });
  disposing.push(() => server.dispose());
  return server;
}

const isReady = async ({ url }: Running): Promise<boolean> => (await fetch(`${url}/readyz`)).ok;

const call = (redis: RedisServer, ...words: [string, ...(string | number)[]]): Promise<unknown> =>
  redis.ask((connection) => connection.call(...words));

/** One address for two Redis, of which one is reached. Connections stay as they are. */
async function address(first: RedisServer): Promise<{ url: string; lead(to: RedisServer): void }> {
  let port = first.port;
  const sockets = new Set<Socket>();
  const proxy: Server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => other.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  disposing.push(() => {
    proxy.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port: own } = proxy.address() as AddressInfo;
  return {
    url: `redis://127.0.0.1:${own}`,
    lead: (to) => {
      port = to.port;
    },
  };
}

describe('after a failover behind one address, while connections stay open', () => {
  async function failOver(): Promise<{ url: string; failOver(): Promise<void> }> {
    const master = await startRedis(['--repl-diskless-sync-delay', '0']);
    const replica = await startRedis(['--replicaof', `127.0.0.1 ${master.port}`]);
    await until(
      async () => (await replica.ask((each) => each.info('replication'))).includes('master_link_status:up'),
      'the replica to have the data',
    );
    const { url, lead } = await address(master);
    return {
      url,
      async failOver() {
        await call(replica, 'REPLICAOF', 'NO', 'ONE');
        lead(replica);
        await call(master, 'REPLICAOF', '127.0.0.1', replica.port);
      },
    };
  }

  it.each<[string, (url: string) => Config]>([
    ['a URL', (redis) => ({ redis })],
    ['an ioredis instance', (url) => ({ redis: new Redis(url, { lazyConnect: true }) })],
    ['a function', (url) => ({ redis: () => new Redis(url) })],
    ['the engine faye-redis', (redis) => ({ redis, engine: 'faye-redis' })],
  ])(
    'goes on with the new master, and shows who comes, with %s',
    { timeout: 90_000 },
    async (_how, configOf) => {
      const redis = await failOver();
      const config = configOf(redis.url);
      const servers = await Promise.all([startServer(config), startServer(config)]);
      for (const server of servers) await until(() => isReady(server), 'the server to be ready', LONG);
      const [first, second] = servers as [Running, Running];
      const ann = await join(first.endpoint, user('ann', '/room', '/time'));
      await sees(ann, '/room', ['ann']);
      await redis.failOver();
      await until(async () => !(await isReady(first)), 'the replica to be noticed', LONG);
      for (const server of servers) await until(() => isReady(server), 'the server to be ready again', LONG);
      const bob = await join(second.endpoint, user('bob', '/room', '/time'));
      await sees(ann, '/room', ['ann', 'bob'], LONG);
      await sees(bob, '/room', ['ann', 'bob'], LONG);
    },
  );

  it('says so once, and once that it is over', { timeout: 90_000 }, async () => {
    const redis = await failOver();
    const server = await startCli(redis.url);
    await until(() => server.isReady(), 'the server to be ready', LONG);
    await redis.failOver();
    await until(() => server.logged(OVER).length > 0, 'the end of it to be logged', LONG);
    await until(() => server.isReady(), 'the server to be ready again', LONG);
    const reason = "READONLY You can't write against a read only replica.";
    expect(server.logged(REFUSED).map((line) => line.reason)).toEqual([reason]);
    expect(server.logged(OVER).map((line) => line.reason)).toEqual([reason]);
  });
});

/** How a Redis is brought to refuse commands, and back. */
interface Case {
  code: string;
  begin(redis: RedisServer): Promise<unknown>;
  end(redis: RedisServer): Promise<unknown>;
}

const CASES: readonly Case[] = [
  {
    code: 'READONLY',
    begin: (redis) => call(redis, 'REPLICAOF', '127.0.0.1', '1'),
    end: (redis) => call(redis, 'REPLICAOF', 'NO', 'ONE'),
  },
  {
    code: 'OOM',
    begin: (redis) => call(redis, 'CONFIG', 'SET', 'maxmemory', '1'),
    end: (redis) => call(redis, 'CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    code: 'NOREPLICAS',
    begin: (redis) => call(redis, 'CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: (redis) => call(redis, 'CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
  {
    code: 'MISCONF',
    async begin(redis) {
      const [, folder] = (await call(redis, 'CONFIG', 'GET', 'dir')) as [string, string];
      await rm(folder, { recursive: true });
      await call(redis, 'CONFIG', 'SET', 'save', '3600 1000000');
      await call(redis, 'BGSAVE');
      await until(
        async () => String(await call(redis, 'INFO', 'persistence')).includes('last_bgsave_status:err'),
        'the save to fail',
      );
    },
    end: (redis) => call(redis, 'CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
  },
  {
    code: 'NOPERM',
    begin: (redis) => call(redis, 'ACL', 'SETUSER', 'default', '-evalsha'),
    end: (redis) => call(redis, 'ACL', 'SETUSER', 'default', '+@all'),
  },
  {
    code: 'NOAUTH',
    async begin(redis) {
      await call(redis, 'ACL', 'SETUSER', 'admin', 'on', '>secret', '~*', '&*', '+@all');
      await call(redis, 'CONFIG', 'SET', 'requirepass', 'secret');
      await asAdmin(redis, 'CLIENT', 'KILL', 'TYPE', 'normal');
      await asAdmin(redis, 'CLIENT', 'KILL', 'TYPE', 'pubsub');
    },
    end: (redis) => asAdmin(redis, 'ACL', 'SETUSER', 'default', 'nopass'),
  },
];

async function asAdmin(redis: RedisServer, ...words: [string, ...string[]]): Promise<unknown> {
  const connection = new Redis(redis.port, '127.0.0.1', { username: 'admin', password: 'secret' });
  try {
    return await connection.call(...words);
  } finally {
    connection.disconnect();
  }
}

describe('a Redis that refuses commands is logged once, shown by /healthz and /readyz, and over as it ends', () => {
  it.each(CASES.map((each) => [each.code, each] as const))(
    '%s',
    { timeout: 90_000 },
    async (code, { begin, end }) => {
      const redis = await startRedis();
      const server = await startCli(redis.url);
      await until(() => server.isReady(), 'the server to be ready', LONG);
      await begin(redis);
      await until(async () => !(await server.isReady()), 'the refusal to be noticed', LONG);
      await until(() => server.logged(REFUSED).length > 0, 'the refusal to be logged');
      const { healthz, readyz } = await server.said();
      for (const text of [healthz, readyz]) expect(text).toContain(`Redis refuses commands: ${code} `);
      expect(healthz).not.toContain('is away');
      await end(redis);
      await until(() => server.isReady(), 'the server to be ready again', LONG);
      await until(() => server.logged(OVER).length > 0, 'the end of it to be logged');
      const reasons = server.logged(REFUSED).map(({ reason }) => String(reason));
      expect(reasons.map((reason) => reason.split(' ')[0])).toEqual([code]);
      expect(server.logged(OVER).map(({ reason }) => reason)).toEqual(reasons);
    },
  );

  it('WRONGPASS', { timeout: 90_000 }, async () => {
    const redis = await startRedis();
    await call(redis, 'ACL', 'SETUSER', 'app', 'on', '>right', '~*', '&*', '+@all');
    const server = await startCli(`redis://app:wrong@127.0.0.1:${redis.port}`);
    await until(async () => (await server.said()).readyz.includes('WRONGPASS'), 'the refusal');
    expect(await server.isReady()).toBe(false);
    await call(redis, 'ACL', 'SETUSER', 'app', '>wrong');
    await until(() => server.isReady(), 'the server to be ready', LONG);
    await until(() => server.logged(OVER).length > 0, 'the end of it to be logged', LONG);
    expect(server.logged(REFUSED)).toHaveLength(1);
  });

  it('LOADING', { timeout: 90_000 }, async () => {
    // 10 ms a key, and clients are answered after every 1,024 bytes.
    const slow = ['--key-load-delay', '10000', '--loading-process-events-interval-bytes', '1024'];
    const redis = await startRedis(slow);
    const server = await startCli(redis.url);
    await until(() => server.isReady(), 'the server to be ready', LONG);
    await redis.ask(async (connection) => {
      const pairs = Array.from({ length: 2_000 }, (_, index) => [`/other/${index}`, '1']).flat();
      await connection.mset(...pairs);
      await connection.save();
    });
    await redis.stop();
    const started = redis.start();
    await until(async () => (await server.said()).readyz.includes('LOADING'), 'the refusal', LONG);
    await call(redis, 'CONFIG', 'SET', 'key-load-delay', '0');
    await started;
    await until(() => server.isReady(), 'the server to be ready again', LONG);
    expect(server.logged(REFUSED)).toHaveLength(1);
  });
});
