/** What a node knows of its clients, and of those of others, without asking. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { authenticate } from '../../extensions/authenticate.js';
import { authorize } from '../../extensions/authorize.js';
import { jwt } from '../../src/authentication/jwt.js';
import { identityOf } from '../../src/authentication/speaker.js';
import type { Message, Request } from '../../src/bayeux/extension.js';
import { UnavailableError } from '../../src/errors.js';
import { Announcer } from '../../src/presence/announcer.js';
import type { Identity } from '../../src/presence/identity.js';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { Presence } from '../../src/presence/presence.js';
import { Reaper } from '../../src/presence/reaper.js';
import { Partitions } from '../../src/redis/partitions.js';
import type { SessionRecords } from '../../src/sessions/redis/session-records.js';
import { silent } from '../support/log.js';
import { LivingClients, memoryNode, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const ann: Identity = { uid: 1, uname: 'Ann' };
const bob: Identity = { uid: 2, uname: 'Bob' };
const WINDOW = { base: 0, perUser: 0, max: 0 };

let redis: RedisServer;
let engine: LivingClients;
let nodes: PresenceNode[];

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());
beforeEach(() => {
  engine = new LivingClients();
  nodes = [];
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(nodes.map((node) => node.close()));
  await redis.flush();
});

async function start(partitions = new Partitions('faye', null)): Promise<PresenceNode> {
  const node = redisNode(engine, { source: redis.url, partitions, window: WINDOW });
  nodes.push(node);
  await node.store.open();
  return node;
}

/** Clients whose records a node has asked for. */
function askedBy({ sessions }: PresenceNode): string[] {
  const { records } = sessions as unknown as { records: SessionRecords };
  const asked: string[] = [];
  const { locateNow } = records;
  records.locateNow = (clientId) => {
    asked.push(clientId);
    return locateNow.call(records, clientId);
  };
  return asked;
}

async function come({ clients }: PresenceNode, clientId: string, identity: Identity, channels: string[]) {
  engine.add(clientId);
  expect(await clients.bind(clientId, identity)).toBe('bound');
  expect(await clients.enter(clientId, channels)).toBe(true);
}

const presenceOf = ({ store, clients }: PresenceNode): Presence =>
  new Presence(
    {
      store,
      announcer: new Announcer({ channels: store.channels, node: 'n', log: silent }),
      listLimit: 10,
      log: silent,
    },
    () => clients,
  );

describe.each([
  ['in one process', async () => memoryNode(engine, new MemoryStore(WINDOW))],
  ['over Redis', () => start()],
  ['over Redis, in 4 partitions', () => start(new Partitions('faye', 4))],
])('a node knows of its own clients, %s,', (_where, make) => {
  let node: PresenceNode;
  beforeEach(async () => {
    node = await make();
  });

  it('who they are, and where', async () => {
    const before = Date.now();
    await come(node, 'c1', ann, ['/a', '/b']);
    await come(node, 'c2', bob, ['/a']);
    const { clients } = node;
    expect([clients.identityOf('c1'), await clients.read('c1')]).toEqual([ann, ann]);
    expect([...clients.channelsOf('c1')].sort()).toEqual(['/a', '/b']);
    expect(clients.isIn('c1', ['/b', '/a'])).toBe(true);
    expect([clients.isIn('c1', ['/a']), clients.isIn('c1', ['/a', '/b', '/c'])]).toEqual([false, false]);
    expect([...clients.bound()].sort((a, b) => (a.clientId < b.clientId ? -1 : 1))).toEqual([
      { clientId: 'c1', identity: ann },
      { clientId: 'c2', identity: bob },
    ]);
    await clients.setVisibility('c1', true);
    const held = clients
      .held((channel) => channel !== '/b')
      .sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
    expect(held).toMatchObject([
      { channel: '/a', clientId: 'c1', user: ann, visibility: { hidden: true } },
      { channel: '/a', clientId: 'c2', user: bob, visibility: null },
    ]);
    for (const { at } of held) {
      expect(at).toBeGreaterThanOrEqual(before - 1);
      expect(at).toBeLessThanOrEqual(Date.now() + 1);
    }
    expect(presenceOf(node).clientsOf(1)).toEqual(['c1']);
    expect(presenceOf(node).sizes).toEqual({ clients: 2, users: 2 });
  });

  it('whose name has changed since they entered', async () => {
    await come(node, 'c1', ann, ['/a']);
    expect(await node.clients.bind('c1', { ...ann })).toBe('bound');
    expect(await node.clients.enter('c1', ['/a'])).toBe(true);
    expect(node.clients.isIn('c1', ['/a'])).toBe(true);
    await node.clients.bind('c1', { ...ann, uname: 'Anna' });
    await node.clients.enter('c1', ['/a']);
    expect(node.clients.isIn('c1', ['/a'])).toBe(true);
    expect((await node.store.channels.members('/a', 10)).users).toEqual([{ ...ann, uname: 'Anna' }]);
  });

  it('that one is another user’s, and that one is not there', async () => {
    await come(node, 'c1', ann, ['/a']);
    expect(await node.clients.bind('c1', bob)).toBe('other');
    expect(node.clients.identityOf('c1')).toEqual(ann);
    expect(await node.clients.bind('nobody', bob)).toBe('gone');
    expect(await node.clients.enter('nobody', ['/a'])).toBe(false);
    expect(await node.clients.setVisibility('nobody', true)).toBe(false);
    expect((await node.store.channels.members('/a', 10)).users).toEqual([ann]);
  });

  it('nothing once they have ended, or are unbound', async () => {
    await come(node, 'c1', ann, ['/a', '/b']);
    await come(node, 'c2', bob, ['/a']);
    await node.clients.unbind('c1');
    expect([node.clients.identityOf('c1'), await node.clients.read('c1')]).toEqual([undefined, null]);
    expect([node.clients.isAnonymous('c1'), node.clients.channelsOf('c1')]).toEqual([true, []]);
    engine.kill('c2');
    await node.clients.end('c2');
    expect([node.clients.identityOf('c2'), node.clients.channelsOf('c2')]).toEqual([undefined, []]);
    expect([[...node.clients.bound()], node.clients.held(() => true)]).toEqual([[], []]);
    const counts = await Promise.all(['/a', '/b'].map((channel) => node.store.channels.members(channel, 10)));
    expect(counts.map(({ count }) => count)).toEqual([0, 0]);
    // An unbound client may be another's.
    await come(node, 'c1', bob, ['/b']);
    expect((await node.store.channels.members('/b', 10)).users).toEqual([bob]);
  });
});

describe('of clients of other nodes', () => {
  let first: PresenceNode;
  let second: PresenceNode;
  beforeEach(async () => {
    [first, second] = [await start(), await start()];
    await come(first, 'c1', ann, ['/a']);
  });

  it('a node knows nothing but who they are, once it has asked', async () => {
    const { clients } = second;
    expect(clients.identityOf('c1')).toBeUndefined();
    expect(await clients.read('c1')).toEqual(ann);
    expect(clients.identityOf('c1')).toEqual(ann);
    expect([clients.isIn('c1', ['/a']), clients.channelsOf('c1'), clients.isAnonymous('c1')]).toEqual([
      false,
      [],
      false,
    ]);
    expect([[...clients.bound()], clients.held(() => true)]).toEqual([[], []]);
    expect(presenceOf(second).clientsOf(1)).toEqual([]);
  });

  it('it knows that for 10 s, also after it has bound one', async () => {
    expect(await second.clients.bind('c1', { ...ann })).toBe('bound');
    const asked = askedBy(second);
    const presence = presenceOf(second);
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + 9_900);
    expect([await presence.identityOf('c1'), asked]).toEqual([ann, []]);
    clock.mockReturnValue(now + 10_100);
    expect(second.clients.identityOf('c1')).toBeUndefined();
    expect([await presence.identityOf('c1'), asked]).toEqual([ann, ['c1']]);
    clock.mockRestore();
  });

  it('it is told nothing of one that has gone, or is unbound: the owner is asked again', async () => {
    expect(await second.clients.read('c1')).toEqual(ann);
    await first.clients.unbind('c1');
    expect(await second.clients.read('c1')).toBeNull();
    expect(second.clients.identityOf('c1')).toBeUndefined();
  });

  it('none is anonymous for certain', async () => {
    engine.add('c2');
    expect(await second.clients.read('c2')).toBeNull();
    expect(second.clients.isAnonymous('c2')).toBe(false);
    await first.clients.unbind('c1');
    expect(await second.clients.read('c1')).toBeNull();
    expect([first.clients.isAnonymous('c1'), second.clients.isAnonymous('c1')]).toEqual([true, false]);
  });

  it('another user’s proof is refused at whichever node, and a new one of the same user is known at once', async () => {
    expect(await second.clients.bind('c1', bob)).toBe('other');
    const later = { ...ann, expiresAt: 4e9 };
    expect(await second.clients.bind('c1', later)).toBe('bound');
    expect([first.clients.identityOf('c1'), second.clients.identityOf('c1')]).toEqual([later, later]);
  });

  it('one that moves is forgotten where it was', async () => {
    expect(await second.sessions?.claim('c1')).toBe(true);
    await until(() => [...first.clients.bound()].length === 0, 'its node before to learn it');
    expect([first.clients.channelsOf('c1'), first.clients.held(() => true)]).toEqual([[], []]);
    expect([second.clients.identityOf('c1'), second.clients.channelsOf('c1')]).toEqual([ann, ['/a']]);
    expect(second.clients.isIn('c1', ['/a'])).toBe(true);
    const asked = askedBy(second);
    expect(await second.clients.enter('c1', ['/b'])).toBe(true);
    expect(asked).toEqual([]);
    const counts = await Promise.all(
      ['/a', '/b'].map((channel) => first.store.channels.members(channel, 10)),
    );
    expect(counts.map(({ count }) => count)).toEqual([0, 1]);
  });
});

describe('messages of a client that nobody has proven to be', () => {
  const request = { headers: {} } as Request;
  let node: PresenceNode;
  let asked: string[];

  beforeEach(async () => {
    node = await start();
    await come(node, 'c1', ann, []);
    await node.clients.unbind('c1');
    asked = askedBy(node);
  });

  async function says(channel: string, mayPublish?: () => boolean, at = node): Promise<Message> {
    const message = { channel, clientId: 'c1', subscription: '/open', data: 1 } as Message;
    const limits = { identityBytes: 10_000, tokenBytes: 10_000 };
    const proof = jwt({ secret: 'a secret of more than thirty-two characters' } as never, limits as never);
    const presence = presenceOf(at);
    const clientExists = async () => true;
    const bannedFor = async () => 0;
    await authenticate({ proof, presence, clientExists, bannedFor }).incoming?.(message, request);
    const options = { presence, trusting: false, subscriptionsOf: () => [], endClient: () => {} };
    await authorize({ ...options, mayPublish, maySubscribe: () => true }).incoming?.(message, request);
    return message;
  }

  it('ask Redis for nothing at its node', async () => {
    for (let times = 0; times < 5; times += 1) await says('/open', () => true);
    await says('/meta/subscribe');
    await says('/meta/connect');
    expect(asked).toEqual([]);
  });

  it('are not refused where it was bound by way of another node since', async () => {
    await says('/open', () => true);
    await expect(says('/open')).rejects.toThrow();
    const other = await start();
    expect(await other.clients.bind('c1', ann)).toBe('bound');
    expect(identityOf(await says('/open'))).toEqual(ann);
    expect(identityOf(await says('/open', undefined, other))).toEqual(ann);
  });

  it('are refused where who has bound it may not any more', async () => {
    const other = await start();
    expect(await other.clients.bind('c1', { ...ann, expiresAt: 1 })).toBe('bound');
    await expect(says('/open')).rejects.toThrow(/expired/);
    await expect(says('/open', undefined, other)).rejects.toThrow(/expired/);
  });
});

describe('the reaper', () => {
  let node: PresenceNode;
  let questions: string[][];
  /** Clients of which the engine can't tell. */
  let unknown: Set<string>;
  let ended: string[];
  let reaper: Reaper;

  beforeEach(async () => {
    node = await start();
    [questions, unknown, ended] = [[], new Set(), []];
    for (const clientId of ['c1', 'c2', 'c3']) await come(node, clientId, ann, ['/a']);
    reaper = new Reaper({
      upkeep: node.store.upkeep,
      presence: presenceOf(node),
      clientsExist: async (clientIds) => {
        questions.push([...clientIds]);
        if (clientIds.some((clientId) => unknown.has(clientId))) throw new UnavailableError('the engine');
        return engine.existing(clientIds);
      },
      staysOf: async (clientIds) => (await node.sessions?.staysOf(clientIds)) ?? new Map(),
      inTurn: (_clientId, step) => step(),
      endClient: (clientId) => ended.push(clientId),
      expiryGrace: 0,
      node: 'n',
      every: 0,
      log: silent,
    });
    // Nothing is looked through in this epoch.
    await reaper.tick();
    questions = [];
  });
  const known = () => ['c1', 'c2', 'c3'].map((clientId) => node.clients.identityOf(clientId) !== undefined);

  it('asks the engine for all at once, and again for who is to go', async () => {
    engine.kill('c2');
    await reaper.tick();
    expect(questions).toEqual([['c1', 'c2', 'c3'], ['c2']]);
    expect(known()).toEqual([true, false, true]);
    expect(await redis.keys('*/c2')).toEqual([]);
    expect((await node.store.channels.members('/a', 10)).users).toEqual([ann]);
  });

  it('ends nobody where the engine can’t tell', async () => {
    engine.kill('c2');
    unknown.add('c2');
    await reaper.tick();
    expect(known()).toEqual([true, true, true]);
    unknown.clear();
    await reaper.tick();
    expect(known()).toEqual([true, false, true]);
  });

  it('ends those whose proof has expired', async () => {
    await node.clients.bind('c3', { ...ann, expiresAt: 1 });
    await reaper.tick();
    expect(ended).toEqual(['c3']);
  });
});
