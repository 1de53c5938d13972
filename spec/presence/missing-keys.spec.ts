/**
 * A key that is missing in Redis, which has run out of memory, or whose operator has deleted one: the lists come right again, and
 * nothing is left.
 */
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Keys } from '../../src/redis/keys.js';
import { Partitions } from '../../src/redis/partitions.js';
import { scripts } from '../../src/redis/scripts.js';
import { type OneNode, startNode, startNodes } from '../engine/nodes.js';
import { silent } from '../support/log.js';
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
  it.each(['clientId_auth', 'clientId_status', 'engine/clients'])('%s', async (what) => {
    const two = await start();
    for (const { clientId } of [two.ann, two.bob]) await remove(`/faye/${what}/${clientId()}`);
    await comesRight(two);
  });

  it('clientIds, the index of all', async () => {
    const two = await start();
    await remove('/faye/clientIds');
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

  it('clientId_auth, as it moves', async () => {
    const two = await start();
    await remove(`/faye/clientId_auth/${two.ann.clientId()}`);
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
    await until(() => a.engine.connected && b.engine.connected, 'both nodes');
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

  it('clientId_auth, and its node is dead: nobody knows where it was, so all channels are looked through', async () => {
    const two = await start();
    const partitions = new Partitions('faye', null);
    const store = openStore({ source: redis.url, partitions, window: SLOW, log: silent });
    try {
      await store.open();
      await store.bind('ghost', { uid: 'ghost', uname: 'Ghost' });
      const intent = await store.intend('ghost', [ROOM]);
      await store.enter(ROOM, { uid: 'ghost', uname: 'Ghost' }, 'ghost', intent?.at ?? 0);
      await remove('/faye/clientId_auth/ghost');
    } finally {
      await store.close();
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

it.each(['users', 'uid_to_clientIds', 'order', 'state', 'clientId_auth', 'engine/clients', 'everything'])(
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

it('until a new epoch begins nothing is announced in other channels, and who leaves them leaves the last epoch', async () => {
  const keys = new Keys('faye');
  const window = [10, 0, 10];
  const member = (channel: string) => [
    ...keys.ofChannel(channel),
    keys.journal,
    keys.journalState,
    keys.clientAuth('c1'),
  ];
  await redis.ask(async (raw) => {
    await scripts.epoch(raw, [keys.epoch], ['', 'first', 0, '']);
    await raw.xgroup('CREATE', keys.journal, 'sql', '$', 'MKSTREAM');
    const record = (state: string) => JSON.stringify({ uid: 'ann', channels: '/a /b', state });
    await raw.set(keys.clientAuth('c1'), record('in'));
    for (const channel of ['/a', '/b']) {
      const args = [channel, 'ann', 'c1', '{"uid":"ann","uname":"Ann"}', ...window, 100, 1, 5_000, '', ''];
      expect((await scripts.enter(raw, member(channel), args))[0]).toBe(1);
    }
    await raw.set(keys.clientAuth('c1'), record('ending'));
    await raw.del(keys.users('/a'));
    for (const channel of ['/a', '/b'])
      await scripts.leave(raw, member(channel), [channel, 'ann', 'c1', ...window, 100, '', '', 10_000, '']);
    expect(await raw.exists(...keys.ofChannel('/a').slice(0, 5))).toBe(0);
    expect(await scripts.take(raw, keys.ofChannel('/b'), ['/b', 'claim', 1_000])).toBeNull();
    const entries = (await raw.xrange(keys.journal, '-', '+')).map(([, fields]) =>
      ['type', 'channel', 'epoch'].map((name) => fields[fields.indexOf(name) + 1]),
    );
    expect(entries).toEqual([
      ['in', '/a', 'first'],
      ['in', '/b', 'first'],
      ['out', '/b', 'first'],
    ]);
    expect(await scripts.epoch(raw, [keys.epoch], ['first', 'second', 1_000, ''])).toEqual([
      'second',
      1_000,
      'a part of the channel /a is missing',
    ]);
  });
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
