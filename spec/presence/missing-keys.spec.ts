/**
 * A key that is missing in Redis, which has run out of memory, or whose operator has deleted one: the lists come right again, and
 * nothing is left.
 */
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { Keys } from '../../src/redis/keys.js';
import { Partitions } from '../../src/redis/partitions.js';
import { type OneNode, startNode, startNodes } from '../engine/nodes.js';
import { enter, LivingClients, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { openStore } from '../support/redis-store.js';
import {
  connectMessage,
  join,
  newClientId,
  type Person,
  say,
  sees,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';

const ROOM = '/classes/4';
const TIME = '/courses/5/lessons/1';
/** Long enough for what is pending to be found. */
const SLOW = { base: 1_500, perUser: 0, max: 1_500 };

let redis: RedisServer;
beforeEach(async () => {
  redis = await RedisServer.start();
});
afterEach(async () => {
  await stopAll();
  await redis.dispose();
});

const exists = async (key: string) => (await redis.ask((ask) => ask.exists(key))) === 1;

async function remove(key: string): Promise<void> {
  await until(() => exists(key), `${key} to be there`);
  expect(await redis.ask((ask) => ask.del(key))).toBe(1);
}

/** But for what stays, what expires, and what a spec has put there. */
const left = async () =>
  (await redis.keys()).filter(
    (key) => !/^\/faye\/(epoch|nodes|nodes\/about|nodes\/terms)$|^\/faye\/rates\/|^junk/.test(key),
  );

async function allGo(people: readonly Person[]): Promise<void> {
  for (const { client } of people) client.disconnect();
  await until(async () => (await left()).length === 0, 'nothing to be left').catch(async (error: Error) => {
    throw new Error(`${error.message}; there is ${await left()}`);
  });
}

interface Two {
  nodes: [OneNode, OneNode];
  ann: Person;
  bob: Person;
}

async function start(config: object = {}): Promise<Two> {
  const nodes = (await startNodes(2, { redis: redis.url, gc: 1, timeout: 2, ...config })) as [
    OneNode,
    OneNode,
  ];
  const ann = await join(nodes[0].endpoint, user('ann'));
  const bob = await join(nodes[1].endpoint, user('bob'), 'long-polling');
  for (const person of [ann, bob]) await sees(person, ROOM, ['ann', 'bob']);
  return { nodes, ann, bob };
}

/** Somebody comes and somebody goes, and all see it; then all go. */
async function comesRight({ nodes, ann, bob }: Two): Promise<void> {
  const eve = await join(nodes[1].endpoint, user('eve'));
  for (const person of [ann, bob, eve]) await sees(person, ROOM, ['ann', 'bob', 'eve']);
  bob.client.disconnect();
  for (const person of [ann, eve]) await sees(person, ROOM, ['ann', 'eve']);
  for (const { server } of nodes) {
    const { users } = await server.presence.list(TIME);
    expect(users.map(({ uid }) => uid)).toEqual(['ann', 'eve']);
  }
  await allGo([ann, eve]);
}

describe('lists are right again, and nothing is left, where Redis has lost of a channel', () => {
  it.each(['users', 'uid_to_clientIds', 'order', 'state'])('%s', async (what) => {
    const two = await start();
    await remove(`/faye/${what}${ROOM}`);
    await comesRight(two);
  });

  it.each([`pending${ROOM}`, 'dirty'])('%s, with changes that nobody was told', async (key) => {
    const two = await start({ windows: SLOW });
    const { nodes, ann, bob } = two;
    await until(async () => !(await exists('/faye/dirty')), 'all to be announced');
    const carl = await join(nodes[0].endpoint, user('carl'));
    await remove(`/faye/${key}`);
    for (const person of [ann, bob, carl]) await sees(person, ROOM, ['ann', 'bob', 'carl']);
    carl.client.disconnect();
    for (const person of [ann, bob]) await sees(person, ROOM, ['ann', 'bob']);
    await comesRight(two);
  });

  it('users, as its last user goes', async () => {
    const { ann, bob } = await start();
    await remove(`/faye/users${ROOM}`);
    await allGo([ann, bob]);
  });
});

describe('lists are right again, and nothing is left, where Redis has lost of a client', () => {
  it('engine/clients', async () => {
    const two = await start();
    for (const { clientId } of [two.ann, two.bob]) await remove(`/faye/engine/clients/${clientId()}`);
    await comesRight(two);
  });

  it('clients_of, the index of a node: it writes them down again', async () => {
    const two = await start();
    const indexes = await redis.keys('/faye/engine/clients_of/*');
    expect(indexes).toHaveLength(2);
    for (const key of indexes) await remove(key);
    for (const key of indexes) await until(() => exists(key), `${key} to be there again`);
    await comesRight(two);
  });

  it.each([
    ['its own node', 0],
    ['another', 1],
  ])('engine/clients, and %s looks for members that nobody knows: none leaves', async (_whose, looks) => {
    const gc = (index: number) => (index === looks ? 1 : 3_600);
    const a = await startNode({ redis: redis.url, gc: gc(0) });
    const b = await startNode({ redis: redis.url, gc: gc(1) });
    await until(() => a.engine.status.connected && b.engine.status.connected, 'both nodes');
    const isSwept = () => redis.ask((ask) => ask.hexists('/faye/epoch', 'swept'));
    await until(isSwept, 'the first look');
    const ann = await join(a.endpoint, user('ann'));
    await sees(ann, ROOM, ['ann']);
    await remove(`/faye/engine/clients/${ann.clientId()}`);
    await redis.ask((ask) => ask.hdel('/faye/epoch', 'swept'));
    await until(isSwept, 'all members to be looked through');
    expect(await exists(`/faye/engine/clients/${ann.clientId()}`)).toBe(true);
    expect([...a.said, ...b.said].filter(([event]) => event !== 'join')).toEqual([]);
    const bob = await join(b.endpoint, user('bob'));
    await comesRight({ nodes: [a, b], ann, bob });
  });

  it('engine/clients, as it moves to other rooms', async () => {
    const two = await start();
    await remove(`/faye/engine/clients/${two.ann.clientId()}`);
    two.ann.auth = user('ann', '/classes/5');
    await sees(two.bob, ROOM, ['bob']);
    two.ann.auth = user('ann');
    await sees(two.bob, ROOM, ['bob', 'ann']);
    await allGo([two.ann, two.bob]);
  });

  it('engine/clients: the node that has it is asked before it is taken for gone, and writes it down again', async () => {
    const a = await startNode({ redis: redis.url, gc: 3_600 });
    // The reaper of the other does not have it.
    const b = await startNode({ redis: redis.url, gc: 1 });
    await until(() => a.engine.status.connected && b.engine.status.connected, 'both nodes');
    const ann = await join(a.endpoint, user('ann'));
    const bob = await join(b.endpoint, user('bob'));
    for (const person of [ann, bob]) await sees(person, ROOM, ['ann', 'bob']);
    const key = `/faye/engine/clients/${ann.clientId()}`;
    await remove(key);
    await until(() => exists(key), 'the record');
    expect([...a.said, ...b.said].filter(([event]) => event !== 'join')).toEqual([]);
    await comesRight({ nodes: [a, b], ann, bob });
  });

  it('engine/clients, as it goes to another node: it is unknown there, and begins anew', async () => {
    const { nodes, ann, bob } = await start();
    const [a, b] = nodes;
    const clientId = await newClientId(a.endpoint);
    await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news' });
    await say(a.endpoint, connectMessage(clientId));
    await remove(`/faye/engine/clients/${clientId}`);
    const { error } = await say(b.endpoint, connectMessage(clientId));
    expect(error).toMatch(/^401:/);
    await allGo([ann, bob]);
  });

  it('engine/clients, and its node is dead: nobody knows where it was, so all channels are looked through', async () => {
    const two = await start();
    const living = new LivingClients();
    const dead = redisNode(living, {
      source: redis.url,
      partitions: new Partitions('faye', null),
      window: SLOW,
    });
    try {
      await dead.store.open();
      await enter(dead, ROOM, { uid: 'ghost', uname: 'Ghost' }, 'ghost');
      await remove('/faye/engine/clients/ghost');
    } finally {
      await dead.close();
    }
    await until(async () => {
      const { users } = await two.nodes[0].server.presence.list(ROOM);
      return users.length === 2;
    }, 'the ghost to go');
    await comesRight(two);
  });
});

it('lists are right again where Redis has run out of memory, and has evicted whatever it wanted', async () => {
  const two = await start();
  const ours = async () => (await redis.keys('/faye/*')).length;
  const before = await ours();
  // An epoch that has just begun does not end by that.
  const grownOld = () =>
    redis.ask(async (ask) => {
      if (await ask.exists('/faye/epoch')) await ask.hset('/faye/epoch', 'begun', 1);
    });
  await redis.ask(async (ask) => {
    const used = Number(/used_memory:(\d+)/.exec(await ask.info('memory'))?.[1]);
    await ask.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await ask.config('SET', 'maxmemory', used + 200_000);
  });
  let junk = 0;
  await until(async () => {
    await redis.ask(async (ask) => {
      for (const end = junk + 200; junk < end; junk += 1) await ask.set(`junk${junk}`, 'x'.repeat(1_000));
    });
    return (await ours()) < before - 3;
  }, 'keys to be evicted');
  await redis.ask((ask) => ask.config('SET', 'maxmemory', 0));
  await grownOld();
  await comesRight(two);
});

it.each(['users', 'uid_to_clientIds', 'order', 'state', 'engine/clients', 'everything'])(
  'a loss of %s by eviction alone, which no step comes upon, is found within seconds',
  async (what) => {
    const two = await start();
    // As if Redis had evicted one more key than when the epoch began, which is a while ago.
    await redis.ask((ask) => ask.hset('/faye/epoch', { begun: 1, evicted: -1 }));
    const keys = await redis.keys(what === 'everything' ? `*${ROOM}` : `/faye/${what}/*`);
    for (const key of keys) await redis.ask((ask) => ask.del(key));
    await until(async () => {
      const all = await Promise.all(keys.map(exists));
      return all.every(Boolean);
    }, `${keys} to be there again`);
    await comesRight(two);
  },
);

it('until a new epoch begins nothing is announced in other channels, and who leaves them does so in the new epoch', async () => {
  const keys = new Keys('faye');
  const living = new LivingClients();
  const node = redisNode(living, {
    source: redis.url,
    partitions: new Partitions('faye', null),
    window: SLOW,
  });
  try {
    const { store, clients, sessions, hub } = node;
    await store.open();
    await store.journal.open('sql');
    for (const channel of ['/a', '/b']) await enter(node, channel, { uid: 'ann', uname: 'Ann' }, 'c1');
    const [first] = store.epochs.all;
    // The node does not look meanwhile.
    const look = vi.spyOn(hub?.epochs as object as { lookAt(): Promise<never> }, 'lookAt');
    look.mockRejectedValue(new UnavailableError('the epoch'));
    await redis.ask((raw) => raw.del(keys.users('/a')));
    expect(
      await store.upkeep.sweep({
        channel: '/a',
        user: { uid: 'ann', uname: 'Ann' },
        clientId: 'c1',
        row: '',
      }),
    ).toEqual({
      changed: false,
      dueIn: null,
    });
    const parts = ['uidToClientIds', 'users', 'order', 'state', 'pending', 'rows'] as const;
    expect(await redis.ask((raw) => raw.exists(...parts.map((part) => keys[part]('/a'))))).toBe(0);
    expect(await store.channels.take('/b', 'claim')).toBeNull();
    await expect(clients.enter('c1', ['/a'])).rejects.toBeInstanceOf(UnavailableError);
    const entries = async () =>
      (await store.journal.read('sql', 'n', 10, 0)).map((entry) => [
        entry.type,
        'channel' in entry ? entry.channel : '',
        entry.epoch,
      ]);
    expect(await entries()).toEqual([
      ['in', '/a', first],
      ['in', '/b', first],
    ]);
    look.mockRestore();
    await until(() => store.epochs.all[0] !== first && store.epochs.all.length > 0, 'a new epoch');
    const [second] = store.epochs.all;
    const stays = async () => (await sessions?.staysOf(['c1']))?.get('c1');
    await until(async () => `${await stays().catch(() => null)}` === '/a', 'it to be done');
    expect((await entries()).filter(([, , epoch]) => epoch !== first)).toEqual([['out', '/b', second]]);
    expect(await redis.ask((raw) => raw.hget(keys.epoch, 'cause'))).toBe(
      'a part of the channel /a is missing',
    );
    expect(await stays()).toEqual(['/a']);
  } finally {
    vi.restoreAllMocks();
    await node.close();
  }
});

describe('the log says at the start', () => {
  let limited: RedisServer;
  beforeAll(async () => {
    limited = await RedisServer.start(['--maxmemory', '100mb']);
  });
  afterAll(() => limited.dispose());

  it.each([
    ['allkeys-lru', 'error', /evicts keys of presence.*noeviction/],
    ['volatile-ttl', 'warn', /evicts bans.*noeviction/],
    ['noeviction', undefined, undefined],
  ])('what Redis may evict by its maxmemory-policy %s', async (policy, level, message) => {
    await limited.ask((ask) => ask.config('SET', 'maxmemory-policy', policy));
    const lines: { level: string; msg: string; maxmemoryPolicy?: string }[] = [];
    const formatters = { level: (label: string) => ({ level: label }) };
    const log = pino({ formatters }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const partitions = new Partitions('faye', null);
    const store = openStore({ source: limited.url, partitions, window: SLOW, log });
    await store.open();
    await store.close();
    const said = lines.find(({ maxmemoryPolicy }) => maxmemoryPolicy === policy);
    expect(said?.level).toBe(level);
    if (message) expect(said?.msg).toMatch(message);
  });
});
