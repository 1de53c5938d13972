/** Whole servers on Redis by Sentinel and on Redis Cluster, while a replica takes the place of a master. */
import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import type { RedisConfig } from '../../src/config/index.js';
import { Partitions } from '../../src/redis/partitions.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { Sentinel } from '../support/sentinel.js';
import {
  connectAs,
  join,
  type Person,
  type Running,
  sees,
  startServer,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';

/** The Sentinel cuts the connections of the one that it makes master. */
const replication = (redis: Redis): Promise<string> => redis.info('replication');

/** Milliseconds: the failover, and the quiet time of a new epoch. */
const FAILOVER = 30_000;
const ROOMS = ['/room/1', '/room/2', '/room/3', '/room/4', '/room/5', '/room/6'];

const disposing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await stopAll();
  for (const dispose of disposing.splice(0)) await dispose();
});

/** Two servers, and in each room somebody of the first who sees the list. */
async function start(redis: RedisConfig): Promise<{ servers: Running[]; people: Person[] }> {
  const servers = await Promise.all([startServer({ redis }), startServer({ redis })]);
  for (const { url } of servers) {
    await until(async () => (await fetch(`${url}/readyz`)).ok, 'the server to be ready');
  }
  const [first] = servers as [Running, Running];
  const people = await Promise.all(ROOMS.map((room) => join(first.endpoint, user('ann', room, '/time'))));
  await Promise.all(people.map((person, index) => sees(person, ROOMS[index] ?? '', ['ann'])));
  return { servers, people };
}

/** Whose room is away is refused, and asks again. */
async function joinOnceItCan(endpoint: string, room: string): Promise<Person> {
  const person = connectAs(endpoint, user('bob', room, '/time'));
  const subscribe = () => person.client.subscribe(`${room}/user_list`, () => {});
  await until(
    () =>
      subscribe().then(
        () => true,
        () => false,
      ),
    `${room} to be there again`,
    FAILOVER,
  );
  return person;
}

/** Those who were there are there, and nobody else; who comes to the other server is seen in every room. */
async function isRight({ servers, people }: Awaited<ReturnType<typeof start>>): Promise<void> {
  const clientIds = people.map((person) => person.clientId());
  const [, second] = servers as [Running, Running];
  const others = await Promise.all(ROOMS.map((room) => joinOnceItCan(second.endpoint, room)));
  for (const [index, room] of ROOMS.entries()) {
    await sees(people[index] as Person, room, ['ann', 'bob'], FAILOVER);
    await sees(others[index] as Person, room, ['ann', 'bob'], FAILOVER);
  }
  for (const other of others) other.client.disconnect();
  for (const [index, room] of ROOMS.entries()) await sees(people[index] as Person, room, ['ann'], FAILOVER);
  expect(people.map((person) => person.clientId())).toEqual(clientIds);
}

describe('by Sentinel', () => {
  it('goes on with the replica that has taken the place of the master', { timeout: 90_000 }, async () => {
    const sentinel = await Sentinel.start();
    disposing.push(() => sentinel.dispose());
    const all = await start({ client: sentinel.client() });
    const seen = all.people.map((person, index) => person.lists(ROOMS[index] ?? '').length);
    await sentinel.master.stop();
    await until(
      async () => (await sentinel.replica.ask(replication).catch(() => '')).includes('role:master'),
      'the replica to be master',
      FAILOVER,
    );
    await isRight(all);
    for (const [index, person] of all.people.entries()) {
      const lists = person.lists(ROOMS[index] ?? '').slice(seen[index]);
      expect(lists.every(({ user_list }) => user_list.includes('ann'))).toBe(true);
    }
  });
});

describe('on a Redis Cluster', () => {
  it('goes on with the replica that has taken the place of a master', { timeout: 90_000 }, async () => {
    const cluster = await RedisCluster.start({ replicas: true });
    disposing.push(() => cluster.dispose());
    const all = await start(cluster.client());
    const partitions = new Partitions('faye', 16);
    const seen = all.people.map((person, index) => person.lists(ROOMS[index] ?? '').length);
    const master = await cluster.masterOf(`/${partitions.namespaces[partitions.of('/room/1')]}/`);
    await master.stop();
    await isRight(all);
    for (const [index, person] of all.people.entries()) {
      const lists = person.lists(ROOMS[index] ?? '').slice(seen[index]);
      expect(lists.every(({ user_list }) => user_list.includes('ann'))).toBe(true);
    }
  });

  it('goes on after a master was started anew, empty', { timeout: 90_000 }, async () => {
    const cluster = await RedisCluster.start();
    disposing.push(() => cluster.dispose());
    const all = await start(cluster.client());
    const partitions = new Partitions('faye', 16);
    const master = await cluster.masterOf(`/${partitions.namespaces[partitions.of('/room/1')]}/`);
    await master.stop();
    await master.start();
    await cluster.ok();
    await isRight(all);
  });
});
