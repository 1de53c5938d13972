/** What a node remembers of clients: its own for as long as they live, and for a moment that nobody has proven to be one. */
import { beforeEach, describe, expect, it } from 'vitest';
import { authenticate } from '../../extensions/authenticate.js';
import { authorize } from '../../extensions/authorize.js';
import { jwt } from '../../src/authentication/jwt.js';
import { identityOf } from '../../src/authentication/speaker.js';
import type { Message, Request } from '../../src/bayeux/extension.js';
import { Announcer } from '../../src/presence/announcer.js';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { Presence } from '../../src/presence/presence.js';
import { Reaper } from '../../src/presence/reaper.js';
import { silent } from '../support/log.js';

const ann = { uid: 1, uname: 'Ann' };
let store: MemoryStore;
let presence: Presence;
/** Clients that the store was asked for, and those that other nodes were told of. */
let asked: string[];
let told: string[];
/** Clients that exist, and those of them that are this node's. */
let alive: Set<string>;
let here: Set<string>;

beforeEach(() => {
  store = new MemoryStore({ base: 0, perUser: 0, max: 0 });
  [asked, told, alive, here] = [[], [], new Set(['c1', 'c2']), new Set(['c1'])];
  const read = store.read.bind(store);
  store.read = async (clientId) => {
    asked.push(clientId);
    return read(clientId);
  };
  store.tellMoved = async (clientId?: string) => {
    told.push(clientId ?? '');
  };
  presence = new Presence({
    store,
    announcer: new Announcer({ store, node: 'n', log: silent }),
    clientExists: async (clientId) => alive.has(clientId),
    has: (clientId) => here.has(clientId),
    listLimit: 10,
    log: silent,
  });
});

it('forgets unused clients of other nodes, and none of its own', async () => {
  await presence.bind('c1', ann);
  await presence.bind('c2', ann);
  presence.remembered.forgetUnused(-1);
  expect(presence.remembered.clientsOf(1)).toEqual(['c1']);
  here.delete('c1');
  presence.remembered.forgetUnused(-1);
  expect(presence.remembered.size).toBe(0);
});

it('finds the channels that a client is to leave without asking for its record', async () => {
  await presence.bind('c1', ann);
  await presence.enter('c1', ['/a', '/b']);
  presence.remembered.drop('c1');
  await presence.bind('c1', ann);
  await presence.enter('c1', ['/b']);
  expect([(await store.members('/a', 10)).count, (await store.members('/b', 10)).count]).toEqual([0, 1]);
  expect(asked).toEqual([]);
});

it('is asked for again once this node may have missed what others did', async () => {
  await presence.bind('c1', ann);
  await presence.enter('c1', ['/a']);
  presence.remembered.doubtAll();
  expect(presence.remembered.isIn('c1', ['/a'])).toBe(false);
  expect(presence.remembered.channelsOf('c1')).toEqual(['/a']);
  await presence.enter('c1', ['/a']);
  expect(presence.remembered.isIn('c1', ['/a'])).toBe(true);
});

describe('that nobody is', () => {
  it('is remembered of a client of this node, until it is bound', async () => {
    expect(presence.remembered.isNobody('c1')).toBe(false);
    expect(await presence.identityOf('c1')).toBeNull();
    expect(presence.remembered.isNobody('c1')).toBe(true);
    await presence.bind('c1', ann);
    expect(presence.remembered.isNobody('c1')).toBe(false);
  });

  it('is not remembered of a client of another node', async () => {
    await presence.identityOf('c2');
    expect(presence.remembered.isNobody('c2')).toBe(false);
  });

  it.each(['doubtChannels', 'drop'] as const)('is forgotten by %s', async (step) => {
    await presence.identityOf('c1');
    presence.remembered[step]('c1');
    expect(presence.remembered.isNobody('c1')).toBe(false);
  });

  it('is forgotten as it ends', async () => {
    await presence.identityOf('c1');
    await presence.end('c1');
    expect(presence.remembered.isNobody('c1')).toBe(false);
  });

  it('is forgotten once this node may have missed what others did', async () => {
    await presence.identityOf('c1');
    presence.remembered.doubtAll();
    expect(presence.remembered.isNobody('c1')).toBe(false);
  });

  it('is forgotten also where it is told while the answer is under way', async () => {
    const asking = presence.identityOf('c1');
    presence.remembered.doubtChannels('c1');
    expect(await asking).toBeNull();
    expect(presence.remembered.isNobody('c1')).toBe(false);
  });

  it('is told by the node that binds a client of another, once', async () => {
    await presence.bind('c1', ann);
    expect(told).toEqual([]);
    await presence.bind('c2', ann);
    expect(told).toEqual(['c2']);
    await presence.enter('c2', ['/a']);
    await presence.bind('c2', { ...ann });
    expect(told).toEqual(['c2']);
  });
});

describe('messages of a client that nobody has proven to be', () => {
  const request = { headers: {} } as Request;

  async function says(channel: string, mayPublish?: () => boolean): Promise<Message> {
    const message = { channel, clientId: 'c1', subscription: '/open', data: 1 } as Message;
    const limits = { identityBytes: 10_000, tokenBytes: 10_000 };
    const proof = jwt({ secret: 'a secret of more than thirty-two characters' } as never, limits as never);
    const clientExists = async () => true;
    await authenticate({ proof, presence, clientExists, bannedFor: async () => 0 }).incoming?.(
      message,
      request,
    );
    const options = { presence, trusting: false, subscriptionsOf: () => [], endClient: () => {} };
    await authorize({ ...options, mayPublish, maySubscribe: () => true }).incoming?.(message, request);
    return message;
  }

  it('ask the store once where they are publishes that are allowed, and each time where they are not', async () => {
    for (let times = 0; times < 5; times += 1) await says('/open', () => true);
    expect(asked).toHaveLength(1);
    await says('/meta/subscribe');
    await says('/meta/connect');
    expect(asked).toHaveLength(3);
  });

  it('are not refused where another node has bound it since', async () => {
    await says('/open', () => true);
    await expect(says('/open')).rejects.toThrow();
    await store.bind('c1', ann);
    expect(presence.remembered.isNobody('c1')).toBe(true);
    expect(identityOf(await says('/open'))).toEqual(ann);
  });

  it('are refused where who has bound it may not any more', async () => {
    await says('/open', () => true);
    await store.bind('c1', { ...ann, expiresAt: 1 });
    await expect(says('/open')).rejects.toThrow(/expired/);
  });
});

describe('the reaper', () => {
  let questions: string[][];
  /** Clients of which the engine can't tell. */
  let unknown: Set<string>;
  let reaper: Reaper;

  beforeEach(async () => {
    [questions, unknown, alive] = [[], new Set(), new Set(['c1', 'c2', 'c3'])];
    for (const clientId of alive) await store.bind(clientId, ann);
    reaper = new Reaper({
      store,
      presence,
      clientsExist: async (clientIds) => {
        questions.push([...clientIds]);
        if (clientIds.some((clientId) => unknown.has(clientId))) throw new Error('not known');
        return new Set(clientIds.filter((clientId) => alive.has(clientId)));
      },
      inTurn: (_clientId, step) => step(),
      endClient: () => {},
      expiryGrace: 0,
      node: 'n',
      every: 0,
      forgetAfter: 1e9,
      log: silent,
    });
  });
  const known = async () => (await Promise.all(['c1', 'c2', 'c3'].map((id) => store.read(id)))).map(Boolean);

  it('asks the engine for all at once', async () => {
    alive.delete('c2');
    await reaper.tick();
    expect(questions).toEqual([['c1', 'c2', 'c3']]);
    expect(await known()).toEqual([true, false, true]);
  });

  it('ends those that are gone where the engine can’t tell of another', async () => {
    alive.delete('c2');
    unknown.add('c1');
    await reaper.tick();
    expect(await known()).toEqual([true, false, true]);
  });
});
