/** A new epoch: Redis has lost its data, and the nodes say again who is with them. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Announcer } from '../../src/presence/announcer.js';
import type { MembershipEntry } from '../../src/presence/journal.js';
import { Presence } from '../../src/presence/presence.js';
import { Reaper } from '../../src/presence/reaper.js';
import { resume } from '../../src/presence/resumption.js';
import type { Announcement } from '../../src/presence/store.js';
import { Keys } from '../../src/redis/keys.js';
import { Partitions } from '../../src/redis/partitions.js';
import { scripts } from '../../src/redis/scripts.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { type OwnStore, openStore } from '../support/redis-store.js';
import { until } from '../support/until.js';
import { enter, leave } from './steps.js';

const ann = { uid: 1, uname: 'Ann' };
const bob = { uid: 'b', uname: 'Bob' };
const cy = { uid: 'c', uname: 'Cy' };

interface Node {
  store: OwnStore;
  presence: Presence;
  announcer: Announcer;
  /** What its presence has said. */
  events: string[];
}

let redis: RedisServer;
const nodes: Node[] = [];

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());
afterEach(async () => {
  for (const { announcer, store } of nodes.splice(0)) {
    await announcer.close();
    await store.close();
  }
  await redis.flush();
});

/** `quiet` in milliseconds. */
async function start(quiet: number, partitions = new Partitions('faye', null)): Promise<Node> {
  const window = { base: 10, perUser: 0, max: 10 };
  const store = openStore({ source: redis.url, partitions, window, quiet, log: silent });
  const announcer = new Announcer({ store, node: `n${nodes.length}`, log: silent });
  const clientExists = async () => true;
  const has = (clientId: string): boolean => presence.remembered.concerned(() => true).includes(clientId);
  const presence = new Presence({ store, announcer, clientExists, has, listLimit: 100, log: silent });
  store.onEpoch((concerns) => resume(concerns, { presence, has, inTurn: (_clientId, step) => step() }));
  const events: string[] = [];
  presence.on('join', (channel, { uid }) => events.push(`${uid} joins ${channel}`));
  presence.on('leave', (channel, { uid }) => events.push(`${uid} leaves ${channel}`));
  await store.open();
  announcer.start();
  const node = { store, presence, announcer, events };
  nodes.push(node);
  return node;
}

async function come({ presence }: Node, clientId: string, user: typeof ann | typeof bob, channels: string[]) {
  await presence.bind(clientId, { ...user });
  expect(await presence.enter(clientId, channels)).toBe(true);
}

const listed = async ({ presence }: Node, channel: string) =>
  (await presence.snapshot(channel)).users.map(({ uid }) => uid);

const since = () => redis.ask((raw) => raw.zrange('/faye/order/a', '0', '-1', 'WITHSCORES'));

it('stays go on where all data was lost: since when they are, without a join, an entry, or half a list', async () => {
  const [first, second] = [await start(3_000), await start(3_000)];
  const heard: Announcement[] = [];
  first.store.onAnnouncement((said) => heard.push(said));
  await first.store.journal.open('sql');
  await come(first, 'c1', ann, ['/a', '/b']);
  await come(second, 'c2', bob, ['/a']);
  await come(second, 'c3', ann, ['/a']);
  const before = await since();
  const read = await first.store.journal.read('sql', 'n0', 10, 0);
  expect(read).toHaveLength(4);
  const joined = () => heard.flatMap(({ channel, joins }) => joins.map(({ uid }) => `${uid} ${channel}`));
  await until(() => joined().length === 3, 'all to be announced');
  heard.length = 0;
  for (const { events } of nodes) events.length = 0;

  await redis.flush();

  expect(await listed(first, '/a')).toEqual([1, 'b']);
  expect(await listed(second, '/b')).toEqual([1]);
  expect((await second.presence.list('/a')).users).toEqual([ann, bob]);
  expect(await since()).toEqual(before);
  expect(nodes.flatMap(({ events }) => events)).toEqual([]);
  await until(() => heard.length === 2, 'an announcement of each channel');
  expect(joined().sort()).toEqual(['1 /a', '1 /b', 'b /a']);
  expect(await first.store.journal.read('sql', 'n0', 10, 0)).toEqual([]);

  await first.presence.end('c1');
  await second.presence.end('c3');
  await second.presence.end('c2');
  const left = (await first.store.journal.read('sql', 'n0', 10, 0)).map(({ clientId }) => clientId);
  expect(left.sort()).toEqual(['c1', 'c1', 'c2', 'c3']);
  await first.store.journal.closeGroup('sql');
  await until(
    async () => (await redis.keys()).every((key) => key === '/faye/epoch'),
    'nothing to be left but the epoch',
  );
});

it('announces nothing in the quiet time, and then once what came in it', async () => {
  const node = await start(600);
  const heard: Announcement[] = [];
  node.store.onAnnouncement((said) => heard.push(said));
  await come(node, 'c1', ann, ['/a']);
  await until(() => heard.length > 0, 'Ann to be announced');
  heard.length = 0;
  await redis.flush();
  await node.store.look();
  await enter(node.store, '/a', bob, 'c2');
  await enter(node.store, '/a', cy, 'c3');
  await leave(node.store, '/a', 'c', 'c3');
  expect(await node.store.take('/a', 'eager')).toBeGreaterThan(0);
  expect(heard).toEqual([]);
  expect((await listed(node, '/a')).sort()).toEqual([1, 'b']);
  await until(() => heard.length > 0, 'the announcement');
  expect(heard).toHaveLength(1);
  expect(heard[0]?.joins.map(({ uid }) => uid).sort()).toEqual([1, 'b']);
});

it('does not count in the quiet time what Redis itself stood still for', async () => {
  const key = '/faye/epoch';
  const members = () =>
    redis.ask((raw) => scripts.members(raw, new Keys('faye').ofChannel('/a'), ['/a', 10]));
  const look = () => redis.ask((raw) => scripts.epoch(raw, [key], ['first', 'second', 600, '']));
  const now = Date.now();
  await redis.ask((raw) => scripts.epoch(raw, [key], ['', 'first', 600, '']));
  // Nobody has looked for 4 s, of which it was quiet for 3.
  await redis.ask((raw) => raw.hset(key, { quiet: now - 1_000, looked: now - 4_000 }));
  expect(await members()).toBeGreaterThan(2_000);
  const [epoch, left] = await look();
  expect([epoch, left > 2_000, left <= 3_000]).toEqual(['first', true, true]);
  expect(await members()).toBeGreaterThan(2_000);
  await redis.ask((raw) => raw.hset(key, { quiet: now - 1_000, looked: now }));
  expect(await members()).toEqual([0, []]);
});

it('begins an epoch with what comes in after the loss and before the next look', async () => {
  const node = await start(300);
  await come(node, 'c1', ann, ['/a']);
  const { epoch } = await node.presence.snapshot('/a');
  await redis.flush();
  await come(node, 'c2', bob, ['/a']);
  expect((await listed(node, '/a')).sort()).toEqual([1, 'b']);
  expect((await node.presence.snapshot('/a')).epoch).not.toBe(epoch);
});

it('shows no part of a list where a node that is new is the first to look after the loss', async () => {
  const node = await start(3_000);
  await come(node, 'c1', ann, ['/a']);
  await until(async () => (await listed(node, '/a')).length === 1, 'Ann to be announced');
  await redis.flush();
  const late = await start(3_000);
  expect(await listed(late, '/a')).toEqual([1]);
});

it('has lists at once where there was never any data, whoever begins', async () => {
  for (const node of await Promise.all([start(60_000), start(60_000)]))
    expect(await listed(node, '/a')).toEqual([]);
});

it('concerns the partition alone that has lost its data', async () => {
  const node = await start(300, new Partitions('faye', 2));
  const channels = ['/a', '/b', '/c', '/d', '/e', '/f'];
  await come(node, 'c1', ann, channels);
  await until(
    async () =>
      (await Promise.all(channels.map((channel) => listed(node, channel)))).every(
        ({ length }) => length === 1,
      ),
    'all to be announced',
  );
  const epochOf = async () =>
    Promise.all(channels.map(async (channel) => (await node.presence.snapshot(channel)).epoch));
  const before = await epochOf();
  await redis.ask(async (raw) => raw.del(await raw.keys('/{faye:0}*')));
  await node.store.look();
  const after = await epochOf();
  const partitions = new Partitions('faye', 2);
  for (const [index, channel] of channels.entries()) {
    expect(after[index] === before[index]).toBe(partitions.of(channel) === 1);
    expect(await listed(node, channel)).toEqual([1]);
  }
  expect(new Set(after).size).toBe(2);
});

it('takes out who is in a channel of another partition than the one that has lost its client', async () => {
  const partitions = new Partitions('faye', 2);
  const [dead, living] = [await start(300, partitions), await start(300, partitions)];
  const channels = ['/a', '/b', '/c', '/d', '/e', '/f'];
  const elsewhere = channels.filter((channel) => partitions.of(channel) !== partitions.of('c1'));
  expect(elsewhere).not.toEqual([]);
  await come(dead, 'c1', ann, channels);
  await come(living, 'c2', bob, channels);
  await dead.store.close();
  nodes.splice(nodes.indexOf(dead), 1);
  const existing = new Set(['c1', 'c2']);
  const reaper = new Reaper({
    ...{ store: living.store, presence: living.presence, node: 'n1', every: 0, forgetAfter: 60_000 },
    ...{ expiryGrace: 60, log: silent, endClient: () => {}, inTurn: (_clientId, step) => step() },
    clientsExist: async () => existing,
  });
  await reaper.tick();
  await redis.ask(async (raw) => raw.del(await raw.keys(`/{faye:${partitions.of('c1')}}*`)));
  await living.store.look();
  const inAll = async () => (await Promise.all(channels.map((channel) => listed(living, channel)))).flat();
  await until(async () => (await inAll()).filter((uid) => uid === 'b').length === channels.length, 'Bob');
  // It is, for all that is known.
  await reaper.tick();
  for (const channel of elsewhere) expect((await living.presence.list(channel)).users).toEqual([ann, bob]);
  existing.delete('c1');
  await redis.ask((raw) => raw.hdel(`/{faye:${partitions.of('c1')}}/epoch`, 'swept'));
  await reaper.tick();
  for (const channel of channels) expect((await living.presence.list(channel)).users).toEqual([bob]);
  expect(living.events.filter((event) => event.includes('leaves')).length).toBe(elsewhere.length);
});

it('knows whom it holds and since when, and which epochs go on, or that it does not know', async () => {
  const node = await start(300);
  await node.store.journal.open('sql');
  await come(node, 'c1', ann, ['/a', '/b']);
  await come(node, 'c2', ann, ['/a']);
  const entries = await node.store.journal.read('sql', 'n0', 10, 0);
  const memberships = entries as MembershipEntry[];
  const said = memberships.map(({ clientId, channel, at }) => ({
    ...{ clientId, channel, at },
    ...{ user: ann, visibility: null },
  }));
  const byName = (one: object, other: object) => JSON.stringify(one).localeCompare(JSON.stringify(other));
  const held = () => node.presence.remembered.held((name) => name !== '/b').sort(byName);
  expect(held()).toEqual(said.filter(({ channel }) => channel === '/a').sort(byName));
  const [epoch] = node.store.epochs;
  await redis.flush();
  await node.store.look();
  expect(node.store.epochs).toHaveLength(1);
  expect(node.store.epochs).not.toEqual([epoch]);
  expect(await listed(node, '/a')).toEqual([1]);
  expect(held()).toEqual(said.filter(({ channel }) => channel === '/a').sort(byName));
  await redis.stop();
  await until(() => node.store.epochs.length === 0, 'it to know none');
  await redis.start();
  await until(() => node.store.epochs.length === 1, 'it to know one again');
});

it('makes older data right: who has moved, come and gone since', async () => {
  const node = await start(500);
  await come(node, 'c1', ann, ['/a', '/b']);
  await come(node, 'c2', bob, ['/a']);
  await redis.save();
  expect(await node.presence.enter('c1', ['/b'])).toBe(true);
  await come(node, 'c3', cy, ['/a', '/b']);
  await node.presence.end('c2');
  await redis.stop();
  await redis.start();
  await until(() => node.store.connected, 'the store to be connected');
  // As the engine and the reaper do, which know that it has ended.
  await until(async () => (await node.store.read('c2')) !== null, 'the older data');
  await node.presence.end('c2');
  await until(async () => `${await listed(node, '/a')}` === 'c', '/a to be right');
  expect(await listed(node, '/b')).toEqual([1, 'c']);
  expect((await node.store.read('c1'))?.channels).toEqual(['/b']);
});
