/** The atomic steps of sessions and leases, one by one, on a real Redis: what comes late, twice, or from two nodes at once. */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Client } from '../../src/engine/client.js';
import { RedisHub } from '../../src/redis/hub.js';
import { Partitions } from '../../src/redis/partitions.js';
import { Lease } from '../../src/sessions/redis/lease.js';
import { scripts } from '../../src/sessions/redis/scripts.js';
import { SessionKeys } from '../../src/sessions/redis/session-keys.js';
import { type Location, SessionRecords } from '../../src/sessions/redis/session-records.js';
import { Session } from '../../src/sessions/session.js';
import { ADOPTION_GRACE_MS, LEASE_MS, STABLE_MS } from '../../src/timings.js';
import { epochLook } from '../support/epoch-look.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

/** A node, as far as its records go. */
interface Node {
  name: string;
  lease: Lease;
  records: SessionRecords;
}

let server: RedisServer;
let redis: Redis;
let hub: RedisHub;
const partitions = new Partitions('faye', 2);
/** The partition of Ann: all clients of these specs are in it. */
const keys = new SessionKeys(partitions.namespaces[partitions.of('ann')] as string);
/** A channel of another partition. */
const elsewhere = ['/a', '/b', '/c', '/d'].find(
  (channel) => partitions.of(channel) !== partitions.of('ann'),
) as string;
const key = keys.client('ann');
const listeners: Redis[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = new Redis(server.url);
  hub = new RedisHub({ source: server.url, partitions: () => partitions, log: silent });
  await until(() => hub.redis.commands.status === 'ready', 'the connection');
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const listener of listeners.splice(0)) listener.disconnect();
  await redis.flushall();
});
afterAll(async () => {
  redis.disconnect();
  hub.close();
  await server.dispose();
});

/** By how many milliseconds the clock of a lease is ahead. */
const ahead = new WeakMap<Lease, number>();

function newNode(name: string, lease = newLease(name)): Node {
  const settings = () => [20, 1, 60, 1_000] as const;
  return { name, lease, records: new SessionRecords({ hub, node: name, leaseOf: () => lease, settings }) };
}

function newLease(node: string): Lease {
  const now = () => performance.now() + (ahead.get(lease) ?? 0);
  const lease: Lease = new Lease(redis, keys, epochLook(redis, keys.epoch), node, () => ({}), now);
  return lease;
}

/** Renewed for so long that with the next time it may judge others. */
async function started(name: string): Promise<Node> {
  const node = newNode(name);
  await node.lease.renew();
  isStable(node);
  return node;
}

function isStable({ lease }: Node): void {
  ahead.set(lease, (ahead.get(lease) ?? 0) + STABLE_MS);
}

/** The node goes on in another term. What the one that is returned sends, it has sent in the term before: it lands late. */
async function goesOn({ name, lease }: Node): Promise<Node> {
  const { term } = lease;
  lease.raiseTerm();
  await lease.renew();
  return newNode(name, Object.create(lease, { term: { value: term } }) as Lease);
}

type Of = Partial<Pick<Session, 'state' | 'generation' | 'revision' | 'written' | 'channels' | 'left'>>;

/** Of a client that is in no record yet, unless `written` says otherwise. */
function session({ state = 'owned', ...of }: Of = {}, id = 'ann', subscriptions: string[] = []): Session {
  const client = { id, channels: new Set(subscriptions) } as unknown as Client;
  return Object.assign(new Session(id, state, client), of);
}

const write = ({ records }: Node, of: Of = {}, subscriptions: string[] = []) =>
  records.write(session(of, 'ann', subscriptions));

/** Writes the client, and then that it ends: it is left to leave a channel of another partition. */
async function beginEnd(node: Node, of: Of = {}, subscriptions: string[] = []) {
  await write(node, { ...of, channels: [elsewhere] }, subscriptions);
  const revision = (of.revision ?? 1) + 1;
  return write(node, { ...of, state: 'ending', revision }, subscriptions);
}

/** Writes that it has left that, too. */
const finishEnd = (node: Node, of: Of = {}) =>
  write(node, { revision: 9, ...of, state: 'ending', left: [elsewhere] });

const locate = ({ records }: Node) => records.locateNow('ann');

async function seenBy(node: Node): Promise<Location> {
  const located = await locate(node);
  if (located.is !== 'at') throw new Error(`ann is ${located.is}`);
  return located;
}

const adopt = async (node: Node, seen: Location, ago = 0) =>
  node.records.claim('ann', 'adopt', { seen, ago });
const end = ({ records }: Node) => records.claim('ann', 'end');
const reap = ({ records }: Node, dead: string) => records.claim('ann', 'reap', { dead });
const claimOwn = ({ records }: Node) => records.claim('ann', 'self');

const record = () => redis.hgetall(key);
const indexes = async () => {
  const names = (await redis.keys(keys.clientsOf('*'))).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name.slice(keys.indexes.length), await redis.smembers(name)] as const),
    ),
  );
};

/** As time would. */
const passes = (name: string, ms: number) => redis.zincrby(keys.nodes, -ms, name);

/** The lease of a node is over, another has declared it dead, and its clients are to be ended. */
async function dies(name: string, by: Node): Promise<void> {
  await passes(name, LEASE_MS + ADOPTION_GRACE_MS + 1_000);
  isStable(by);
  expect((await by.lease.renew()).due).toContain(name);
}

/** A new epoch, which the node knows, and in which nodes still write their clients again. */
async function newEpoch(...nodes: Node[]): Promise<void> {
  await redis.hset(keys.epoch, 'run_id', 'of another Redis');
  for (const { lease } of nodes) expect((await lease.renew()).isNewEpoch).toBe(true);
}

const settles = () => redis.hset(keys.epoch, 'quiet', 0);

/** The notices that a node gets from now on. */
async function noticesOf({ name }: Node): Promise<unknown[]> {
  const listener = new Redis(server.url);
  listeners.push(listener);
  const notices: unknown[] = [];
  listener.on('message', (_channel, text) => notices.push(JSON.parse(text)));
  await listener.subscribe(`${keys.inboxes}${name}`);
  return notices;
}

const WRITTEN = { is: 'written', isOver: false, visibleSince: 0, changes: [], outs: [] };
const NOTHING_KEPT = { identity: null, stays: new Map(), visibility: null, lostAt: undefined };
const AWAY = 'asked now';
/** Later than any time. */
const FAR = 9_000_000_000_000;

describe('to locate a client', () => {
  let a: Node;
  let b: Node;
  beforeEach(async () => {
    [a, b] = [await started('a'), await started('b')];
  });

  it('says who has it, in which generation and revision, and what it subscribes to', async () => {
    await write(a, { generation: 3, revision: 4 }, ['/x', '/y']);
    expect(await locate(b)).toEqual({
      is: 'at',
      node: 'a',
      generation: 3,
      revision: 4,
      isAlive: true,
      stream: '',
      subscriptions: ['/x', '/y'],
      ...NOTHING_KEPT,
    });
  });

  it('says whether the lease of its node is over, and not only once that is reaped', async () => {
    await write(a);
    await passes('a', LEASE_MS + 1);
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a', isAlive: false });
  });

  it('gives the token of its EventSource', async () => {
    await write(a);
    await b.records.stream('ann', 'token', { keep: false });
    expect(await locate(b)).toMatchObject({ is: 'at', stream: 'token' });
  });

  it('finds none without a record', async () => {
    expect(await locate(b)).toEqual({ is: 'none' });
    expect(await b.records.locate('ann')).toBeNull();
  });

  it('finds none that another node ends', async () => {
    await beginEnd(a);
    expect(await locate(b)).toEqual({ is: 'none' });
  });

  it("finds what the asker's own end has left", async () => {
    await beginEnd(a, { generation: 3 }, ['/x']);
    const left = { isEnding: true, generation: 3, subscriptions: ['/x'] };
    expect(await locate(a)).toMatchObject({ is: 'none', left });
  });

  it('is too early without a record where a new epoch has begun that the asker does not know', async () => {
    await newEpoch(a);
    await settles();
    expect(await locate(b)).toEqual({ is: 'later' });
    await expect(b.records.locate('ann')).rejects.toThrow(AWAY);
    await b.lease.renew();
    await settles();
    expect(await locate(b)).toEqual({ is: 'none' });
  });

  it('is too early without a record while the nodes write their clients again', async () => {
    await redis.flushall();
    expect(await locate(a)).toEqual({ is: 'later' });
    await a.lease.renew();
    expect(await locate(a)).toEqual({ is: 'later' });
    await expect(a.records.locate('ann')).rejects.toThrow(AWAY);
    // Who has not come yet has been given up.
    await settles();
    expect(await locate(a)).toEqual({ is: 'none' });
  });

  it('is too early where Redis itself stood still as the nodes were to write their clients again', async () => {
    await redis.hset(keys.epoch, { quiet: Date.now() - 1_000, looked: Date.now() - 4_000 });
    expect(await locate(a)).toEqual({ is: 'later' });
  });

  it('finds a client that was written again at once', async () => {
    await write(a);
    await newEpoch(a, b);
    await write(a);
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a' });
  });

  it('is too early by a record of an earlier epoch, while its node may write it again', async () => {
    await write(a);
    await newEpoch(a, b);
    expect(await locate(b)).toEqual({ is: 'later' });
    await settles();
    expect(await locate(b)).toEqual({ is: 'later' });
  });

  it('finds none by a record of an earlier epoch whose node is dead', async () => {
    await write(a);
    await newEpoch(b);
    await redis.zrem(keys.nodes, 'a');
    expect(await locate(b)).toEqual({ is: 'later' });
    await settles();
    expect(await locate(b)).toEqual({ is: 'none' });
  });

  it('finds none by a record of an earlier epoch as soon as the lease of its node is over', async () => {
    await write(a);
    await newEpoch(b);
    await settles();
    await passes('a', LEASE_MS + 1);
    expect(await locate(b)).toEqual({ is: 'none' });
  });

  it("finds what is left of the asker's own in an earlier epoch", async () => {
    await write(a, { generation: 3 }, ['/x']);
    await newEpoch(a);
    const left = { isEnding: false, generation: 3, subscriptions: ['/x'], ...NOTHING_KEPT };
    expect(await locate(a)).toEqual({ is: 'later', left });
    await settles();
    expect(await locate(a)).toEqual({ is: 'none', left });
  });

  it('finds none that another node ends in this epoch, also before that is settled', async () => {
    await write(a);
    await newEpoch(a, b);
    await write(a, { revision: 2 });
    expect(await end(b)).toMatchObject({ is: 'mine' });
    expect(await locate(a)).toEqual({ is: 'none' });
  });

  it('finds none that another node ended in an earlier epoch, once that is settled', async () => {
    await beginEnd(a);
    await newEpoch(b);
    expect(await locate(b)).toEqual({ is: 'later' });
    await settles();
    expect(await locate(b)).toEqual({ is: 'none' });
  });
});

describe('which of many clients exist', () => {
  it('is those that have a record, and are not ending', async () => {
    const a = await started('a');
    for (const id of ['ann', 'bob']) await a.records.write(session({}, id));
    await a.records.claim('bob', 'self');
    expect(await a.records.existing(['ann', 'bob', 'cleo'])).toEqual(['ann']);
    expect(await a.records.existing([])).toEqual([]);
  });

  it('is found for as many as are asked for', async () => {
    const a = await started('a');
    const ids = Array.from({ length: 450 }, (_, n) => `client${n}`);
    for (const id of ids) await a.records.write(session({}, id));
    expect(await a.records.existing(ids.flatMap((id) => [id, `not ${id}`]))).toEqual(ids);
  });

  it('is not known in a new epoch, until all nodes have written theirs', async () => {
    const a = await started('a');
    await write(a);
    await redis.flushall();
    await expect(a.records.existing(['ann'])).rejects.toThrow(AWAY);
    await a.lease.renew();
    await expect(a.records.existing(['ann'])).rejects.toThrow(AWAY);
    await write(a);
    expect(await a.records.existing(['ann'])).toEqual(['ann']);
    await expect(a.records.existing(['ann', 'bob'])).rejects.toThrow(AWAY);
    await settles();
    expect(await a.records.existing(['ann', 'bob'])).toEqual(['ann']);
    // Nobody could write anything: Redis itself stood still.
    await redis.hset(keys.epoch, { quiet: Date.now() - 1_000, looked: Date.now() - 4_000 });
    await expect(a.records.existing(['ann', 'bob'])).rejects.toThrow(AWAY);
  });
});

describe('to adopt a client', () => {
  let a: Node;
  let b: Node;
  beforeEach(async () => {
    [a, b] = [await started('a'), await started('b')];
  });

  it("makes it another node's, with what it subscribes to", async () => {
    await write(a, {}, ['/x', '/y']);
    const claimed = await adopt(b, await seenBy(b));
    expect(claimed).toMatchObject({ is: 'mine', epoch: b.lease.epoch, subscriptions: ['/x', '/y'] });
    expect(await locate(a)).toMatchObject({ is: 'at', node: 'b', revision: 0, subscriptions: ['/x', '/y'] });
    expect(await indexes()).toEqual({ b: ['ann'] });
  });

  it('is in a generation that no owner had whose record was lost: that of the time', async () => {
    await write(a);
    const before = Date.now();
    const claimed = await adopt(b, await seenBy(b));
    if (claimed.is !== 'mine') throw new Error(claimed.is);
    expect(claimed.generation).toBeGreaterThanOrEqual(before);
    expect(claimed.generation).toBeLessThanOrEqual(Date.now());
    expect(await locate(a)).toMatchObject({ generation: claimed.generation });
  });

  it('is in the next generation where the last one is later than the time', async () => {
    await write(a, { generation: FAR });
    expect(await adopt(b, await seenBy(b))).toMatchObject({ is: 'mine', generation: FAR + 1 });
    expect(await locate(a)).toMatchObject({ generation: FAR + 1 });
  });

  it('sends the owner before a notice, and says that it got it', async () => {
    const notices = await noticesOf(a);
    await write(a, { generation: FAR });
    expect(await adopt(b, await seenBy(b), 12)).toMatchObject({ is: 'mine', isNoticed: true });
    await until(() => notices.length > 0, 'the notice');
    expect(notices).toEqual([{ claimed: 'ann', generation: FAR + 1, by: 'b', ago: 12 }]);
  });

  it('says that nobody got the notice where the owner before is not connected', async () => {
    await write(a);
    expect(await adopt(b, await seenBy(b))).toMatchObject({ is: 'mine', isNoticed: false });
  });

  it('does not count on an owner whose lease is over, which gets the notice all the same', async () => {
    const notices = await noticesOf(a);
    await write(a);
    await passes('a', LEASE_MS + 1);
    expect(await adopt(b, await seenBy(b))).toMatchObject({ is: 'mine', isNoticed: false });
    await until(() => notices.length > 0, 'the notice');
  });

  it('sends no notice for a client of its own, whose generation grows', async () => {
    const notices = await noticesOf(a);
    await write(a, { generation: FAR });
    const own = await adopt(a, await seenBy(a));
    expect(own).toMatchObject({ is: 'mine', generation: FAR + 1, isNoticed: false });
    expect(await adopt(b, await seenBy(b))).toMatchObject({ is: 'mine', isNoticed: true });
    await until(() => notices.length > 0, 'the notice of the other');
    expect(notices).toMatchObject([{ by: 'b' }]);
    expect(await indexes()).toEqual({ b: ['ann'] });
  });

  it('is won by one of two nodes', async () => {
    const c = await started('c');
    await write(a, {}, ['/x']);
    const [seen, byC] = [await seenBy(b), await seenBy(c)];
    const claims = await Promise.all([adopt(b, seen), adopt(c, byC)]);
    expect(claims.map(({ is }) => is).sort()).toEqual(['changed', 'mine']);
    const winner = claims[0]?.is === 'mine' ? 'b' : 'c';
    expect(await locate(a)).toMatchObject({ node: winner });
    expect(await indexes()).toEqual({ [winner]: ['ann'] });
  });

  it('is refused where the client has subscribed to something since it was seen', async () => {
    await write(a);
    const seen = await seenBy(b);
    await write(a, { revision: 2 }, ['/x']);
    expect(await adopt(b, seen)).toEqual({ is: 'changed' });
    expect(await locate(b)).toMatchObject({ node: 'a', generation: 1, revision: 2 });
  });

  it('is refused where the client has moved since it was seen', async () => {
    const c = await started('c');
    await write(a);
    const seen = await seenBy(b);
    await write(c, { generation: 2 });
    expect(await adopt(b, seen)).toEqual({ is: 'changed' });
    expect(await locate(b)).toMatchObject({ node: 'c', generation: 2 });
  });

  it('comes too late for a client that is ending, and leaves it so', async () => {
    await write(a);
    const seen = await seenBy(b);
    await beginEnd(a);
    expect(await adopt(b, seen)).toEqual({ is: 'none' });
    expect(await record()).toMatchObject({ node: 'a', state: 'ending' });
  });

  it('comes too late for a client that has gone, and leaves nothing', async () => {
    await write(a);
    const seen = await seenBy(b);
    await write(a, { state: 'ending', revision: 2 });
    expect(await adopt(b, seen)).toEqual({ is: 'none' });
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await indexes()).toEqual({});
  });

  it('makes a client of a dead node its own', async () => {
    await write(a);
    await dies('a', b);
    const seen = await seenBy(b);
    expect(seen.isAlive).toBe(false);
    expect(await adopt(b, seen)).toMatchObject({ is: 'mine' });
    expect(await indexes()).toEqual({ b: ['ann'] });
  });

  it('is too early for a client that has no record in a new epoch', async () => {
    await write(a);
    const seen = await seenBy(b);
    await redis.flushall();
    await a.lease.renew();
    await b.lease.renew();
    await expect(adopt(b, seen)).rejects.toThrow(AWAY);
    expect(await record()).toEqual({});
  });

  it('is too early for a client that was not written in this epoch, and too late once its node is dead', async () => {
    await write(a);
    const seen = await seenBy(b);
    await newEpoch(a, b);
    await expect(adopt(b, seen)).rejects.toThrow(AWAY);
    await settles();
    await expect(adopt(b, seen)).rejects.toThrow(AWAY);
    await redis.zrem(keys.nodes, 'a');
    expect(await adopt(b, seen)).toEqual({ is: 'none' });
    expect(await locate(a)).toMatchObject({ left: { generation: 1 } });
  });

  it('is of this epoch', async () => {
    await write(a, {}, ['/x']);
    await newEpoch(a, b);
    await write(a, { revision: 2 }, ['/x']);
    await adopt(b, await seenBy(b));
    const c = await started('c');
    await settles();
    await redis.zrem(keys.nodes, 'b');
    expect(await locate(c)).toMatchObject({ is: 'at', node: 'b', isAlive: false, subscriptions: ['/x'] });
  });

  it('is too early while nobody knows the epoch', async () => {
    await write(a);
    const seen = await seenBy(b);
    await redis.hdel(keys.epoch, 'id');
    await expect(adopt(b, seen)).rejects.toThrow(AWAY);
    expect(await record()).toMatchObject({ node: 'a', generation: '1' });
  });

  it('that lands late does nothing', async () => {
    await write(a);
    const seen = await seenBy(b);
    const late = await goesOn(b);
    await expect(adopt(late, seen)).rejects.toThrow(AWAY);
    expect(await locate(a)).toMatchObject({ node: 'a', generation: 1 });
    expect(await adopt(b, seen)).toMatchObject({ is: 'mine' });
  });

  it('is nothing that a node without a lease may do', async () => {
    await write(a);
    const seen = await seenBy(b);
    await redis.zrem(keys.nodes, 'b');
    await expect(adopt(b, seen)).rejects.toThrow(AWAY);
    expect(await locate(a)).toMatchObject({ node: 'a', generation: 1 });
  });
});

describe('to claim a client for its end', () => {
  let a: Node;
  let b: Node;
  beforeEach(async () => {
    [a, b] = [await started('a'), await started('b')];
  });

  it('makes it ending at the node that claims it, and tells its owner', async () => {
    const notices = await noticesOf(a);
    await write(a, { revision: 7 }, ['/x']);
    const claimed = await end(b);
    expect(claimed).toMatchObject({ is: 'mine', subscriptions: ['/x'], isNoticed: true, lostAt: undefined });
    expect(await record()).toMatchObject({ node: 'b', state: 'ending' });
    expect(await indexes()).toEqual({ b: ['ann'] });
    await until(() => notices.length > 0, 'the notice');
    expect(notices).toMatchObject([{ claimed: 'ann', by: 'b' }]);
  });

  it('is done by one of two nodes', async () => {
    await write(a);
    const c = await started('c');
    const claims = await Promise.all([end(b), end(c)]);
    expect(claims.map(({ is }) => is).sort()).toEqual(['mine', 'none']);
  });

  it('comes too late for a client that is ending or has gone', async () => {
    expect(await end(b)).toEqual({ is: 'none' });
    await beginEnd(a);
    expect(await end(b)).toEqual({ is: 'none' });
    expect(await record()).toMatchObject({ node: 'a', generation: '1' });
  });

  it('is too early for a client that was not written in this epoch', async () => {
    await write(a);
    await newEpoch(a, b);
    await expect(end(b)).rejects.toThrow(AWAY);
    expect(await record()).toMatchObject({ node: 'a', generation: '1' });
  });

  it('makes the end of its owner come too late', async () => {
    await write(a);
    await end(b);
    expect(await write(a, { state: 'ending', revision: 2 })).toMatchObject({ is: 'refused', owner: 'b' });
  });

  it('that lands late does nothing', async () => {
    await write(a);
    await expect(end(await goesOn(b))).rejects.toThrow(AWAY);
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a' });
  });
});

describe('to claim a client of a dead node', () => {
  let a: Node;
  let b: Node;
  beforeEach(async () => {
    [a, b] = [await started('a'), await started('b')];
  });

  it('makes it ending at the node that claims it, as of the last sign of life of the dead', async () => {
    await write(a, {}, ['/x']);
    await passes('a', LEASE_MS + ADOPTION_GRACE_MS + 1_000);
    const lastSign = Number(await redis.zscore(keys.nodes, 'a')) - LEASE_MS;
    await b.lease.renew();
    expect(await reap(b, 'a')).toMatchObject({ is: 'mine', lostAt: lastSign, subscriptions: ['/x'] });
    expect(await record()).toMatchObject({ node: 'b', state: 'ending' });
    expect(await indexes()).toEqual({ b: ['ann'] });
  });

  it('is done by one of two nodes', async () => {
    const c = await started('c');
    await write(a);
    await dies('a', b);
    const claims = await Promise.all([reap(b, 'a'), reap(c, 'a')]);
    expect(claims.map(({ is }) => is).sort()).toEqual(['changed', 'mine']);
    expect(Object.keys(await indexes())).toHaveLength(1);
  });

  it('also takes over an end that the dead node has begun', async () => {
    await beginEnd(a);
    await dies('a', b);
    expect(await reap(b, 'a')).toMatchObject({ is: 'mine' });
    expect(await record()).toMatchObject({ node: 'b', state: 'ending' });
  });

  it('keeps the first last sign of life where the node that ends it dies as well', async () => {
    const c = await started('c');
    await write(a);
    await dies('a', b);
    const first = await reap(b, 'a');
    await dies('b', c);
    const second = await reap(c, 'b');
    if (first.is !== 'mine' || second.is !== 'mine') throw new Error('it was not claimed');
    expect(first.lostAt).toBeDefined();
    expect(second.lostAt).toBe(first.lostAt);
    expect(second.generation).toBeGreaterThan(first.generation);
  });

  it('also takes one of an earlier epoch', async () => {
    await write(a);
    await newEpoch(a, b);
    await settles();
    await dies('a', b);
    expect(await reap(b, 'a')).toMatchObject({ is: 'mine', epoch: b.lease.epoch });
    expect(await record()).toMatchObject({ epoch: b.lease.epoch });
  });

  it('leaves the clients of a dead node a while', async () => {
    await write(a);
    await passes('a', LEASE_MS + 1_000);
    await b.lease.renew();
    expect(await reap(b, 'a')).toEqual({ is: 'changed' });
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a', generation: 1 });
  });

  it('leaves the clients of a node that lives, or is back', async () => {
    await write(a);
    expect(await reap(b, 'a')).toEqual({ is: 'changed' });
    await dies('a', b);
    await a.lease.renew();
    expect(await reap(b, 'a')).toEqual({ is: 'changed' });
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a', generation: 1, isAlive: true });
  });

  it('leaves the clients of a node that is dead only by older data', async () => {
    await write(a);
    await redis.zadd(keys.dead, 1, 'a');
    expect(await reap(b, 'a')).toEqual({ is: 'changed' });
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a', generation: 1 });
  });

  it('leaves the clients of a node of which nobody knows that it is dead', async () => {
    await write(a);
    await redis.zrem(keys.nodes, 'a');
    expect(await reap(b, 'a')).toEqual({ is: 'changed' });
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a', generation: 1 });
  });

  it('takes clients out of the index of the dead node that are elsewhere, or gone', async () => {
    await write(b, { generation: 2 });
    await redis.sadd(keys.clientsOf('dead'), 'ann', 'gone');
    for (const id of ['ann', 'gone'])
      expect(await b.records.claim(id, 'reap', { dead: 'dead' })).toEqual({ is: 'changed' });
    expect(await indexes()).toEqual({ b: ['ann'] });
    expect(await locate(b)).toMatchObject({ node: 'b', generation: 2 });
    expect(await redis.exists(keys.client('gone'))).toBe(0);
  });

  it('that lands late does nothing', async () => {
    await write(a);
    await dies('a', b);
    await expect(reap(await goesOn(b), 'a')).rejects.toThrow(AWAY);
    expect(await record()).toMatchObject({ node: 'a', generation: '1' });
  });
});

describe('to claim what a node has left behind', () => {
  it('makes it ending, in another generation', async () => {
    const a = await started('a');
    await write(a, { generation: FAR }, ['/x']);
    const claimed = await claimOwn(a);
    expect(claimed).toMatchObject({
      is: 'mine',
      generation: FAR + 1,
      subscriptions: ['/x'],
      isNoticed: false,
    });
    expect(await record()).toMatchObject({ node: 'a', state: 'ending' });
    expect(await indexes()).toEqual({ a: ['ann'] });
  });

  it('also takes one of an earlier epoch, and one that it was ending', async () => {
    const a = await started('a');
    await write(a);
    await newEpoch(a);
    await settles();
    expect(await claimOwn(a)).toMatchObject({ is: 'mine', epoch: a.lease.epoch });
    expect(await record()).toMatchObject({ epoch: a.lease.epoch });
    expect(await claimOwn(a)).toMatchObject({ is: 'mine' });
  });

  it('is too early while nobody knows the epoch', async () => {
    const a = await started('a');
    await write(a);
    await redis.hdel(keys.epoch, 'id');
    await expect(claimOwn(a)).rejects.toThrow(AWAY);
    expect(await record()).toMatchObject({ generation: '1', epoch: a.lease.epoch });
  });

  it('takes clients out of its index that are elsewhere, or gone', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await write(b, { generation: 2 });
    await redis.sadd(keys.clientsOf('a'), 'ann', 'gone');
    expect(await claimOwn(a)).toEqual({ is: 'changed' });
    expect(await a.records.claim('gone', 'self')).toEqual({ is: 'changed' });
    expect(await indexes()).toEqual({ b: ['ann'] });
    expect(await locate(b)).toMatchObject({ node: 'b', generation: 2 });
  });

  it('that lands late does nothing', async () => {
    const a = await started('a');
    await write(a);
    await expect(claimOwn(await goesOn(a))).rejects.toThrow(AWAY);
    expect(await locate(a)).toMatchObject({ is: 'at', generation: 1 });
  });
});

describe('a write', () => {
  let a: Node;
  let b: Node;
  beforeEach(async () => {
    [a, b] = [await started('a'), await started('b')];
  });

  it('makes a record of who has the client, and what it subscribes to', async () => {
    expect(await write(a, {}, ['/x', '/y'])).toEqual({ ...WRITTEN, epoch: a.lease.epoch, isNew: true });
    expect(await locate(a)).toMatchObject({
      node: 'a',
      generation: 1,
      revision: 1,
      subscriptions: ['/x', '/y'],
    });
    expect(await indexes()).toEqual({ a: ['ann'] });
  });

  it('replaces what the client subscribes to', async () => {
    await write(a, {}, ['/x', '/y']);
    const again = await write(a, { revision: 2, written: a.lease.epoch }, []);
    expect(again).toEqual({ ...WRITTEN, epoch: a.lease.epoch, isNew: false });
    expect(await locate(a)).toMatchObject({ revision: 2, subscriptions: [] });
  });

  it('may be repeated', async () => {
    for (const isNew of [true, false]) expect(await write(a, {}, ['/x'])).toMatchObject({ isNew });
    expect(await locate(a)).toMatchObject({ generation: 1, revision: 1, subscriptions: ['/x'] });
  });

  it('does not bring back a client that has ended since it was last written', async () => {
    await write(a);
    await write(a, { state: 'ending', revision: 2 });
    const answer = await write(a, { revision: 2, written: a.lease.epoch }, ['/x']);
    expect(answer).toMatchObject({ is: 'refused', recorded: { is: 'absent' } });
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await indexes()).toEqual({});
  });

  it('brings back a client whose record was lost with an epoch', async () => {
    await write(a);
    const { epoch } = a.lease;
    await redis.flushall();
    await a.lease.renew();
    expect(await write(a, { revision: 2, written: epoch })).toEqual({
      ...WRITTEN,
      epoch: a.lease.epoch,
      isNew: true,
    });
    expect(a.lease.epoch).not.toBe(epoch);
  });

  it('brings back a client whose record is missing on a replica that has replaced its master', async () => {
    await write(a);
    const written = a.lease.epoch;
    await redis.del(keys.client('ann'));
    await redis.hset(keys.epoch, 'run_id', 'of the master');
    await expect(write(a, { revision: 2, written })).rejects.toThrow(AWAY);
    expect((await a.lease.renew()).isNewEpoch).toBe(true);
    expect(await write(a, { revision: 2, written })).toMatchObject({ is: 'written', isNew: true });
  });

  it('makes a record of an earlier epoch one of this', async () => {
    await write(a);
    const written = a.lease.epoch;
    await newEpoch(a, b);
    expect(await write(a, { revision: 2, written })).toMatchObject({ is: 'written', isNew: false });
    expect(await record()).toMatchObject({ epoch: a.lease.epoch });
    await settles();
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a' });
  });

  it('that lands late does not bring back a client that has ended since', async () => {
    await write(a);
    const late = await goesOn(a);
    await write(a, { state: 'ending', revision: 2 });
    await expect(write(late, {}, ['/x'])).rejects.toThrow(AWAY);
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await indexes()).toEqual({});
  });

  it('is sent again in the term that holds', async () => {
    const late = await goesOn(a);
    await expect(write(late)).rejects.toThrow(AWAY);
    expect(await write(a)).toMatchObject({ is: 'written' });
  });

  it('of a node without a lease does nothing', async () => {
    await expect(write(newNode('c'))).rejects.toThrow(AWAY);
    expect(await locate(b)).toEqual({ is: 'none' });
  });

  it('is too early while nobody knows the epoch', async () => {
    await redis.hdel(keys.epoch, 'id');
    await expect(write(a)).rejects.toThrow(AWAY);
    expect(await redis.keys('*ann*')).toEqual([]);
  });

  it.each([
    ['the same', 2],
    ['a later', 3],
  ])('gives way to the record of another node in %s generation', async (_which, generation) => {
    await write(b, { generation, revision: 7 }, ['/x']);
    expect(await write(a, { generation: 2, revision: 9 })).toEqual({
      is: 'refused',
      owner: 'b',
      revision: 7,
      recorded: {
        is: 'present',
        isOurs: false,
        generation,
        isEnding: false,
        isOutdated: false,
        isSettled: true,
      },
    });
    expect(await locate(a)).toMatchObject({ node: 'b', generation, revision: 7, subscriptions: ['/x'] });
    expect(await indexes()).toEqual({ b: ['ann'] });
  });

  it('gives way to an end of another node, in whichever generation', async () => {
    await beginEnd(b);
    const answer = await write(a, { generation: 4 });
    expect(answer).toMatchObject({ is: 'refused', owner: 'b', recorded: { isEnding: true, generation: 1 } });
    expect(await record()).toMatchObject({ node: 'b', state: 'ending' });
  });

  it('takes the client from another node that has it in an earlier generation, and tells it', async () => {
    const notices = await noticesOf(b);
    await write(b, { generation: 2, revision: 9 });
    expect(await write(a, { generation: 3 }, ['/x'])).toMatchObject({ is: 'written', isNew: false });
    expect(await locate(b)).toMatchObject({ node: 'a', generation: 3, revision: 1, subscriptions: ['/x'] });
    expect(await indexes()).toEqual({ a: ['ann'] });
    await until(() => notices.length > 0, 'the notice');
    expect(notices).toEqual([{ claimed: 'ann', generation: 3, by: 'a', ago: 0 }]);
  });

  it('tells nobody while the client stays', async () => {
    const notices = await noticesOf(a);
    for (const revision of [1, 2]) await write(a, { revision });
    await write(b, { generation: 2 });
    await until(() => notices.length > 0, 'the notice of the other');
    expect(notices).toMatchObject([{ by: 'b' }]);
  });

  it('gives way to a later generation of its own: an earlier claim has succeeded', async () => {
    await write(a, { generation: 3, revision: 2 });
    expect(await write(a, { generation: 2, revision: 9 })).toMatchObject({
      is: 'refused',
      owner: 'a',
      revision: 2,
      recorded: { isOurs: true, generation: 3 },
    });
    expect(await locate(a)).toMatchObject({ generation: 3, revision: 2 });
  });

  it('gives way to a later revision of its own', async () => {
    await write(a, { revision: 5 }, ['/x']);
    expect(await write(a, { revision: 4 })).toMatchObject({
      is: 'refused',
      revision: 5,
      recorded: { isOurs: true, generation: 1 },
    });
    expect(await locate(a)).toMatchObject({ revision: 5, subscriptions: ['/x'] });
  });

  it('replaces an earlier generation of its own, whatever the revision', async () => {
    await write(a, { generation: 2, revision: 5 });
    expect(await write(a, { generation: 3, revision: 1 })).toMatchObject({ is: 'written', isNew: false });
    expect(await locate(a)).toMatchObject({ generation: 3, revision: 1 });
  });

  it('makes a client that its own node was ending live again', async () => {
    await beginEnd(a);
    await redis.hset(key, 'lost_at', 1);
    expect(await write(a, { revision: 3 })).toMatchObject({ is: 'written', isNew: false });
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a' });
    expect(await record()).not.toHaveProperty('lost_at');
  });

  it('is done while the nodes write their clients again', async () => {
    await redis.flushall();
    await a.lease.renew();
    await b.lease.renew();
    expect(await write(a)).toMatchObject({ is: 'written', isNew: true });
    expect(await locate(b)).toMatchObject({ is: 'at', node: 'a' });
  });
});

describe('a write of an end', () => {
  let a: Node;
  let b: Node;
  beforeEach(async () => {
    [a, b] = [await started('a'), await started('b')];
  });

  it('leaves nothing of a client that is in no channel of another partition', async () => {
    await write(a, {}, ['/x']);
    const answer = await write(a, { state: 'ending', revision: 2 });
    expect(answer).toEqual({ ...WRITTEN, epoch: a.lease.epoch, isNew: false, isOver: true });
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await indexes()).toEqual({});
    expect(await locate(b)).toEqual({ is: 'none' });
  });

  it('makes the client unknown to others, and leaves it with its node, while it is to leave channels elsewhere', async () => {
    const answer = await beginEnd(a, {}, ['/x']);
    expect(answer).toEqual({ ...WRITTEN, epoch: a.lease.epoch, isNew: false, outs: [elsewhere] });
    expect(await record()).toMatchObject({ node: 'a', state: 'ending', revision: '2' });
    expect(await indexes()).toEqual({ a: ['ann'] });
    expect(await locate(b)).toEqual({ is: 'none' });
  });

  it('leaves nothing once it has left them', async () => {
    await beginEnd(a);
    expect(await finishEnd(a)).toMatchObject({ is: 'written', isOver: true, outs: [] });
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await indexes()).toEqual({});
  });

  it('may be repeated until it is over', async () => {
    for (let time = 0; time < 2; time += 1)
      expect(await beginEnd(a)).toMatchObject({ is: 'written', isOver: false, outs: [elsewhere] });
    for (let time = 0; time < 2; time += 1)
      expect(await finishEnd(a)).toMatchObject({ is: 'written', isOver: true });
    expect(await redis.keys('*ann*')).toEqual([]);
  });

  it('of a client that has no record leaves nothing', async () => {
    expect(await write(a, { state: 'ending' })).toMatchObject({ is: 'written', isNew: false, isOver: true });
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await indexes()).toEqual({});
  });

  it('of a client that another node has in an earlier generation leaves nothing, there either', async () => {
    await write(b);
    expect(await write(a, { state: 'ending', generation: 2 })).toMatchObject({ isOver: true });
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await indexes()).toEqual({});
  });

  it('leaves the record of another node that has reaped it', async () => {
    await beginEnd(a);
    await dies('a', b);
    await reap(b, 'a');
    await a.lease.renew();
    expect(await finishEnd(a)).toMatchObject({ is: 'refused', owner: 'b', recorded: { isEnding: true } });
    expect(await record()).toMatchObject({ node: 'b', state: 'ending' });
    expect(await indexes()).toEqual({ b: ['ann'] });
  });

  it('leaves the record of another node in the same generation', async () => {
    await write(b);
    expect(await write(a, { state: 'ending', revision: 9 })).toMatchObject({ is: 'refused', owner: 'b' });
    expect(await locate(a)).toMatchObject({ node: 'b', generation: 1 });
  });

  it('leaves a record of its own in a later generation', async () => {
    await write(a, { generation: 2 });
    expect(await write(a, { state: 'ending', revision: 9 })).toMatchObject({
      is: 'refused',
      recorded: { isOurs: true, generation: 2 },
    });
    expect(await locate(a)).toMatchObject({ generation: 2 });
    expect(await indexes()).toEqual({ a: ['ann'] });
  });

  it('that lands late leaves a client that was claimed since', async () => {
    await write(a, { generation: 2 });
    const late = await goesOn(a);
    await claimOwn(a);
    await expect(write(late, { state: 'ending', generation: 2, revision: 2 })).rejects.toThrow(AWAY);
    expect(await record()).toMatchObject({ state: 'ending' });
    expect(await indexes()).toEqual({ a: ['ann'] });
  });

  it('of a client that another has ended is refused', async () => {
    expect(await write(a, { state: 'ending', written: a.lease.epoch })).toMatchObject({
      is: 'refused',
      recorded: { is: 'absent' },
    });
  });

  it('comes too late for a client that was adopted', async () => {
    await write(a);
    expect(await adopt(b, await seenBy(b))).toMatchObject({ is: 'mine' });
    expect(await write(a, { state: 'ending', revision: 2 })).toMatchObject({
      is: 'refused',
      owner: 'b',
      recorded: { isOurs: false, isEnding: false },
    });
    expect(await locate(a)).toMatchObject({ is: 'at', node: 'b' });
  });

  it('is too early while the nodes write their clients again: another may have it', async () => {
    await write(a);
    await newEpoch(a);
    await expect(write(a, { state: 'ending', revision: 2 })).rejects.toThrow(AWAY);
    expect(await record()).toMatchObject({ revision: '1' });
    expect(await record()).not.toHaveProperty('state');
    await settles();
    expect(await write(a, { state: 'ending', revision: 2 })).toMatchObject({ is: 'written' });
  });

  it('that lands late does nothing', async () => {
    await write(a);
    const late = await goesOn(a);
    await expect(write(late, { state: 'ending', revision: 2 })).rejects.toThrow(AWAY);
    expect(await record()).not.toHaveProperty('state');
  });
});

describe('to write the token of an EventSource', () => {
  it('replaces the one that is there, keeps it where that is wanted, and removes it', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await write(a);
    expect(await b.records.stream('ann', 'first', { keep: true })).toBe('first');
    expect(await b.records.stream('ann', 'second', { keep: true })).toBe('first');
    expect(await b.records.stream('ann', 'second', { keep: false })).toBe('second');
    await write(a, { revision: 2, written: a.lease.epoch });
    expect(await locate(b)).toMatchObject({ stream: 'second' });
    expect(await b.records.stream('ann', '', { keep: false })).toBe('');
    expect(await locate(b)).toMatchObject({ stream: '' });
  });

  it('does nothing for a client that is ending, or has gone', async () => {
    const a = await started('a');
    expect(await a.records.stream('ann', 'token', { keep: false })).toBeNull();
    expect(await record()).toEqual({});
    await beginEnd(a);
    expect(await a.records.stream('ann', 'token', { keep: false })).toBeNull();
    expect(await record()).not.toHaveProperty('stream');
  });
});

describe('a lease', () => {
  it('holds once it is renewed, for its time', async () => {
    const { lease } = newNode('a');
    expect(lease.holds).toBe(false);
    await lease.renew();
    expect(lease.holds).toBe(true);
    ahead.set(lease, LEASE_MS);
    expect(lease.holds).toBe(false);
  });

  it('does not hold once it is uncertain, until it is renewed', async () => {
    const { lease } = await started('a');
    lease.raiseTerm();
    expect(lease.holds).toBe(false);
    await lease.renew();
    expect(lease.holds).toBe(true);
  });

  it('does not hold by a renewal that was sent before it became uncertain', async () => {
    const { lease } = await started('a');
    const { renew } = scripts;
    vi.spyOn(scripts, 'renew').mockImplementationOnce((...args) => {
      const reply = renew(...args);
      lease.raiseTerm();
      return reply;
    });
    await lease.renew();
    expect(lease.holds).toBe(false);
    await lease.renew();
    expect(lease.holds).toBe(true);
  });

  it('that is over is reaped by a node that renews in time', async () => {
    const [, b] = [await started('a'), await started('b')];
    await passes('a', LEASE_MS + 6_000);
    expect(await b.lease.renew()).toMatchObject({ wasLost: false, due: ['a'] });
    expect(await redis.zrange(keys.nodes, '0', '-1')).toEqual(['b']);
    expect(await redis.zrange(keys.dead, '0', '-1')).toEqual(['a']);
    expect(await redis.hkeys(keys.about)).toEqual(['b']);
    expect(await redis.hkeys(keys.terms)).toEqual(['b']);
  });

  it('that was reaped is taken again by the same node, which learns of it, and is not dead any more', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await write(a);
    const { term } = a.lease;
    await passes('a', LEASE_MS + 6_000);
    await b.lease.renew();
    expect(await a.lease.renew()).toMatchObject({ wasLost: true, isNewEpoch: false, due: [], indexed: 1 });
    expect(a.lease.node).toBe('a');
    expect(a.lease.term).toBeGreaterThan(term);
    expect(a.lease.holds).toBe(true);
    expect((await redis.zrange(keys.nodes, '0', '-1')).sort()).toEqual(['a', 'b']);
    expect(await redis.exists(keys.dead, keys.lastSigns)).toBe(0);
    expect(await b.lease.renew()).toMatchObject({ due: [] });
  });

  it('that was reaped fences what its node has sent before, and its writes find what others have claimed', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await write(a);
    await a.records.write(session({}, 'bob'));
    await dies('a', b);
    const late = newNode('a', Object.create(a.lease, { term: { value: a.lease.term } }) as Lease);
    await reap(b, 'a');
    expect((await a.lease.renew()).wasLost).toBe(true);
    await expect(write(late, { revision: 2 })).rejects.toThrow(AWAY);
    const written = a.lease.epoch;
    expect(await write(a, { revision: 2, written })).toMatchObject({ is: 'refused', owner: 'b' });
    expect(await a.records.write(session({ revision: 2, written }, 'bob'))).toMatchObject({
      is: 'written',
      isNew: false,
    });
  });

  it('that was lost is not renewed, and nothing is changed, until its node takes it again', async () => {
    const a = await started('a');
    await redis.zrem(keys.nodes, 'a');
    await redis.zadd(keys.dead, 1, 'a');
    await redis.zadd(keys.lastSigns, 1, 'a');
    expect(await renewRaw('a', { term: a.lease.term })).toEqual(['lost', [], 0, -1]);
    expect(await redis.exists(keys.nodes)).toBe(0);
    expect(await redis.exists(keys.dead, keys.lastSigns)).toBe(2);
  });

  it('is not renewed by a renewal of an earlier term, which lands late', async () => {
    const a = await started('a');
    const { term } = a.lease;
    await goesOn(a);
    for (const isFirst of [0, 1])
      expect(await renewRaw('a', { term, isFirst })).toEqual(['stale', [], 0, -1]);
    expect(await redis.hget(keys.terms, 'a')).toBe(String(term + 1));
    expect(await write(a)).toMatchObject({ is: 'written' });
  });

  it('leaves clients a while', async () => {
    const b = await started('b');
    await started('a');
    await passes('a', LEASE_MS + 1_000);
    const { due, dueIn } = await b.lease.renew();
    expect(due).toEqual([]);
    expect(dueIn).toBeGreaterThan(0);
    expect(dueIn).toBeLessThanOrEqual(ADOPTION_GRACE_MS - 1_000);
    expect(await redis.zrange(keys.dead, '0', '-1')).toEqual(['a']);
  });

  it('is judged by no node whose own is over, or that has just begun: Redis itself may have stood still', async () => {
    const [a, b] = [await started('a'), await started('b')];
    for (const name of ['a', 'b']) await passes(name, LEASE_MS + 6_000);
    const { lease } = newNode('new');
    expect(await lease.renew()).toMatchObject({ due: [] });
    expect(await a.lease.renew()).toMatchObject({ wasLost: false, due: [] });
    expect(await b.lease.renew()).toMatchObject({ wasLost: false, due: [] });
    expect(await redis.exists(keys.dead)).toBe(0);
  });

  it('is judged by no node that was away just now: others may take longer to come back', async () => {
    const b = await started('b');
    await started('a');
    vi.spyOn(scripts, 'renew').mockRejectedValueOnce(new Error('Redis is away'));
    await expect(b.lease.renew()).rejects.toThrow('away');
    await passes('a', LEASE_MS + 6_000);
    expect((await b.lease.renew()).due).toEqual([]);
    isStable(b);
    expect((await b.lease.renew()).due).toEqual(['a']);
  });

  it('is away from a renewal that fails until one succeeds', async () => {
    const { lease } = await started('a');
    expect(lease.isAway).toBe(false);
    vi.spyOn(scripts, 'renew').mockRejectedValueOnce(new Error('Redis is away'));
    await expect(lease.renew()).rejects.toThrow('away');
    expect(lease.isAway).toBe(true);
    await lease.renew();
    expect(lease.isAway).toBe(false);
  });

  it('goes on in a new epoch, in which nobody is judged for a while', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await redis.flushall();
    expect(await a.lease.renew()).toMatchObject({ isNewEpoch: true, wasLost: false });
    expect(await b.lease.renew()).toMatchObject({ isNewEpoch: true, wasLost: false });
    await passes('b', LEASE_MS + 6_000);
    expect(await a.lease.renew()).toMatchObject({ isNewEpoch: false, due: [], dueIn: undefined });
    expect(await b.lease.renew()).toMatchObject({ wasLost: false, due: [] });
    expect(await redis.exists(keys.dead)).toBe(0);
    expect([a.lease.isSettling, b.lease.isSettling]).toEqual([true, true]);
    await settles();
    await a.lease.renew();
    expect([a.lease.isSettling, b.lease.isSettling]).toEqual([false, true]);
  });

  it('counts the while of clients from the end of a new epoch on', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await newEpoch(a, b);
    const over = Date.now() - 2_000;
    await redis.hset(keys.epoch, { quiet: over, looked: Date.now() });
    await passes('a', LEASE_MS + 6_000);
    expect((await b.lease.renew()).due).toEqual([]);
    expect(Number(await redis.zscore(keys.dead, 'a'))).toBe(over + ADOPTION_GRACE_MS);
  });

  it('is over for a node that comes when the new epoch is not new any more', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await redis.flushall();
    await a.lease.renew();
    await redis.hset(keys.epoch, { quiet: 0, begun: 0 });
    expect(await b.lease.renew()).toMatchObject({ wasLost: true, isNewEpoch: true });
    expect((await redis.zrange(keys.nodes, '0', '-1')).sort()).toEqual(['a', 'b']);
  });

  it('tells how many clients the index of its node has', async () => {
    const a = await started('a');
    await write(a);
    await a.records.write(session({}, 'bob'));
    expect((await a.lease.renew()).indexed).toBe(2);
    await redis.srem(keys.clientsOf('a'), 'bob');
    expect((await a.lease.renew()).indexed).toBe(1);
  });

  it("leaves a dead node's last sign of life until the node is forgotten, once it has no client", async () => {
    const [a, b] = [await started('a'), await started('b')];
    await write(a);
    await dies('a', b);
    await b.records.forgetNode(b.lease, 'a');
    expect(await redis.exists(keys.dead, keys.lastSigns)).toBe(2);
    const claimed = await reap(b, 'a');
    if (claimed.is !== 'mine') throw new Error(claimed.is);
    await write(b, { state: 'ending', generation: claimed.generation });
    await b.records.forgetNode(b.lease, 'a');
    expect(await redis.exists(keys.dead, keys.lastSigns)).toBe(0);
    expect((await b.lease.renew()).due).toEqual([]);
  });

  it('is given up by a node that stops, and those of its clients that go nowhere are ended', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await write(a);
    await a.lease.retire(0);
    expect(a.lease.holds).toBe(false);
    expect(await redis.hgetall(keys.about)).not.toHaveProperty('a');
    expect(await redis.hgetall(keys.terms)).toEqual({ b: '1' });
    expect((await b.lease.renew()).due).toEqual(['a']);
    const [[seconds], claimed] = [await redis.time(), await reap(b, 'a')];
    if (claimed.is !== 'mine') throw new Error(claimed.is);
    expect(claimed.lostAt).toBeGreaterThan(Date.parse('2020-01-01'));
    expect(claimed.lostAt).toBeLessThan((Number(seconds) + 1) * 1_000);
  });

  it('is given up by a node that stops, whose clients have a while', async () => {
    const [a, b] = [await started('a'), await started('b')];
    await write(a);
    const before = Date.now();
    await a.lease.retire(3_000);
    expect(Number(await redis.zscore(keys.lastSigns, 'a'))).toBeGreaterThanOrEqual(before);
    const { due, dueIn } = await b.lease.renew();
    expect(due).toEqual([]);
    expect(dueIn).toBeGreaterThan(0);
    expect(dueIn).toBeLessThanOrEqual(3_000);
    expect(await adopt(b, await seenBy(b))).toMatchObject({ is: 'mine' });
  });

  it('is given up by a node without clients, of which nothing is left', async () => {
    const a = await started('a');
    await a.lease.retire(3_000);
    expect(await redis.exists(keys.nodes, keys.about, keys.terms, keys.dead, keys.lastSigns)).toBe(0);
  });
});

function renewRaw(node: string, { term, isFirst = 0 }: { term: number; isFirst?: number }) {
  const { nodes, about, terms, dead, epoch, lastSigns } = keys;
  return scripts.renew(
    redis,
    [nodes, about, terms, dead, epoch, lastSigns, keys.clientsOf(node)],
    [node, LEASE_MS, '{}', term, isFirst, 1, ADOPTION_GRACE_MS],
  );
}
