/** A server on a Redis Cluster of which a master is away: what works, what waits, and what is said of it. */
import { afterEach, expect, it } from 'vitest';
import { internalsOf } from '../../src/bayeux/internals.js';
import type { OnlineEngine } from '../../src/engine/online-engine.js';
import { Partitions } from '../../src/redis/partitions.js';
import { type ClusterNode, RedisCluster } from '../support/redis-cluster.js';
import {
  connectAs,
  connectMessage,
  join,
  newClientId,
  post,
  type Running,
  say,
  sees,
  startServer,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';

const partitions = new Partitions('faye', 16);

let cluster: RedisCluster;
afterEach(async () => {
  await stopAll();
  await cluster.dispose();
});

async function start(fullCoverage: 'yes' | 'no'): Promise<Running> {
  cluster = await RedisCluster.start();
  for (const node of cluster.masters)
    await node.ask((redis) => redis.config('SET', 'cluster-require-full-coverage', fullCoverage));
  const running = await startServer({ redis: cluster.client(), timeout: 20 });
  await until(() => isReady(running), 'the server to be ready');
  return running;
}

const isReady = async ({ url }: Running) => (await fetch(`${url}/readyz`)).ok;

async function degraded({ url }: Running): Promise<string[]> {
  const health = (await (await fetch(`${url}/healthz`)).json()) as { degraded?: string[] };
  return health.degraded ?? [];
}

const masterOf = (partition: number) => cluster.masterOf(partitions.namespaces[partition] as string);

/** One that serves nothing of which there is but one: partition 0 has that. */
async function another(): Promise<ClusterNode> {
  const home = await masterOf(0);
  return cluster.masters.find((master) => master !== home) as ClusterNode;
}

const NEWS = /^(store|engine): \S+.* misses [1-9]\d? of 16 partitions$/;

it('takes new clients where one master is away, and shows them all lists once it is back', async () => {
  const running = await start('no');
  const master = await another();
  await master.stop();
  await until(async () => (await degraded(running)).length === 2, 'the health to say so', 20_000);
  for (const line of await degraded(running)) expect(line).toMatch(NEWS);
  expect(await isReady(running)).toBe(true);
  // Rooms, and users, of all partitions.
  const rooms = partitions.namespaces.map((_, partition) => roomIn(partition));
  const all = rooms.map((room, index) => ({ room, person: join(running.endpoint, user(index, room)) }));
  const people = await Promise.all(all.map(async ({ room, person }) => ({ room, person: await person })));
  const away = new Set<string>();
  for (const room of rooms)
    if ((await masterOf(partitions.of(room)).catch(() => master)) === master) away.add(room);
  expect(away.size).toBeGreaterThan(0);
  for (const [index, { room, person }] of people.entries()) {
    if (!away.has(room)) await sees(person, room, [index]);
  }
  await master.start();
  for (const [index, { room, person }] of people.entries()) await sees(person, room, [index], 20_000);
  await until(async () => (await degraded(running)).length === 0, 'the health to say so');
  for (const { person } of people) {
    // A connect is told to come back, once or again.
    expect(person.errors.filter((error) => !error.startsWith('503:'))).toEqual([]);
  }
});

it('keeps what waits for a poller where another master is away', async () => {
  const running = await start('no');
  const { endpoint } = running;
  const clientId = await newClientId(endpoint);
  const home = await masterOf(0);
  const mine = await masterOf(partitions.of(clientId));
  const master = cluster.masters.find((each) => each !== home && each !== mine) as ClusterNode;
  // In a room that is not away.
  const room = roomIn(0);
  const subscription = `${room}/user_list`;
  await say(endpoint, { channel: '/meta/subscribe', clientId, subscription });
  await until(() => waitsFor(running, clientId), 'the list to wait');
  await master.stop();
  await until(async () => (await degraded(running)).length === 2, 'the health to say so', 20_000);
  const { replies } = await post(endpoint, connectMessage(clientId));
  expect(replies.map(({ channel }) => channel)).toContain(subscription);
});

it('is not ready where the Cluster serves nobody, for one master that is away', async () => {
  const running = await start('yes');
  const master = await another();
  await master.stop();
  await until(async () => !(await isReady(running)), 'it not to be ready', 20_000);
  const said = ['store is away', 'engine is away'];
  const says = async () => (await degraded(running)).map((line) => line.replace(/:.*Cluster/, ''));
  await until(async () => String(await says()) === String(said), 'the health to say so', 20_000);
  await master.start();
  await until(() => isReady(running), 'it to be ready', 20_000);
});

it('keeps a subscription until its client can be known, and refuses none', async () => {
  const running = await start('no');
  const ann = connectAs(running.endpoint, {});
  ann.client.connect(() => {});
  await until(() => ann.clientId(), 'the handshake');
  // Whether a user was sent away is known there.
  const home = await masterOf(0);
  await home.stop();
  await until(async () => (await degraded(running)).length === 2, 'the health to say so', 20_000);
  ann.auth = user('ann');
  const subscribing = ann.client.subscribe(`${user('ann').room_channel}/user_list`, () => {});
  expect(await waits(Promise.resolve(subscribing))).toBe(true);
  await home.start();
  await subscribing;
  // Its connect had no proof, and goes on.
  await sees(ann, user('ann').room_channel, [], 20_000);
});

function waitsFor({ server }: Running, clientId: string): boolean {
  const { engine } = internalsOf(server.bayeux) as unknown as { engine: OnlineEngine };
  return (engine.registry.get(clientId)?.waiting ?? null) !== null;
}

/** Whether it is not done within half a second. */
async function waits(promise: Promise<unknown>): Promise<boolean> {
  const soon = new Promise((resolve) => setTimeout(resolve, 500, 'waits'));
  return (await Promise.race([promise.catch(() => {}), soon])) === 'waits';
}

function roomIn(partition: number): string {
  for (let number = 0; ; number += 1) {
    if (partitions.of(`/rooms/${number}`) === partition) return `/rooms/${number}`;
  }
}
