/** Presence while Redis fails, and steps, or their answers, are lost on the way: what was asked for is done later. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { Partitions } from '../../src/redis/partitions.js';
import type { Session } from '../../src/sessions/session.js';
import { LivingClients, memoryNode, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const ann = { uid: 1, uname: 'Ann' };
const CHANNELS = ['/a', '/b', '/c'];
const WINDOW = { base: 0, perUser: 0, max: 0 };

type Step = 'write' | 'change' | 'claim';

interface Inside {
  records: Record<Step, (...args: unknown[]) => Promise<unknown>>;
  reconciler: { dirty: Set<Session>; get(clientId: string): Session | undefined };
}

const inside = ({ sessions }: PresenceNode) => sessions as unknown as Inside;

let redis: RedisServer;
let engine: LivingClients;
let nodes: PresenceNode[];
let node: PresenceNode;
/** Which steps fail, and whether Redis has done them all the same. */
let failing: { steps: Set<Step>; done: boolean };

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());
beforeEach(() => {
  engine = new LivingClients();
  failing = { steps: new Set(), done: false };
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((each) => each.close()));
  await redis.flush();
});

async function start(count: number | null): Promise<PresenceNode> {
  const partitions = new Partitions('faye', count);
  const started = redisNode(engine, { source: redis.url, partitions, window: WINDOW });
  nodes.push(started);
  await started.store.open();
  await started.store.journal.open('sql');
  const { records } = inside(started);
  for (const step of ['write', 'change', 'claim'] as const) {
    const method = records[step].bind(records);
    records[step] = async (...args) => {
      if (!failing.steps.has(step)) return method(...args);
      if (failing.done) await method(...args);
      throw new UnavailableError('Redis');
    };
  }
  return started;
}

async function come({ clients }: PresenceNode, channels: string[]): Promise<void> {
  engine.add('c1');
  expect(await clients.bind('c1', ann)).toBe('bound');
  expect(await clients.enter('c1', channels)).toBe(true);
}

const counts = ({ store }: PresenceNode) =>
  Promise.all(CHANNELS.map(async (channel) => (await store.channels.members(channel, 10)).count));

const isClean = (each: PresenceNode) => inside(each).reconciler.dirty.size === 0;

/** Who came and went, by channel. */
async function journalled({ store }: PresenceNode): Promise<string[]> {
  const entries = await store.journal.read('sql', 'n', 100, 0);
  return entries.map((entry) => `${entry.type} ${'channel' in entry ? entry.channel : ''}`).sort();
}

async function nothingIsLeft(): Promise<void> {
  const stays = /\/(epoch|partitions|nodes|nodes\/about|nodes\/terms|journal)$|\}\/left\//;
  for (const { store } of nodes) {
    for (const channel of CHANNELS) {
      const taken = await store.channels.take(channel, 'claim');
      if (taken && typeof taken !== 'number')
        await store.channels.announce(channel, 'claim', taken.changes.length, null);
    }
  }
  const left = async () => (await redis.keys()).filter((key) => !stays.test(key));
  await until(async () => (await left()).length === 0, 'nothing to be left').catch(async (error: Error) => {
    throw new Error(`${error.message}; there is ${await left()}`);
  });
}

describe.each([null, 4])('with %s partitions', (count) => {
  // With one no step concerns another partition.
  const steps: [Step, boolean][] = [
    ['write', false],
    ['write', true],
    ...(count === null
      ? []
      : ([
          ['change', false],
          ['change', true],
        ] as [Step, boolean][])),
  ];

  beforeEach(async () => {
    node = await start(count);
  });

  it.each(steps)('enters later after a %s failed (done: %s)', async (step, done) => {
    await come(node, []);
    failing = { steps: new Set([step]), done };
    await expect(node.clients.enter('c1', CHANNELS)).rejects.toBeInstanceOf(UnavailableError);
    expect(node.clients.isIn('c1', CHANNELS)).toBe(false);
    failing.steps.clear();
    await until(() => node.clients.isIn('c1', CHANNELS), 'it to be in');
    await until(() => isClean(node), 'nothing to be dirty');
    expect([await counts(node), await journalled(node)]).toEqual([
      [1, 1, 1],
      ['in /a', 'in /b', 'in /c'],
    ]);
  });

  it.each(steps)('leaves and enters later after a %s failed (done: %s)', async (step, done) => {
    await come(node, ['/a', '/b']);
    failing = { steps: new Set([step]), done };
    await expect(node.clients.enter('c1', ['/c'])).rejects.toBeInstanceOf(UnavailableError);
    failing.steps.clear();
    await until(() => node.clients.isIn('c1', ['/c']), 'it to be in');
    await until(() => isClean(node), 'nothing to be dirty');
    expect([await counts(node), await journalled(node)]).toEqual([
      [0, 0, 1],
      ['in /a', 'in /b', 'in /c', 'out /a', 'out /b'],
    ]);
  });

  it.each(steps)('does what was asked for last after a %s failed (done: %s)', async (step, done) => {
    await come(node, []);
    failing = { steps: new Set([step]), done };
    await expect(node.clients.enter('c1', ['/a', '/b', '/c'])).rejects.toBeInstanceOf(UnavailableError);
    await node.clients.enter('c1', ['/b']).catch(() => {});
    failing.steps.clear();
    await until(() => node.clients.isIn('c1', ['/b']) && isClean(node), 'it to be in');
    expect(await counts(node)).toEqual([0, 1, 0]);
    const entries = await journalled(node);
    for (const channel of ['/a', '/c']) {
      const ins = entries.filter((entry) => entry === `in ${channel}`);
      expect(entries.filter((entry) => entry === `out ${channel}`)).toHaveLength(ins.length);
    }
    expect(entries.filter((entry) => entry.endsWith('/b'))).toEqual(['in /b']);
  });

  it.each(steps)(
    'leaves no ghost where a %s failed (done: %s) and the client is gone',
    async (step, done) => {
      await come(node, []);
      failing = { steps: new Set([step]), done };
      await expect(node.clients.enter('c1', CHANNELS)).rejects.toBeInstanceOf(UnavailableError);
      engine.kill('c1');
      await node.clients.end('c1').catch(() => {});
      failing.steps.clear();
      await until(() => !inside(node).reconciler.get('c1'), 'it to have ended');
      expect([await counts(node), isClean(node)]).toEqual([[0, 0, 0], true]);
      await nothingIsLeft();
    },
  );

  it.each(steps)('ends later after a %s failed (done: %s)', async (step, done) => {
    await come(node, CHANNELS);
    engine.kill('c1');
    failing = { steps: new Set([step]), done };
    await expect(node.clients.end('c1')).rejects.toBeInstanceOf(UnavailableError);
    expect(node.clients.identityOf('c1') && node.clients.isIn('c1', CHANNELS)).toBeFalsy();
    failing.steps.clear();
    await until(() => !inside(node).reconciler.get('c1'), 'it to have ended');
    expect([await counts(node), isClean(node)]).toEqual([[0, 0, 0], true]);
    expect(await journalled(node)).toEqual([
      ...CHANNELS.map((channel) => `in ${channel}`),
      ...CHANNELS.map((channel) => `out ${channel}`),
    ]);
    await nothingIsLeft();
  });

  it.each([...steps, ['claim', false], ['claim', true]] as [Step, boolean][])(
    'stays where it is, at one node, after a %s failed (done: %s) as it goes to another',
    async (step, done) => {
      const other = await start(count);
      await come(node, CHANNELS);
      failing = { steps: new Set([step]), done };
      await other.sessions?.claim('c1').catch(() => {});
      failing.steps.clear();
      const has = (each: PresenceNode) => [...each.clients.bound()].length;
      await until(
        () => has(node) + has(other) === 1 && isClean(node) && isClean(other),
        'one node to have it',
      );
      expect(await other.clients.read('c1')).toEqual(ann);
      expect([await counts(node), await journalled(node)]).toEqual([
        [1, 1, 1],
        ['in /a', 'in /b', 'in /c'],
      ]);
      const there = has(node) ? node : other;
      expect([...there.clients.channelsOf('c1')].sort()).toEqual(CHANNELS);
      expect(await other.clients.enter('c1', ['/b'])).toBe(true);
      expect(await counts(node)).toEqual([0, 1, 0]);
    },
  );

  it.each(steps)(
    'writes a stay again in a new epoch, later, where a %s failed (done: %s)',
    async (step, done) => {
      await come(node, CHANNELS);
      node.changes.length = 0;
      failing = { steps: new Set([step]), done };
      await redis.flush();
      await node.hub?.epochs.look();
      await until(() => inside(node).reconciler.get('c1')?.isDirty, 'it to be dirty');
      expect([...node.clients.channelsOf('c1')]).toEqual(CHANNELS);
      failing.steps.clear();
      await until(() => isClean(node), 'nothing to be dirty');
      expect(node.clients.isIn('c1', CHANNELS)).toBe(true);
      expect([await counts(node), await journalled(node)]).toEqual([[1, 1, 1], []]);
      expect(node.changes.filter(({ changed }) => changed)).toEqual([]);
    },
  );
});

it('ends a client of a single process that is gone as it enters', async () => {
  const store = new MemoryStore(WINDOW);
  const { clients } = memoryNode(engine, store);
  engine.add('c1');
  await clients.bind('c1', ann);
  const { existing } = engine;
  engine.existing = async (clientIds) => {
    engine.kill('c1');
    return existing(clientIds);
  };
  expect(await clients.enter('c1', ['/a', '/b'])).toBe(false);
  expect([
    (await store.channels.members('/a', 10)).count,
    (await store.channels.members('/b', 10)).count,
  ]).toEqual([0, 0]);
  expect([[...clients.bound()], clients.channelsOf('c1')]).toEqual([[], []]);
});
