/** What a client has said of its page stays known: with many nodes, through moves, and where Redis loses its data. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClientQueues } from '../../src/bayeux/queues.js';
import { Announcer } from '../../src/presence/announcer.js';
import { Presence } from '../../src/presence/presence.js';
import { resume } from '../../src/presence/resumption.js';
import type { Announcement } from '../../src/presence/store.js';
import { Partitions } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { type OwnStore, openStore } from '../support/redis-store.js';
import { until } from '../support/until.js';

const ann = { uid: 1, uname: 'Ann' };

interface Node {
  store: OwnStore;
  presence: Presence;
  announcer: Announcer;
  /** Clients that it has been told of. */
  heard: string[];
  queues: ClientQueues;
}

let redis: RedisServer;
let nodes: Node[];
/** Which node has a client. */
let owners: Map<string, Node>;

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());
beforeEach(() => {
  nodes = [];
  owners = new Map();
});
afterEach(async () => {
  for (const { announcer, store } of nodes) {
    await announcer.close();
    await store.close();
  }
  await redis.flush();
});

async function start(partitions: Partitions): Promise<Node> {
  const window = { base: 1, perUser: 0, max: 1 };
  const store = openStore({ source: redis.url, partitions, window, quiet: 100, log: silent });
  const announcer = new Announcer({ store, node: 'n', log: silent });
  const has = (clientId: string) => owners.get(clientId)?.presence === presence;
  const clientExists = async (clientId: string) => owners.has(clientId);
  const presence = new Presence({ store, announcer, clientExists, has, listLimit: 10, log: silent });
  const heard: string[] = [];
  store.onVisibility((clientId, visibility) => {
    presence.remembered.heardVisibility(clientId, visibility);
    heard.push(clientId);
  });
  const queues = new ClientQueues({ messages: 100, bytes: 100_000 });
  store.onEpoch((concerns) =>
    resume(concerns, { presence, has, inTurn: (clientId, step) => queues.runAsync(clientId, step) }),
  );
  await store.open();
  const node = { store, presence, announcer, heard, queues };
  nodes.push(node);
  return node;
}

async function come(node: Node, clientId: string, channels: string[]): Promise<void> {
  const before = owners.get(clientId);
  owners.set(clientId, node);
  if (before !== node) before?.presence.remembered.drop(clientId);
  await node.presence.bind(clientId, { ...ann });
  expect(await node.presence.enter(clientId, channels)).toBe(true);
}

const recorded = async ({ store }: Node, clientId = 'c1') => (await store.read(clientId))?.visibility ?? null;

async function loseAll(node: Node): Promise<void> {
  await redis.flush();
  await node.store.look();
}

const sayElsewhere = async (node: Node, owner: Node, hidden: boolean) => {
  await node.presence.bind('c1', { ...ann });
  const before = owner.heard.length;
  expect(await node.presence.setVisibility('c1', hidden)).toBe(true);
  await until(() => owner.heard.length > before, 'its node to hear it');
};

describe.each([null, 4])('the visibility of a client, %s partitions', (count) => {
  const partitions = new Partitions('faye', count);
  let first: Node;
  let second: Node;

  beforeEach(async () => {
    [first, second] = [await start(partitions), await start(partitions)];
  });

  it('is no leave: it changes no list, and is announced to nobody', async () => {
    const said: Announcement[] = [];
    first.store.onAnnouncement((announcement) => said.push(announcement));
    await come(first, 'c1', ['/a']);
    await until(() => said.length === 1, 'the join to be announced');
    expect(await first.presence.setVisibility('c1', true)).toBe(true);
    expect((await second.presence.list('/a')).users).toEqual([ann]);
    expect(first.presence.remembered.isIn('c1', ['/a'])).toBe(true);
    await come(second, 'c2', ['/b']);
    await second.announcer.announce('/b');
    await until(() => said.some(({ channel }) => channel === '/b'), 'what came after it to be announced');
    expect(said.map(({ channel }) => channel)).toEqual(['/a', '/b']);
  });

  it('stays with it as it moves, and goes with it', async () => {
    await come(first, 'c1', ['/a', '/b']);
    await first.presence.setVisibility('c1', true);
    const hidden = await recorded(first);
    await come(first, 'c1', ['/c', '/d']);
    await come(second, 'c1', ['/e', '/f']);
    expect(await recorded(first)).toEqual(hidden);
    await second.presence.end('c1');
    expect(await second.store.read('c1')).toBeNull();
    expect(await second.presence.setVisibility('c1', false)).toBe(false);
  });

  it('is said again in a new epoch, since when it is so, and journalled again', async () => {
    await first.store.journal.open('sql');
    await come(first, 'c1', ['/a']);
    await first.presence.setVisibility('c1', true);
    const hidden = await recorded(first);
    await loseAll(first);
    await until(() => recorded(second), 'it to be said again');
    expect(await recorded(second)).toEqual(hidden);
    const entries = await first.store.journal.read('sql', 'n', 10, 0);
    expect(entries).toMatchObject([{ type: 'hidden', clientId: 'c1', at: hidden?.since }]);
    await first.store.journal.closeGroup('sql');
  });

  it('is said again by the node that the client has gone to', async () => {
    await come(first, 'c1', ['/a']);
    await first.presence.setVisibility('c1', true);
    const hidden = await recorded(first);
    await come(second, 'c1', ['/a']);
    await loseAll(second);
    await until(() => recorded(first), 'it to be said again');
    expect(await recorded(first)).toEqual(hidden);
  });

  it('is known to its node though it was said to another', async () => {
    await come(first, 'c1', ['/a']);
    await first.presence.setVisibility('c1', true);
    await sayElsewhere(second, first, false);
    const shown = await recorded(first);
    expect(first.presence.remembered.isIn('c1', ['/a'])).toBe(true);
    await loseAll(first);
    await until(() => recorded(second), 'it to be said again');
    expect(await recorded(second)).toEqual(shown);
    expect(shown?.hidden).toBe(false);
  });

  it('is what the client said after Redis was emptied, not what its node would say again', async () => {
    await come(first, 'c1', ['/a']);
    await first.presence.setVisibility('c1', true);
    const hidden = await recorded(first);
    await redis.flush();
    expect(await first.presence.setVisibility('c1', false)).toBe(true);
    await first.store.look();
    await until(async () => (await first.presence.list('/a')).count === 1, 'the stay to be said again');
    expect((await recorded(first))?.hidden).toBe(false);
    expect((await recorded(first))?.since).toBeGreaterThan(hidden?.since ?? 0);
  });

  it('that is repeated after Redis was emptied is since when it was', async () => {
    await come(first, 'c1', ['/a']);
    await first.presence.setVisibility('c1', true);
    const hidden = await recorded(first);
    await redis.flush();
    const said = first.queues.runAsync('c1', () => first.presence.setVisibility('c1', true));
    expect(await said).toBe(true);
    expect(await recorded(first)).toEqual(hidden);
  });

  it('is of a client that was ended while its node could not know, and is back', async () => {
    await come(first, 'c1', ['/a']);
    await first.presence.setVisibility('c1', true);
    const hidden = await recorded(first);
    await second.presence.end('c1');
    expect(await recorded(first)).toBeNull();
    await first.presence.begin('c1');
    expect(await recorded(first)).toEqual(hidden);
  });
});

it('is made right where Redis comes back with older data', async () => {
  const node = await start(new Partitions('faye', null));
  await come(node, 'c1', ['/a']);
  await node.presence.setVisibility('c1', true);
  await redis.save();
  await node.presence.setVisibility('c1', false);
  const shown = await recorded(node);
  await redis.stop();
  await redis.start();
  await until(() => node.store.connected, 'the store to be connected');
  await until(async () => (await recorded(node))?.hidden === false, 'the newer to be said again');
  expect(await recorded(node)).toEqual(shown);
});
