import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UnusableRedisError } from '../../src/redis/acceptance.js';
import { openRedis, type RedisConnections, type RedisSource } from '../../src/redis/connection.js';
import { Partitions, partitionsOf } from '../../src/redis/partitions.js';
import { scripts } from '../../src/redis/scripts.js';
import { silent } from '../support/log.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

/** ioredis as an app has it that installed a copy of its own. */
function otherCopy(): { Redis: typeof Redis; Cluster: typeof Cluster } {
  const require = createRequire(import.meta.url);
  for (const file of Object.keys(require.cache)) {
    if (file.includes('/node_modules/ioredis/')) delete require.cache[file];
  }
  return require('ioredis') as { Redis: typeof Redis; Cluster: typeof Cluster };
}

const opened: RedisConnections[] = [];
function open(source: RedisSource): RedisConnections {
  const redis = openRedis(source, silent);
  opened.push(redis);
  return redis;
}
afterEach(() => {
  for (const redis of opened.splice(0)) redis.close();
});

const one = new Partitions('faye', null);

describe('#openRedis', () => {
  let server: RedisServer;
  beforeEach(async () => {
    server = await RedisServer.start();
  });
  afterEach(() => server.dispose());

  it('opens two like an instance of another copy of ioredis', async () => {
    const source = new (otherCopy().Redis)(server.port, '127.0.0.1', { lazyConnect: true, db: 3 });
    expect(source).not.toBeInstanceOf(Redis);
    const { commands, accepted, description } = open(source);
    await accepted(one);
    expect(description).toBe(`Redis at 127.0.0.1:${server.port}`);
    expect(await commands.call('CLIENT', 'INFO')).toContain(' db=3 ');
    expect(source.status).toBe('wait');
  });

  it('uses what a function makes, and closes all of it', async () => {
    const made: Redis[] = [];
    const redis = open(() => {
      made.push(new Redis(server.port, '127.0.0.1', { lazyConnect: true, connectionName: 'mine' }));
      return made.at(-1) as Redis;
    });
    await redis.accepted(one);
    expect(redis.commands).toBe(made[0]);
    expect(made).toHaveLength(2);
    redis.close();
    await until(() => made.every(({ status }) => status === 'end'), 'both to be closed');
  });

  it('hears again what was subscribed to before an outage, and before Redis was there', async () => {
    await server.stop();
    const { listener, commands } = open(server.url);
    const heard: string[] = [];
    listener.on('message', (_name, text) => heard.push(text));
    await listener.subscribe('/a');
    expect(listener.status).toBe('close');
    for (let round = 1; round <= 2; round += 1) {
      await server.start();
      await until(() => listener.status === 'ready' && commands.status === 'ready', 'both to be ready');
      await until(async () => (await commands.publish('/a', 'fence')) === 1, 'the subscription');
      await until(() => heard.length === round, 'the message');
      await server.stop();
      await until(() => listener.status === 'close', 'the loss to be seen');
    }
  });

  it('lets no command wait for a Redis that is away', async () => {
    const { commands, accepted } = open(server.url);
    await accepted(one);
    await server.stop();
    await until(() => commands.status !== 'ready', 'the loss to be seen');
    await expect(commands.set('/late', '1')).rejects.toThrow();
    await server.start();
    await accepted(one);
    expect(await commands.get('/late')).toBeNull();
  });

  it('makes connections anew that hang', async () => {
    const { commands, listener, accepted } = open(server.url);
    await accepted(one);
    let lost = 0;
    commands.once('close', () => (lost += 1));
    listener.once('close', () => (lost += 1));
    server.pause();
    await until(() => lost === 2, 'both to be given up');
    server.resume();
    await until(() => commands.status === 'ready' && listener.status === 'ready', 'both to be ready');
  });

  it('refuses a Redis that is too old, and closes its connections', async () => {
    // A real one, that says so.
    const old = createServer((near) => {
      const far = connect(server.port, '127.0.0.1');
      near.pipe(far);
      far.on('data', (data) => {
        near.write(data.toString('latin1').replace(/redis_version:\d/, 'redis_version:6'), 'latin1');
      });
      for (const socket of [near, far]) socket.on('error', () => {});
      near.on('close', () => far.destroy());
    }).listen(0, '127.0.0.1');
    await once(old, 'listening');
    const { commands, accepted } = open(`redis://127.0.0.1:${(old.address() as AddressInfo).port}`);
    const refused = accepted(one);
    await expect(refused).rejects.toBeInstanceOf(UnusableRedisError);
    await expect(refused).rejects.toThrow(/^Redis: expected version 7\.0 or newer, or Valkey, got 6\./);
    await until(() => commands.status === 'end', 'the connection to be closed');
    old.close();
  });
});

describe('a Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterAll(() => cluster.dispose());

  const partitioned = (redis: RedisConnections, count = 16) => partitionsOf(redis, 'faye', count);

  it.each(['ours', 'another copy'])('opens connections like those of an instance (%s)', async (copy) => {
    const Class = copy === 'ours' ? Cluster : otherCopy().Cluster;
    const port = cluster.nodes[0]?.port ?? 0;
    const source = new Class([{ host: '127.0.0.1', port }], { lazyConnect: true });
    const redis = open(source);
    const { namespaces } = partitioned(redis);
    await redis.accepted(partitioned(redis));
    expect(source.status).toBe('wait');
    expect(redis.description).toBe('Redis Cluster');
    // All partitions at once, by scripts that no master knows yet.
    const epochs = await Promise.all(
      namespaces.map((tag) => scripts.epoch(redis.commands, [`/${tag}/epoch`], ['', tag, 0, ''])),
    );
    expect(epochs.map(([, quiet]) => quiet)).toEqual(namespaces.map(() => 0));
    await until(() => namespaces.every((tag) => redis.listener.lineOf(tag)), 'a line to each master');
    expect(new Set(namespaces.map((tag) => redis.listener.lineOf(tag))).size).toBe(3);
  });

  it('calls a function once, and closes what it made', async () => {
    const made: Cluster[] = [];
    const redis = open(() => {
      made.push(cluster.client());
      return made.at(-1) as Cluster;
    });
    await redis.accepted(partitioned(redis));
    expect(made).toEqual([redis.commands]);
    redis.close();
    await until(() => made[0]?.nodes().length === 0, 'it to be closed');
    await until(() => redis.listener.status === 'close', 'what listened to be closed');
  });

  it('hears what is not sharded once, and goes on with another master', async () => {
    const redis = open(cluster.client());
    const other = open(cluster.client());
    await Promise.all([redis, other].map((each) => each.accepted(partitioned(each))));
    const heard: string[] = [];
    redis.listener.on('message', (_name, text) => heard.push(text));
    await redis.listener.subscribe('/a');
    await other.commands.publish('/a', '1');
    await until(() => heard.length === 1, 'the message');

    const [first] = cluster.masters;
    const again = new Promise<void>((resolve) => redis.listener.once('close', resolve));
    await first?.stop();
    await again;
    expect(redis.listener.status).toBe('ready');
    await until(async () => {
      await other.commands.publish('/a', '2').catch(() => 0);
      return heard.includes('2');
    }, 'a message by another master');
    await first?.start();
    await cluster.ok();
    const { namespaces } = partitioned(redis);
    await until(() => namespaces.every((tag) => redis.listener.lineOf(tag)), 'a line to each master');
    await other.commands.publish('/a', '3');
    await other.commands.publish('/a', 'fence');
    await until(() => heard.includes('fence'), 'both to be heard');
    expect(heard.filter((text) => text === '3')).toHaveLength(1);
  });

  it('comes back with all its masters', async () => {
    const redis = open(cluster.client());
    const { namespaces } = partitioned(redis);
    await redis.accepted(partitioned(redis));
    const heard: string[] = [];
    redis.listener.on('message', (_name, text) => heard.push(text));
    await redis.listener.subscribe('/a');
    await Promise.all(namespaces.map((tag) => redis.commands.set(`/${tag}/key`, '1')));
    await Promise.all(cluster.masters.map((master) => master.stop()));
    await until(() => redis.listener.status === 'close' && redis.commands.status !== 'ready', 'the loss');
    await Promise.all(cluster.masters.map((master) => master.start()));
    await cluster.ok();
    await until(() => redis.listener.status === 'ready' && redis.commands.status === 'ready', 'both back');
    await redis.commands.publish('/a', 'again');
    await until(() => heard.includes('again'), 'the message');
    const keys = namespaces.map((tag) => redis.commands.get(`/${tag}/key`));
    expect(await Promise.all(keys)).toEqual(namespaces.map(() => null));
  });

  it('fails commands for a master that is away, and no others', async () => {
    const redis = open(cluster.client());
    const { namespaces } = partitioned(redis);
    await redis.accepted(partitioned(redis));
    const [first] = cluster.masters;
    const keys = namespaces.map((tag) => `/${tag}/key`);
    const masters = await Promise.all(keys.map((key) => cluster.masterOf(key)));
    const lost = keys[masters.findIndex((master) => Object.is(master, first))] ?? '';
    const whole = keys[masters.findIndex((master) => master !== first)] ?? '';
    await first?.stop();
    await until(
      () =>
        redis.commands.set(lost, '1').then(
          () => false,
          () => true,
        ),
      'the loss',
    );
    // It is over before another master has answered so often, and does not wait for its own.
    let over = false;
    redis.commands.set(lost, '1').catch(() => {
      over = true;
    });
    for (let times = 0; times < 100; times += 1) await redis.commands.get(whole);
    expect(over).toBe(true);
    const set = await Promise.allSettled(keys.map((key) => redis.commands.set(key, '1')));
    expect(set.map(({ status }) => status === 'fulfilled')).toEqual(
      masters.map((master) => master !== first),
    );
    expect(redis.commands.status).toBe('ready');
    await first?.start();
    await cluster.ok();
    await until(
      () =>
        Promise.all(keys.map((key) => redis.commands.set(key, '2'))).then(
          () => true,
          () => false,
        ),
      'all masters to take commands',
    );
  });

  it('refuses a node with another number of partitions, and takes one with the same', async () => {
    const [first, same, other] = [open(cluster.client()), open(cluster.client()), open(cluster.client())];
    await first.accepted(partitionsOf(first, 'numbered', 4));
    await same.accepted(partitionsOf(same, 'numbered', 4));
    await expect(other.accepted(partitionsOf(other, 'numbered', 8))).rejects.toThrow(
      'Option `redis.partitions`: expected 4, as the other nodes have it (the key /numbered/partitions says so), got 8',
    );
    await until(() => /^(close|end)$/.test(other.commands.status), 'the connections to be closed');
    expect(await cluster.keys('/numbered*')).toEqual(['/numbered/partitions']);
  });

  it('refuses one of its nodes in place of the whole', async () => {
    const redis = open(`redis://127.0.0.1:${cluster.nodes[0]?.port}`);
    await expect(redis.accepted(partitioned(redis))).rejects.toThrow(
      "Redis: expected ioredis' Cluster for a Redis Cluster, got a connection to one of its nodes",
    );
  });
});
