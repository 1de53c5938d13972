/** Presence while its store fails, and steps of it are lost on the way: what was meant is made right. */
import { beforeEach, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { Announcer } from '../../src/presence/announcer.js';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { Presence } from '../../src/presence/presence.js';
import { Reaper } from '../../src/presence/reaper.js';
import type { Store } from '../../src/presence/store.js';
import { silent } from '../support/log.js';
import { forget, leave } from './steps.js';

const ann = { uid: 1, uname: 'Ann' };
let store: MemoryStore;
let alive: Set<string>;
let presence: Presence;
let reaper: Reaper;
/** Which steps fail, and whether the store has done them all the same. */
let failing: { steps: Set<string>; done: boolean };

function unreliable(target: Store): Store {
  return new Proxy(target, {
    get(inner, name) {
      const method = Reflect.get(inner, name);
      if (typeof method !== 'function' || !failing.steps.has(String(name))) return method;
      return async (...args: unknown[]) => {
        if (failing.done) await method.apply(inner, args);
        throw new UnavailableError('the store');
      };
    },
  });
}

beforeEach(async () => {
  failing = { steps: new Set(), done: false };
  store = new MemoryStore({ base: 0, perUser: 0, max: 0 });
  alive = new Set(['c1']);
  const clientExists = async (clientId: string) => alive.has(clientId);
  const has = (clientId: string) => alive.has(clientId);
  const node = 'n';
  const flaky = unreliable(store);
  const announcer = new Announcer({ store: flaky, node, log: silent });
  presence = new Presence({ store: flaky, announcer, clientExists, has, listLimit: 10, log: silent });
  reaper = new Reaper({
    store: flaky,
    presence,
    clientsExist: async (clientIds) => new Set(clientIds.filter(has)),
    inTurn: (_clientId, step) => step(),
    node,
    every: 0,
    forgetAfter: 1e9,
    endClient: () => {},
    expiryGrace: 0,
    log: silent,
  });
  await presence.bind('c1', ann);
});

const there = async (channel = '/a') => (await store.members(channel, 10)).count;

it.each([
  ['intend', false],
  ['intend', true],
  ['enter', false],
  ['enter', true],
])('enters again after %s failed (done: %s)', async (step, done) => {
  failing = { steps: new Set([step]), done };
  await expect(presence.enter('c1', ['/a', '/b'])).rejects.toBeInstanceOf(UnavailableError);
  expect(presence.remembered.isIn('c1', ['/a', '/b'])).toBe(false);
  failing.steps.clear();
  await reaper.tick();
  expect(await presence.enter('c1', ['/a', '/b'])).toBe(true);
  expect([await there('/a'), await there('/b')]).toEqual([1, 1]);
  expect(presence.doubtful).toEqual([]);
});

it.each([
  ['intend', true],
  ['enter', false],
  ['enter', true],
  ['settle', true],
])('leaves no ghost where %s failed (done: %s) and the client is gone', async (step, done) => {
  failing = { steps: new Set([step]), done };
  await presence.enter('c1', ['/a', '/b']).catch(() => {});
  alive.delete('c1');
  failing.steps.clear();
  await reaper.tick();
  expect([await there('/a'), await there('/b')]).toEqual([0, 0]);
  expect(await store.read('c1')).toBeNull();
  expect(presence.doubtful).toEqual([]);
});

it.each([
  ['beginEnd', false],
  ['beginEnd', true],
  ['leave', false],
  ['leave', true],
  ['forget', false],
  ['forget', true],
])('ends after %s failed (done: %s)', async (step, done) => {
  await presence.enter('c1', ['/a']);
  alive.delete('c1');
  failing = { steps: new Set([step]), done };
  await expect(presence.end('c1')).rejects.toBeInstanceOf(UnavailableError);
  await reaper.tick();
  failing.steps.clear();
  await reaper.tick();
  expect(await there()).toBe(0);
  expect(await store.read('c1')).toBeNull();
  expect(presence.doubtful).toEqual([]);
});

it.each(['intend', 'enter', 'bind'])('says a stay again, later, where %s failed', async (step) => {
  await presence.enter('c1', ['/a']);
  const joins: string[] = [];
  presence.on('join', (channel) => joins.push(channel));
  // As where the store has lost its data.
  await leave(store, '/a', 1, 'c1');
  await forget(store, 'c1');
  failing = { steps: new Set([step]), done: false };
  await expect(presence.resume('c1')).rejects.toBeInstanceOf(UnavailableError);
  expect(presence.remembered.isIn('c1', ['/a'])).toBe(true);
  failing.steps.clear();
  await presence.resume('c1');
  expect([await there(), joins]).toEqual([1, []]);
  expect(presence.remembered.isIn('c1', ['/a'])).toBe(true);
  await reaper.tick();
  expect([await there(), presence.doubtful]).toEqual([1, []]);
});

it('ends a client that is gone instead of saying its stay again', async () => {
  await presence.enter('c1', ['/a']);
  alive.delete('c1');
  await presence.resume('c1');
  expect(await there()).toBe(0);
  expect(await store.read('c1')).toBeNull();
});

it('begins a new stay of a client that others had ended', async () => {
  await presence.enter('c1', ['/a', '/b']);
  await store.beginEnd('c1');
  for (const channel of ['/a', '/b']) await leave(store, channel, 1, 'c1');
  await store.forget('c1');
  const joins: string[] = [];
  presence.on('join', (channel) => joins.push(channel));
  await presence.begin('c1');
  expect([await there('/a'), await there('/b')]).toEqual([1, 1]);
  expect(joins.sort()).toEqual(['/a', '/b']);
});

it.each([
  ['lives', 1],
  ['is gone', 0],
])(
  'enters once more where the record went between intent and enter, if the client %s',
  async (_what, count) => {
    let enters = 0;
    const inner = store.enter.bind(store);
    store.enter = async (...args) => {
      enters += 1;
      if (enters === 1) await store.forget('c1');
      if (enters === 1 && count === 0) alive.delete('c1');
      return inner(...args);
    };
    expect(await presence.enter('c1', ['/a'])).toBe(count === 1);
    expect([await there(), (await store.read('c1')) !== null]).toEqual([count, count === 1]);
    expect(presence.doubtful).toEqual([]);
  },
);

it('tells the other nodes where a client went to one of them while this one said where it is', async () => {
  const moved: string[] = [];
  store.tellMoved = async (clientId?: string) => {
    moved.push(clientId ?? '');
  };
  const inner = store.enter.bind(store);
  store.enter = async (...args) => {
    presence.remembered.drop('c1');
    return inner(...args);
  };
  await presence.enter('c1', ['/a']);
  expect(moved).toEqual(['c1']);
});

it('keeps a client of which the engine can’t say whether it lives', async () => {
  await presence.enter('c1', ['/a']);
  const unsure = new Reaper({
    store,
    presence,
    clientsExist: async () => {
      throw new UnavailableError('the engine');
    },
    inTurn: (_clientId, step) => step(),
    node: 'n',
    every: 0,
    forgetAfter: 1e9,
    endClient: () => {},
    expiryGrace: 0,
    log: silent,
  });
  await unsure.tick();
  expect(await there()).toBe(1);
});
