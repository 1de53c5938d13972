/** A new epoch: Redis has lost its data, and the nodes say again who is with them. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { Announcer } from '../../src/presence/announcer.js';
import type { MembershipEntry } from '../../src/presence/journal.js';
import { Presence } from '../../src/presence/presence.js';
import { Reaper } from '../../src/presence/reaper.js';
import type { Announcement } from '../../src/presence/store.js';
import { Keys } from '../../src/redis/keys.js';
import { Partitions } from '../../src/redis/partitions.js';
import { scripts } from '../../src/redis/scripts.js';
import { silent } from '../support/log.js';
import { end, LivingClients, leave, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const ann = { uid: 1, uname: 'Ann' };
const bob = { uid: 'b', uname: 'Bob' };
const cy = { uid: 'c', uname: 'Cy' };

interface Node extends PresenceNode {
  presence: Presence;
  announcer: Announcer;
  /** What its presence has said. */
  events: string[];
}

let redis: RedisServer;
let engine: LivingClients;
const nodes: Node[] = [];

beforeAll(async () => {
  redis = await RedisServer.start();
});
beforeEach(() => {
  engine = new LivingClients();
});
afterAll(() => redis.dispose());
afterEach(async () => {
  for (const node of nodes.splice(0)) {
    await node.announcer.close();
    await node.close();
  }
  await redis.flush();
});

/** `quiet` in milliseconds. */
async function start(quiet: number, partitions = new Partitions('faye', null)): Promise<Node> {
  const window = { base: 10, perUser: 0, max: 10 };
  let changed: Parameters<ConstructorParameters<typeof Presence>[1]>[0] = () => {};
  const node = redisNode(engine, {
    ...{ source: redis.url, partitions, window, quiet },
    changed: (change) => changed(change),
  });
  const { store } = node;
  const announcer = new Announcer({ channels: store.channels, node: `n${nodes.length}`, log: silent });
  const presence = new Presence({ store, announcer, listLimit: 100, log: silent }, (listener) => {
    changed = listener;
    return node.clients;
  });
  const events: string[] = [];
  presence.on('join', (channel, { uid }) => events.push(`${uid} joins ${channel}`));
  presence.on('leave', (channel, { uid }) => events.push(`${uid} leaves ${channel}`));
  await store.open();
  announcer.start();
  const started = Object.assign(node, { presence, announcer, events });
  nodes.push(started);
  return started;
}

async function bind({ clients }: Node, clientId: string, user: typeof ann | typeof bob) {
  engine.add(clientId);
  expect(await clients.bind(clientId, { ...user })).toBe('bound');
}

async function come(node: Node, clientId: string, user: typeof ann | typeof bob, channels: string[]) {
  await bind(node, clientId, user);
  expect(await node.clients.enter(clientId, channels)).toBe(true);
}

const listed = async ({ presence }: Node, channel: string) =>
  (await presence.snapshot(channel)).users.map(({ uid }) => uid);

/** Looks now whether Redis still has the data that it had. */
const look = async ({ hub }: Node) => hub?.epochs.look();

const isAway = (error: unknown): false => {
  if (error instanceof UnavailableError) return false;
  throw error;
};

const since = () => redis.ask((raw) => raw.zrange('/faye/order/a', '0', '-1', 'WITHSCORES'));

it('stays go on where all data was lost: since when they are, without a join, an entry, or half a list', async () => {
  const [first, second] = [await start(3_000), await start(3_000)];
  const heard: Announcement[] = [];
  first.store.channels.onAnnouncement((said) => heard.push(said));
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

  await end(first, 'c1');
  await end(second, 'c3', 'c2');
  const left = (await first.store.journal.read('sql', 'n0', 10, 0)).map(({ clientId }) => clientId);
  expect(left.sort()).toEqual(['c1', 'c1', 'c2', 'c3']);
  await first.store.journal.closeGroup('sql');
  const stays = ['/faye/epoch', '/faye/nodes', '/faye/nodes/about', '/faye/nodes/terms'];
  await until(
    async () => (await redis.keys()).every((key) => stays.includes(key)),
    'nothing to be left but the epoch and the nodes',
  );
});

it('announces nothing in the quiet time, and then once what came in it', async () => {
  const node = await start(600);
  const heard: Announcement[] = [];
  node.store.channels.onAnnouncement((said) => heard.push(said));
  await come(node, 'c1', ann, ['/a']);
  await bind(node, 'c2', bob);
  await bind(node, 'c3', cy);
  await until(() => heard.length > 0, 'Ann to be announced');
  heard.length = 0;
  await redis.flush();
  await look(node);
  // Its lease was lost with the rest: a step does nothing until it is renewed.
  await until(() => node.clients.enter('c2', ['/a']).catch(isAway), 'Bob to enter');
  expect(await node.clients.enter('c3', ['/a'])).toBe(true);
  await leave(node, '/a', 'c3');
  expect(await node.store.channels.take('/a', 'eager')).toBeGreaterThan(0);
  expect(heard).toEqual([]);
  expect((await listed(node, '/a')).sort()).toEqual([1, 'b']);
  await until(() => heard.length > 0, 'the announcement');
  expect(heard).toHaveLength(1);
  expect(heard[0]?.joins.map(({ uid }) => uid).sort()).toEqual([1, 'b']);
});

it('does not count in the quiet time what Redis itself stood still for', async () => {
  const key = '/faye/epoch';
  const members = () => redis.ask((raw) => scripts.list(raw, [key], [new Keys('faye').root, '/a', 10]));
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

it('lets nobody enter after the loss and before the next look, and then begins an epoch', async () => {
  const node = await start(300);
  await come(node, 'c1', ann, ['/a']);
  await bind(node, 'c2', bob);
  const { epoch } = await node.presence.snapshot('/a');
  await redis.flush();
  await expect(node.clients.enter('c2', ['/a'])).rejects.toBeInstanceOf(UnavailableError);
  expect((await listed(node, '/a')).sort()).toEqual([1, 'b']);
  expect((await node.presence.snapshot('/a')).epoch).not.toBe(epoch);
  expect(node.clients.isIn('c2', ['/a'])).toBe(true);
});

it('does not know, until it has settled, whether a client that has no session is another node’s', async () => {
  const [node, other] = [await start(2_000), await start(2_000)];
  await come(other, 'c1', ann, ['/a']);
  engine.add('c2');
  await redis.flush();
  await look(node);
  await expect(node.clients.bind('c2', { ...bob })).rejects.toBeInstanceOf(UnavailableError);
  await listed(node, '/a');
  expect(await node.clients.bind('c2', { ...bob })).toBe('bound');
  expect(await node.clients.bind('c1', { ...bob })).toBe('other');
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
  const node = await start(2_000, new Partitions('faye', 2));
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
  await look(node);
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
  const reaper = new Reaper({
    ...{ upkeep: living.store.upkeep, presence: living.presence, node: 'n1', every: 0 },
    ...{ expiryGrace: 60, log: silent, endClient: () => {}, inTurn: (_clientId, step) => step() },
    clientsExist: engine.existing,
    staysOf: async (clientIds) => (await living.sessions?.staysOf(clientIds)) ?? new Map(),
  });
  await reaper.tick();
  const key = `/{faye:${partitions.of('c1')}}/epoch`;
  const swept = async () => {
    const [epoch, last] = await redis.ask((raw) => raw.hmget(key, 'id', 'swept'));
    return epoch !== null && epoch === last;
  };
  expect(await swept()).toBe(true);
  const isLost = () => redis.ask(async (raw) => raw.del(await raw.keys(`/{faye:${partitions.of('c1')}}*`)));
  const inAll = async () => (await Promise.all(channels.map((channel) => listed(living, channel)))).flat();
  const areInAll = async (...uids: unknown[]) => {
    const all = await inAll();
    return uids.every((uid) => all.filter((each) => each === uid).length === channels.length);
  };

  await isLost();
  await look(living);
  // Its node has written it again.
  await until(() => areInAll(1, 'b'), 'Ann and Bob');
  expect(await swept()).toBe(false);
  await reaper.tick();
  expect(await swept()).toBe(true);
  for (const channel of channels)
    expect((await living.presence.list(channel)).users.map(({ uid }) => uid).sort()).toEqual([1, 'b']);

  nodes.splice(nodes.indexOf(dead), 1);
  dead.hub?.close();
  await dead.announcer.close();
  await dead.close();
  engine.kill('c1');
  await isLost();
  await look(living);
  await until(() => areInAll('b'), 'Bob');
  for (const channel of elsewhere)
    expect((await living.presence.list(channel)).users.map(({ uid }) => uid)).toContain(1);
  living.events.length = 0;
  await reaper.tick();
  for (const channel of channels) expect((await living.presence.list(channel)).users).toEqual([bob]);
  expect(living.events.sort()).toEqual(elsewhere.map((channel) => `1 leaves ${channel}`).sort());
});

it('knows whom it holds and since when, and which epochs go on, or that it does not know', async () => {
  const node = await start(2_000);
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
  const held = () => node.clients.held((name) => name !== '/b').sort(byName);
  expect(held()).toEqual(said.filter(({ channel }) => channel === '/a').sort(byName));
  const [epoch] = node.store.epochs.all;
  await redis.flush();
  await look(node);
  expect(node.store.epochs.all).toHaveLength(1);
  expect(node.store.epochs.all).not.toEqual([epoch]);
  expect(await listed(node, '/a')).toEqual([1]);
  expect(held()).toEqual(said.filter(({ channel }) => channel === '/a').sort(byName));
  await redis.stop();
  await until(() => node.store.epochs.all.length === 0, 'it to know none');
  await redis.start();
  await until(() => node.store.epochs.all.length === 1, 'it to know one again');
});

it('makes older data right: who has moved, come and gone since', async () => {
  const node = await start(500);
  await come(node, 'c1', ann, ['/a', '/b']);
  await come(node, 'c2', bob, ['/a']);
  await redis.save();
  expect(await node.clients.enter('c1', ['/b'])).toBe(true);
  await come(node, 'c3', cy, ['/a', '/b']);
  await end(node, 'c2');
  await redis.stop();
  await redis.start();
  await until(() => node.store.status.connected, 'the store to be connected');
  await until(async () => `${await listed(node, '/a')}` === 'c', '/a to be right');
  expect(await listed(node, '/b')).toEqual([1, 'c']);
  expect(await node.sessions?.staysOf(['c1', 'c2'])).toEqual(new Map([['c1', ['/b']]]));
});
