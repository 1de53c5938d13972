/** Deployments that share one Redis, and are apart by the number of the database, or by ioredis' `keyPrefix`. */
import { type Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/index.js';
import { UnusableRedisError } from '../../src/redis/acceptance.js';
import { openRedis } from '../../src/redis/connection.js';
import { partitionsOf } from '../../src/redis/partitions.js';
import { type OneNode, startNode, startNodes } from '../engine/nodes.js';
import { silent } from '../support/log.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { RedisServer } from '../support/redis-server.js';
import { join, type Person, sees, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

const ROOM = '/classes/4';

/** A fence that has come says that what was sent before it has come, or never will. */
async function hears(person: Person): Promise<{ heard: unknown[]; fence(node: OneNode): Promise<void> }> {
  const heard: unknown[] = [];
  for (const channel of ['/news', '/new/*'])
    await person.client.subscribe(channel, (data) => heard.push(data));
  return {
    heard,
    async fence(node) {
      node.publish('/new/fence', 'fence');
      node.publish('/news', 'fence');
      await until(() => heard.filter((data) => data === 'fence').length >= 2, 'the fence');
    },
  };
}

/** Two nodes of one deployment are one server; a third, of another, has nothing to do with them. */
async function areApart(one: Config, other: Config, keys: (pattern: string) => Promise<string[]>) {
  const [a, b, c] = [await startNode(one), await startNode(one), await startNode(other)];
  await until(() => [a, b, c].every(({ engine }) => engine.status.connected), 'all nodes');
  const ann = await join(a.endpoint, user('ann'));
  const bob = await join(b.endpoint, user('bob'));
  const elsewhere = await join(c.endpoint, user('ann'));
  for (const person of [ann, bob]) await sees(person, ROOM, ['ann', 'bob']);
  await sees(elsewhere, ROOM, ['ann']);

  const ears = { ann: await hears(ann), bob: await hears(bob), elsewhere: await hears(elsewhere) };
  for (const channel of ['/new/fence', '/news']) c.publish(channel, 'of the other');
  await ears.elsewhere.fence(c);
  for (const channel of ['/new/fence', '/news']) a.publish(channel, 'of the one');
  await ears.bob.fence(a);
  await ears.ann.fence(b);
  expect(ears.ann.heard.filter((data) => data !== 'fence')).toEqual(['of the one', 'of the one']);
  expect(ears.bob.heard.filter((data) => data !== 'fence')).toEqual(['of the one', 'of the one']);
  expect(ears.elsewhere.heard.sort()).toEqual(['fence', 'fence', 'of the other', 'of the other']);

  await c.server.disconnect({ uid: 'ann' }, { awayFor: 5 });
  await until(() => c.said.some(([event]) => event === 'leave'), 'the other ann to be sent away');
  // An order of one's own: those of the other deployment came before it.
  await a.server.disconnect({ uid: 'nobody' }, { awayFor: 1 });
  const carl = await join(b.endpoint, user('carl'));
  for (const person of [ann, bob, carl]) await sees(person, ROOM, ['ann', 'bob', 'carl']);
  expect([...a.said, ...b.said].filter(([event]) => event !== 'join')).toEqual([]);
  await b.server.disconnect({ uid: 'ann' }, { awayFor: 5 });
  for (const person of [bob, carl]) await sees(person, ROOM, ['bob', 'carl']);
  return keys('*');
}

describe('deployments on one Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterEach(async () => {
    await stopAll();
    await redis.flush();
  });
  afterAll(() => redis.dispose());

  const withPrefix = (keyPrefix: string, db = 0) =>
    new Redis(redis.port, '127.0.0.1', { lazyConnect: true, keyPrefix, db });
  const keysOf = (pattern: string) => redis.keys(pattern);

  it('hear nothing of each other in databases of their own, and end none of the clients of the other', async () => {
    await areApart({ redis: `${redis.url}/1` }, { redis: `${redis.url}/0` }, keysOf);
  });

  it('hear nothing of each other with key prefixes of their own, and no key is without its prefix', async () => {
    const keys = await areApart({ redis: withPrefix('one:') }, { redis: withPrefix('other:') }, keysOf);
    expect(keys).toContain(`one:/faye/uid_to_clientIds${ROOM}`);
    expect(keys.filter((key) => !key.startsWith('one:/faye/') && !key.startsWith('other:/faye/'))).toEqual(
      [],
    );
  });

  it('may have the prefix in the URL, or in what a function makes', async () => {
    await areApart({ redis: () => withPrefix('one[:', 2) }, { redis: `${redis.url}/2` }, keysOf);
    const url = `${redis.url}/2?keyPrefix=by%20URL%3A`;
    const [a, b] = (await startNodes(2, { redis: url })) as [OneNode, OneNode];
    const ann = await join(a.endpoint, user('ann'));
    const bob = await join(b.endpoint, user('bob'));
    for (const person of [ann, bob]) await sees(person, ROOM, ['ann', 'bob']);
  });

  it('leave each other alone with the engine faye-redis', async () => {
    const engine = 'faye-redis' as const;
    await areApart({ redis: withPrefix('one:'), engine }, { redis: `${redis.url}/1`, engine }, keysOf);
    const keys = await keysOf('*');
    expect(keys.filter((key) => !key.startsWith('one:/faye/'))).toEqual([]);
  });
});

describe('deployments on one Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterEach(async () => {
    await stopAll();
    await cluster.flush();
  });
  afterAll(() => cluster.dispose());

  const withPrefix = (keyPrefix: string): Cluster => cluster.client({ keyPrefix });

  it('hear nothing of each other with key prefixes of their own', async () => {
    const other = cluster.client({ redisOptions: { keyPrefix: 'other:' } });
    const keys = await areApart({ redis: withPrefix('one:') }, { redis: other }, (all) => cluster.keys(all));
    expect(keys.filter((key) => !/^(one|other):\/(faye|\{faye:\d+\})\//.test(key))).toEqual([]);
  });

  it('may have a hash tag in the prefix: all is at one master', async () => {
    await areApart({ redis: withPrefix('{one}:') }, { redis: withPrefix('{other}:') }, (all) =>
      cluster.keys(all),
    );
  });

  it('refuses a prefix that would put each key into a slot of its own', async () => {
    const redis = openRedis(withPrefix('{}:'), silent);
    await expect(redis.accepted(partitionsOf(redis, 'faye'))).rejects.toThrow(UnusableRedisError);
    expect(await cluster.keys()).toEqual([]);
  });
});
