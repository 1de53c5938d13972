/** What a client has said of its page stays known: with many nodes, through moves, and where Redis loses its data. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Announcer } from '../../src/presence/announcer.js';
import type { MembershipChange } from '../../src/presence/clients.js';
import { Presence } from '../../src/presence/presence.js';
import type { Announcement } from '../../src/presence/store.js';
import type { Visibility } from '../../src/presence/visibility.js';
import { Partitions } from '../../src/redis/partitions.js';
import type { SessionRecords } from '../../src/sessions/redis/session-records.js';
import { silent } from '../support/log.js';
import { LivingClients, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const ann = { uid: 1, uname: 'Ann' };

interface Node extends PresenceNode {
  presence: Presence;
  announcer: Announcer;
  sessions: NonNullable<PresenceNode['sessions']>;
}

let redis: RedisServer;
let engine: LivingClients;
let nodes: Node[];

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());
beforeEach(() => {
  nodes = [];
  engine = new LivingClients();
});
afterEach(async () => {
  for (const { announcer, close } of nodes) {
    await announcer.close();
    await close();
  }
  await redis.flush();
});

async function start(partitions: Partitions): Promise<Node> {
  const window = { base: 1, perUser: 0, max: 1 };
  let changed = (_: MembershipChange): void => {};
  const node = redisNode(engine, {
    source: redis.url,
    partitions,
    window,
    quiet: 100,
    changed: (change) => changed(change),
  });
  const { store, sessions } = node;
  if (!sessions) throw new Error('Expected a node of many');
  const announcer = new Announcer({ channels: store.channels, node: 'n', log: silent });
  const presence = new Presence({ store, announcer, listLimit: 10, log: silent }, (listener) => {
    changed = listener;
    return node.clients;
  });
  await store.open();
  const started = { ...node, sessions, presence, announcer };
  nodes.push(started);
  return started;
}

/** The client is this node's from now on. */
async function come({ sessions, clients }: Node, clientId: string, channels: string[]): Promise<void> {
  engine.add(clientId);
  await sessions.claim(clientId);
  expect(await clients.bind(clientId, { ...ann })).toBe('bound');
  expect(await clients.enter(clientId, channels)).toBe(true);
}

const owns = ({ clients }: Node, clientId = 'c1') =>
  [...clients.bound()].some((each) => each.clientId === clientId);

/** What its record says; null where there is none. */
async function recorded({ sessions }: Node, clientId = 'c1'): Promise<Visibility | null> {
  const { records } = sessions as unknown as { records: SessionRecords };
  const located = await records.locateNow(clientId);
  return located.is === 'at' ? located.visibility : null;
}

async function look({ hub }: Node): Promise<void> {
  await hub?.epochs.look();
}

async function loseAll(node: Node): Promise<void> {
  await redis.flush();
  await look(node);
}

describe.each([null, 4])('the visibility of a client, %s partitions', (count) => {
  const partitions = new Partitions('faye', count);
  let first: Node;
  let second: Node;

  beforeEach(async () => {
    [first, second] = [await start(partitions), await start(partitions)];
  });

  it('is no leave: it changes no list, and is announced to nobody', async () => {
    const said: Announcement[] = [];
    first.store.channels.onAnnouncement((announcement) => said.push(announcement));
    await come(first, 'c1', ['/a']);
    await until(() => said.length === 1, 'the join to be announced');
    expect(await first.clients.setVisibility('c1', true)).toBe(true);
    expect((await second.presence.list('/a')).users).toEqual([ann]);
    expect(first.clients.isIn('c1', ['/a'])).toBe(true);
    await come(second, 'c2', ['/b']);
    await second.announcer.announce('/b');
    await until(() => said.some(({ channel }) => channel === '/b'), 'what came after it to be announced');
    expect(said.map(({ channel }) => channel)).toEqual(['/a', '/b']);
  });

  it('stays with it as it moves, and goes with it', async () => {
    await come(first, 'c1', ['/a', '/b']);
    await first.clients.setVisibility('c1', true);
    const hidden = await recorded(first);
    expect(hidden?.hidden).toBe(true);
    await come(first, 'c1', ['/c', '/d']);
    await come(second, 'c1', ['/e', '/f']);
    expect([owns(first), owns(second)]).toEqual([false, true]);
    expect(await recorded(first)).toEqual(hidden);
    engine.kill('c1');
    await second.clients.end('c1');
    expect(await recorded(second)).toBeNull();
    expect(await second.clients.setVisibility('c1', false)).toBe(false);
    expect(await redis.keys('*c1*')).toEqual([]);
  });

  it('is written again in a new epoch, since when it is so, and journalled again', async () => {
    await first.store.journal.open('sql');
    await come(first, 'c1', ['/a']);
    await first.clients.setVisibility('c1', true);
    const hidden = await recorded(first);
    await loseAll(first);
    await until(() => recorded(second), 'it to be written again');
    expect(await recorded(second)).toEqual(hidden);
    const entries = await first.store.journal.read('sql', 'n', 10, 0);
    expect(entries).toMatchObject([{ type: 'hidden', clientId: 'c1', at: hidden?.since }]);
    await first.store.journal.closeGroup('sql');
  });

  it('is written again by the node that the client has gone to', async () => {
    await come(first, 'c1', ['/a']);
    await first.clients.setVisibility('c1', true);
    const hidden = await recorded(first);
    await come(second, 'c1', ['/a']);
    await loseAll(second);
    await until(() => recorded(first), 'it to be written again');
    expect(await recorded(first)).toEqual(hidden);
  });

  it('is known to its node though it was said to another', async () => {
    await come(first, 'c1', ['/a']);
    await first.clients.setVisibility('c1', true);
    const hidden = await recorded(first);
    expect(await second.clients.bind('c1', { ...ann })).toBe('bound');
    expect(await second.clients.setVisibility('c1', false)).toBe(true);
    const shown = await recorded(first);
    expect(shown?.hidden).toBe(false);
    expect(shown?.since).toBeGreaterThan(hidden?.since ?? 0);
    expect([owns(first), owns(second)]).toEqual([true, false]);
    expect(first.clients.isIn('c1', ['/a'])).toBe(true);
    expect(first.clients.held(() => true)).toMatchObject([{ clientId: 'c1', visibility: shown }]);
    await loseAll(first);
    await until(() => recorded(second), 'it to be written again');
    expect(await recorded(second)).toEqual(shown);
  });

  it('is what the client said after Redis was emptied, not what its node would write again', async () => {
    await come(first, 'c1', ['/a']);
    await first.clients.setVisibility('c1', true);
    const hidden = await recorded(first);
    await redis.flush();
    // Where nothing says so yet, it is refused, and done later.
    await first.clients.setVisibility('c1', false).catch(() => {});
    await look(first);
    await until(async () => (await first.presence.list('/a')).count === 1, 'the stay to be there again');
    await until(async () => (await recorded(first))?.hidden === false, 'it to be written');
    expect((await recorded(first))?.since).toBeGreaterThan(hidden?.since ?? 0);
  });

  it('that is repeated after Redis was emptied is since when it was', async () => {
    await come(first, 'c1', ['/a']);
    await first.clients.setVisibility('c1', true);
    const hidden = await recorded(first);
    await redis.flush();
    expect(await first.clients.setVisibility('c1', true)).toBe(true);
    await look(first);
    await until(() => recorded(first), 'it to be written again');
    expect(await recorded(first)).toEqual(hidden);
  });

  it('is journalled once a change, however often it is said, and by whichever node', async () => {
    await first.store.journal.open('sql');
    await come(first, 'c1', ['/a']);
    for (const { clients } of [first, second, first]) await clients.setVisibility('c1', true);
    await come(second, 'c1', ['/a']);
    for (const { clients } of [first, second]) await clients.setVisibility('c1', false);
    const entries = await first.store.journal.read('sql', 'n', 10, 0);
    const types = entries.map(({ type }) => type).filter((type) => type !== 'in');
    expect(types).toEqual(['hidden', 'shown']);
    await first.store.journal.closeGroup('sql');
  });

  it('is of a client that was ended while its node could not know, and is back', async () => {
    await come(first, 'c1', ['/a']);
    await first.clients.setVisibility('c1', true);
    const hidden = await recorded(first);
    const { reconciler, claims } = first.sessions as unknown as {
      reconciler: {
        get(clientId: string): { written: string } | undefined;
        mark(session: object): void;
        run(session: object): Promise<void>;
      };
      claims: { noticed(): void };
    };
    claims.noticed = () => {};
    await second.clients.end('c1');
    expect(await recorded(first)).toBeNull();
    const session = reconciler.get('c1');
    if (!session) throw new Error('Expected the node to have the client');
    // As where a new epoch has settled before its node was back.
    session.written = 'an earlier epoch';
    reconciler.mark(session);
    await reconciler.run(session);
    expect(await recorded(first)).toEqual(hidden);
    expect((await second.presence.list('/a')).users).toEqual([ann]);
  });
});

it('is made right where Redis comes back with older data', async () => {
  const node = await start(new Partitions('faye', null));
  await come(node, 'c1', ['/a']);
  await node.clients.setVisibility('c1', true);
  await redis.save();
  await node.clients.setVisibility('c1', false);
  const shown = await recorded(node);
  await redis.stop();
  await redis.start();
  await until(() => node.store.status.connected, 'the store to be connected');
  const isShown = async () => (await recorded(node).catch(() => null))?.hidden === false;
  await until(isShown, 'the newer to be written again');
  expect(await recorded(node)).toEqual(shown);
});
