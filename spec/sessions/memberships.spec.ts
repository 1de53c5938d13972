/**
 * What the steps of sessions do to identities, memberships and visibility, one by one, on a real Redis with two partitions: what comes
 * late, twice, or from two nodes at once.
 */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../src/engine/client.js';
import { RedisStore } from '../../src/presence/redis-store.js';
import { RedisHub } from '../../src/redis/hub.js';
import { Keys } from '../../src/redis/keys.js';
import { Partitions } from '../../src/redis/partitions.js';
import { Lease } from '../../src/sessions/redis/lease.js';
import { SessionKeys } from '../../src/sessions/redis/session-keys.js';
import {
  type ElsewhereStep,
  SessionRecords,
  type Written,
} from '../../src/sessions/redis/session-records.js';
import { Session, type Stay } from '../../src/sessions/session.js';
import { ADOPTION_GRACE_MS, LEASE_MS, STABLE_MS, TOMBSTONE_MS } from '../../src/timings.js';
import { epochLook } from '../support/epoch-look.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

interface Node {
  name: string;
  leases: Lease[];
  records: SessionRecords;
}

const partitions = new Partitions('faye', 2);
const own = partitions.of('c1');
const other = 1 - own;
const rooms = ['/a', '/b', '/c', '/d', '/e', '/f', '/g', '/h'];
/** In the partition of the client, and in the other one. */
const [here, hereToo] = rooms.filter((room) => partitions.of(room) === own) as [string, string];
const [there, thereToo] = rooms.filter((room) => partitions.of(room) === other) as [string, string];
const channelKeys = partitions.namespaces.map((namespace) => new Keys(namespace));
const sessionKeys = partitions.namespaces.map((namespace) => new SessionKeys(namespace));
const keys = sessionKeys[own] as SessionKeys;
const record = keys.client('c1');

const ann = { uid: 1, uname: 'Ann' };
const anne = { uid: 1, uname: 'Anne' };
const bob = { uid: 'b', uname: 'Bob' };
const WINDOW = { base: 20, perUser: 1, max: 60 };
const DUE_MS = 21;
const AWAY = 'asked now';

let server: RedisServer;
let redis: Redis;
let hub: RedisHub;
let a: Node;
let b: Node;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = new Redis(server.url);
  hub = new RedisHub({ source: server.url, partitions: () => partitions, log: silent });
  await until(() => hub.redis.commands.status === 'ready', 'the connection');
});
beforeEach(async () => {
  [a, b] = [await started('a'), await started('b')];
  for (const { journal } of channelKeys) await redis.xgroup('CREATE', journal, 'sql', '$', 'MKSTREAM');
});
afterEach(() => redis.flushall());
afterAll(async () => {
  redis.disconnect();
  hub.close();
  await server.dispose();
});

function nodeOf(name: string, leases: Lease[]): Node {
  const settings = () => [WINDOW.base, WINDOW.perUser, WINDOW.max, 1_000] as const;
  const leaseOf = (id: string) => leases[partitions.of(id)] as Lease;
  return { name, leases, records: new SessionRecords({ hub, node: name, leaseOf, settings }) };
}

/** By how many milliseconds the clocks of leases are ahead. */
let ahead = 0;

async function started(name: string): Promise<Node> {
  const now = () => performance.now() + ahead;
  const leases = sessionKeys.map(
    (its) => new Lease(redis, its, epochLook(redis, its.epoch), name, () => ({}), now),
  );
  const node = nodeOf(name, leases);
  await renew(node);
  return node;
}

async function renew({ leases }: Node): Promise<void> {
  for (const lease of leases) await lease.renew();
}

/** The node goes on in another term. What the one that is returned sends, it has sent in the term before: it lands late. */
async function goesOn({ name, leases }: Node): Promise<Node> {
  const terms = leases.map(({ term }) => term);
  for (const lease of leases) lease.raiseTerm();
  for (const lease of leases) await lease.renew();
  return nodeOf(
    name,
    leases.map((lease, index) => Object.create(lease, { term: { value: terms[index] } }) as Lease),
  );
}

/** The node has died, and its clients are to be ended. */
async function dies({ name }: Node, by: Node): Promise<void> {
  for (const { nodes } of sessionKeys)
    await redis.zincrby(nodes, -(LEASE_MS + ADOPTION_GRACE_MS + 1_000), name);
  ahead += STABLE_MS;
  for (const lease of by.leases) expect((await lease.renew()).due).toContain(name);
}

/** A new epoch of a partition, which the nodes know, and in which nodes still write their clients again. */
async function newEpoch(partition: number, ...nodes: Node[]): Promise<void> {
  await redis.hset((sessionKeys[partition] as SessionKeys).epoch, 'run_id', 'of another Redis');
  for (const { leases } of nodes) expect((await leases[partition]?.renew())?.isNewEpoch).toBe(true);
}

const settles = (partition: number) => redis.hset((channelKeys[partition] as Keys).epoch, 'quiet', 0);

type Of = Partial<Omit<Session, 'mark' | 'suspect'>> & { stays?: ReadonlyMap<string, Stay> };

function session({ state = 'owned', ...of }: Of = {}, id = 'c1'): Session {
  const client = { id, channels: new Set() } as unknown as Client;
  const identity = state === 'owned' ? ann : null;
  return Object.assign(new Session(id, state, client), { identity, enteredAs: ann, ...of });
}

async function write({ records }: Node, of: Of = {}, id = 'c1'): Promise<Written> {
  const answer = await records.write(session(of, id));
  if (answer.is !== 'written') throw new Error(`Expected it to be written, was ${answer.is}`);
  return answer;
}

const refused = ({ records }: Node, of: Of = {}) => records.write(session(of));

type Do = Partial<ElsewhereStep> & { generation?: number };

/** In the other partition. */
function change(node: Node, step: Do, of: Of = {}, id = 'c1') {
  const { generation = 1, ...rest } = step;
  const all = { revision: 1, identity: ann, isRenamed: false, ins: [], outs: [], ...rest };
  return node.records.change(session({ generation, ...of }, id), node.leases[other] as Lease, all);
}

async function changesOf(node: Node, step: Do, of: Of = {}, id = 'c1') {
  const answer = await change(node, step, of, id);
  if (answer.is !== 'ok') throw new Error(`Expected it to be done, was ${answer.is}`);
  return answer.changes;
}

const keysOf = (channel: string) => channelKeys[partitions.of(channel)] as Keys;

/** Who is in a channel, oldest first: uid, name, and clients. */
async function members(channel: string): Promise<[uid: string, uname: string, ...clientIds: string[]][]> {
  const { order, users, uidToClientIds } = keysOf(channel);
  const uids = await redis.zrange(order(channel), '0', '-1');
  return Promise.all(
    uids.map(async (uid) => [
      uid,
      JSON.parse((await redis.hget(users(channel), uid)) ?? '{}').uname,
      ...JSON.parse((await redis.hget(uidToClientIds(channel), uid)) ?? '[]'),
    ]),
  );
}

const pending = async (channel: string) =>
  (await redis.lrange(keysOf(channel).pending(channel), 0, -1)).map((change) => change[0]);

interface Entry {
  said: string;
  at: number;
}

/** What the journals have got since they were read last. */
async function journalled(): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const { journal } of channelKeys) {
    for (const [id, fields] of await redis.xrange(journal, '-', '+')) {
      const field = Object.fromEntries(
        Array.from({ length: fields.length / 2 }, (_, index) => [fields[2 * index], fields[2 * index + 1]]),
      );
      const { type, uid, clientId, channel, transition, at } = field;
      const kind = channel === undefined ? '' : ` ${channel} ${transition === '1' ? 'changed' : 'same'}`;
      entries.push({ said: `${type} ${uid} ${clientId}${kind}`, at: Number(at) });
      await redis.xdel(journal, id);
    }
  }
  return entries;
}

const said = async () => (await journalled()).map((entry) => entry.said);

async function kept(node = b) {
  const location = await node.records.locate('c1');
  if (!location) throw new Error('Expected a record');
  return location;
}

const stayOf = async (channel: string) => (await kept()).stays.get(channel);

/** Everything but what each step reads. */
async function everything(): Promise<Map<string, unknown>> {
  const found = (await redis.keys('*')).filter((key) => !/\/(epoch|nodes.*|journal)$/.test(key)).sort();
  const value = async (key: string): Promise<unknown> => {
    const type = await redis.type(key);
    if (type === 'hash') return redis.hgetall(key);
    if (type === 'zset') return redis.zrange(key, '0', '-1', 'WITHSCORES');
    if (type === 'list') return redis.lrange(key, 0, -1);
    return type === 'set' ? redis.smembers(key) : redis.get(key);
  };
  return new Map(await Promise.all(found.map(async (key) => [key, await value(key)] as const)));
}

/** Nothing of what may be seen is changed by it. */
async function changesNothing(step: () => Promise<unknown>): Promise<void> {
  await journalled();
  const before = await everything();
  await step();
  expect(await everything()).toEqual(before);
  expect(await said()).toEqual([]);
}

/** One of its keys is gone. */
const isHalfLost = (channel: string) => redis.del(keysOf(channel).users(channel));

describe('an identity', () => {
  it('is in the record, for other nodes and for the one that claims the client', async () => {
    const identity = { ...ann, channels: [], roles: ['x'], deep: { empty: [], n: 1.5 } };
    await write(a, { identity });
    const seen = await kept();
    expect(seen.identity).toEqual(identity);
    expect(await b.records.claim('c1', 'adopt', { seen })).toMatchObject({ is: 'mine', identity });
    expect(await kept(a)).toMatchObject({ node: 'b', identity });
  });

  it('is replaced by a newer one', async () => {
    await write(a);
    await write(a, { revision: 2, identity: { ...anne, expiresAt: 12 } });
    expect((await kept()).identity).toEqual({ ...anne, expiresAt: 12 });
  });

  it('goes where the client is anonymous again', async () => {
    await write(a);
    await write(a, { revision: 2, identity: null });
    expect((await kept()).identity).toBeNull();
    for (const field of ['identity', 'uid', 'user']) expect(await redis.hexists(record, field)).toBe(0);
  });

  it('stays until the channels of other partitions are left', async () => {
    await write(a, { channels: [there] });
    await write(a, { revision: 2, identity: null });
    expect((await kept()).identity).toEqual(ann);
    await write(a, { revision: 3, identity: null, left: [there] });
    expect((await kept()).identity).toBeNull();
  });

  it('is not changed by a write that is refused', async () => {
    await write(a, { revision: 3 });
    await changesNothing(() => refused(a, { revision: 2, identity: anne }));
    await changesNothing(() => refused(b, { identity: anne }));
  });
});

describe('a write of channels of its own partition', () => {
  it('enters them', async () => {
    const before = Date.now();
    const { changes } = await write(a, { channels: [here] });
    const [{ since, came, ...rest } = { since: '', came: 0 }] = changes;
    const epoch = a.leases[own]?.epoch;
    expect(rest).toEqual({ channel: here, isIn: true, changed: true, dueIn: DUE_MS, epoch });
    expect(since).toMatch(/^\d{16}$/);
    expect([came]).toEqual((await journalled()).map(({ at }) => at));
    expect(came).toBeGreaterThanOrEqual(before);
    expect(await members(here)).toEqual([['1', 'Ann', 'c1']]);
    expect(await pending(here)).toEqual(['j']);
    expect(await stayOf(here)).toEqual({ since, came, epoch, isEntered: true, isLeft: false });
  });

  it('makes no join of a further client of the user', async () => {
    const [first] = (await write(a, { channels: [here] })).changes;
    const id = ['c2', 'c3', 'c4', 'c5'].find((each) => partitions.of(each) === own) as string;
    const [second] = (await write(b, { channels: [here] }, id)).changes;
    expect(second).toMatchObject({ isIn: true, changed: false, dueIn: null, since: first?.since });
    expect(second?.came).toBeGreaterThan(0);
    expect(await members(here)).toEqual([['1', 'Ann', 'c1', id]]);
    expect(await said()).toEqual([`in 1 c1 ${here} changed`, `in 1 ${id} ${here} same`]);
    const [left] = (await write(a, { revision: 2 })).changes;
    expect(left).toMatchObject({ isIn: false, changed: false, dueIn: null });
    expect(await said()).toEqual([`out 1 c1 ${here} same`]);
  });

  it('changes nothing where the client is in them, and knows since when', async () => {
    const [first] = (await write(a, { channels: [here] })).changes;
    for (const stays of [new Map(), (await kept()).stays]) {
      await journalled();
      const { changes } = await write(a, { revision: 2, channels: [here], stays });
      expect(changes).toEqual([{ ...first, changed: false, dueIn: null }]);
    }
    expect(await stayOf(here)).toMatchObject({ since: first?.since, came: first?.came });
    expect(await members(here)).toEqual([['1', 'Ann', 'c1']]);
    expect(await said()).toEqual([]);
  });

  it('may be repeated', async () => {
    await write(a, { channels: [here, hereToo] });
    await changesNothing(() => write(a, { channels: [here, hereToo] }));
    await changesNothing(() => write(a, { channels: [here, hereToo], suspectedAt: 1 }));
  });

  it('leaves those that it does not name any more', async () => {
    await write(a, { channels: [here] });
    await journalled();
    const { changes } = await write(a, { revision: 2, channels: [hereToo] });
    expect(changes).toMatchObject([
      { channel: here, isIn: false, changed: true, dueIn: null },
      { channel: hereToo, isIn: true, changed: true, dueIn: DUE_MS },
    ]);
    expect([await members(here), await members(hereToo)]).toEqual([[], [['1', 'Ann', 'c1']]]);
    expect(await pending(here)).toEqual(['j', 'l']);
    expect([...(await kept()).stays.keys()]).toEqual([hereToo]);
    expect(await said()).toEqual([`out 1 c1 ${here} changed`, `in 1 c1 ${hereToo} changed`]);
  });

  it('leaves all of a client that ends', async () => {
    await write(a, { channels: [here, hereToo] });
    await journalled();
    const { changes, isOver } = await write(a, { revision: 2, state: 'ending' });
    expect([changes.length, isOver]).toEqual([2, true]);
    expect([await members(here), await members(hereToo)]).toEqual([[], []]);
    expect((await said()).sort()).toEqual([`out 1 c1 ${here} changed`, `out 1 c1 ${hereToo} changed`].sort());
    expect(await redis.exists(record)).toBe(0);
  });

  it('leaves them at the last sign of life of the node that died with the client', async () => {
    await write(a, { channels: [here] });
    await journalled();
    await dies(a, b);
    const claimed = await b.records.claim('c1', 'reap', { dead: 'a' });
    if (claimed.is !== 'mine') throw new Error(claimed.is);
    expect(await members(here)).toEqual([['1', 'Ann', 'c1']]);
    const { generation, lostAt } = claimed;
    await write(b, { ...claimed, generation, state: 'ending' });
    expect(await journalled()).toEqual([{ said: `out 1 c1 ${here} changed`, at: lostAt }]);
    expect(lostAt).toBeLessThan(Date.now() - ADOPTION_GRACE_MS);
  });

  it('enters again what is missing there, where the session is suspect', async () => {
    await write(a, { channels: [here] });
    const { stays } = await kept();
    await journalled();
    const { uidToClientIds, users, order, state, pending, dirty } = keysOf(here);
    await redis.del(uidToClientIds(here), users(here), order(here), state(here), pending(here), dirty);
    await write(a, { revision: 2, channels: [here], stays });
    expect(await members(here)).toEqual([]);
    const { changes } = await write(a, { revision: 3, channels: [here], stays, suspectedAt: 3 });
    // Nobody had lost anything: who is missing there has left.
    expect(changes).toMatchObject([{ channel: here, isIn: true, changed: true, came: expect.any(Number) }]);
    expect(await members(here)).toEqual([['1', 'Ann', 'c1']]);
    expect(await said()).toEqual([`in 1 c1 ${here} changed`]);
  });

  it('goes on with a stay of an earlier epoch, which is not put into the journal', async () => {
    const [first] = (await write(a, { channels: [here] })).changes;
    const { stays } = await kept();
    await redis.flushall();
    for (const { journal } of channelKeys) await redis.xgroup('CREATE', journal, 'sql', '$', 'MKSTREAM');
    await renew(a);
    await renew(b);
    const { changes } = await write(a, { revision: 2, channels: [here], stays, suspectedAt: 2 });
    expect(changes).toMatchObject([{ isIn: true, changed: true, came: null, since: first?.since }]);
    const epoch = a.leases[own]?.epoch;
    expect(await stayOf(here)).toMatchObject({ since: first?.since, came: first?.came, epoch });
    expect(await said()).toEqual([]);
    await settles(own);
    await write(a, { revision: 3 });
    expect(await said()).toEqual([`out 1 c1 ${here} changed`]);
  });

  const stayed = (since: string): Of => ({
    channels: [here],
    stays: new Map([[here, { since, came: 1, epoch: 'an earlier one', isEntered: true, isLeft: false }]]),
    suspectedAt: 1,
  });
  const earlier = (since = '', by = 1): string => String(Number(since) - by);
  const ids = ['c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9'].filter((each) => partitions.of(each) === own);

  it('has a stay of an earlier epoch in its place, by the earliest of the clients', async () => {
    const [c2 = '', c3 = ''] = ids;
    const [first] = (await write(a, { channels: [here], identity: bob }, c2)).changes;
    await write(a, { channels: [here] }, c3);
    expect((await members(here)).map(([uid]) => uid)).toEqual(['b', '1']);
    const since = earlier(first?.since);
    expect((await write(a, stayed(since))).changes).toMatchObject([{ changed: false, since }]);
    expect((await members(here)).map(([uid]) => uid)).toEqual(['1', 'b']);
    await write(a, { ...stayed(earlier(first?.since, -1)), revision: 2 });
    expect((await members(here)).map(([uid]) => uid)).toEqual(['1', 'b']);
  });

  it('leaves the order as it was announced, also where a stay turns out to be older', async () => {
    const [c2 = '', c3 = ''] = ids;
    const [first] = (await write(a, { channels: [here], identity: bob }, c2)).changes;
    const [second] = (await write(a, { channels: [here] }, c3)).changes;
    const { pending: list, dirty } = keysOf(here);
    await redis.del(list(here));
    await redis.zrem(dirty, here);
    const { changes } = await write(a, stayed(earlier(first?.since)));
    expect(changes).toMatchObject([{ changed: false, dueIn: null, since: second?.since }]);
    expect((await members(here)).map(([uid]) => uid)).toEqual(['b', '1']);
    expect(await pending(here)).toEqual([]);
  });

  it('shows another name of the user, and puts nothing into the journal', async () => {
    await write(a, { channels: [here] });
    await journalled();
    const { changes } = await write(a, { revision: 2, channels: [here], identity: anne });
    expect(changes).toMatchObject([{ isIn: true, changed: false, came: null }]);
    expect(await members(here)).toEqual([['1', 'Anne', 'c1']]);
    expect(await pending(here)).toEqual(['j', 'l', 'j']);
    expect((await stayOf(here))?.came).toBeGreaterThan(0);
    expect(await said()).toEqual([]);
  });

  it('takes the client of another user out before it enters', async () => {
    await write(a, { channels: [here] });
    await journalled();
    await write(a, { revision: 2, channels: [here, hereToo], identity: bob });
    for (const channel of [here, hereToo]) expect(await members(channel)).toEqual([['b', 'Bob', 'c1']]);
    expect((await said()).sort()).toEqual(
      [`out 1 c1 ${here} changed`, `in b c1 ${here} changed`, `in b c1 ${hereToo} changed`].sort(),
    );
  });

  it.each([
    ['to be entered', { channels: [here, hereToo] }],
    ['to be left', { channels: [here] }],
  ])('is too early, and does nothing, where a part of a channel is missing that is %s', async (_, of) => {
    const [c2 = ''] = ids;
    await write(a, { channels: [hereToo] });
    await write(a, { channels: [hereToo] }, c2);
    const entered = of.channels.includes(hereToo) ? await write(a, { revision: 2 }) : undefined;
    expect(entered?.changes).toEqual(entered && [expect.objectContaining({ isIn: false })]);
    await isHalfLost(hereToo);
    await journalled();
    const before = await redis.hgetall(record);
    await expect(refused(a, { revision: 3, ...of })).rejects.toThrow(AWAY);
    expect(await redis.hgetall(record)).toEqual(before);
    expect(await members(here)).toEqual([]);
    expect(await said()).toEqual([]);
    // It looks as all data of the partition were lost: the next look begins an epoch.
    expect(await redis.hexists(keys.epoch, 'id')).toBe(0);
  });

  it('changes nothing where it is refused', async () => {
    await write(a, { generation: 2, revision: 3, channels: [here] });
    for (const of of [{ generation: 1 }, { generation: 2, revision: 2 }]) {
      await changesNothing(() => refused(a, { ...of, channels: [hereToo] }));
      await changesNothing(() => refused(a, { ...of, state: 'ending' }));
    }
    await changesNothing(() => refused(b, { generation: 2, revision: 9, channels: [hereToo] }));
  });

  it('changes nothing where it lands late', async () => {
    await write(a, { channels: [here] });
    const late = await goesOn(a);
    await write(a, { revision: 2 });
    await changesNothing(() => expect(write(late, { channels: [here] })).rejects.toThrow(AWAY));
  });

  it('makes what another node had in an earlier generation what this one has', async () => {
    await write(b, { channels: [here] });
    await journalled();
    await write(a, { generation: 2, channels: [hereToo] });
    expect([await members(here), await members(hereToo)]).toEqual([[], [['1', 'Ann', 'c1']]]);
    expect(await said()).toEqual([`out 1 c1 ${here} changed`, `in 1 c1 ${hereToo} changed`]);
  });

  it('enters nothing of a client that has ended', async () => {
    await write(a, { channels: [here] });
    await write(a, { revision: 2, state: 'ending' });
    const written = a.leases[own]?.epoch ?? '';
    await changesNothing(() => refused(a, { revision: 3, channels: [here], written }));
  });

  it('leaves nothing, at an end, while the nodes write their clients again', async () => {
    await write(a, { channels: [here] });
    await newEpoch(own, a);
    await changesNothing(() => expect(write(a, { revision: 2, state: 'ending' })).rejects.toThrow(AWAY));
    await settles(own);
    expect((await write(a, { revision: 2, state: 'ending' })).isOver).toBe(true);
    expect(await members(here)).toEqual([]);
  });

  it('has all channels looked through where the record alone is lost', async () => {
    await write(a, { channels: [here] });
    const written = a.leases[own]?.epoch ?? '';
    await redis.hset(keys.epoch, 'swept', written);
    await redis.del(record);
    expect(await refused(a, { revision: 2, written })).toMatchObject({ recorded: { is: 'absent' } });
    expect(await redis.hexists(keys.epoch, 'swept')).toBe(0);
    // Of one that has ended there is nothing left anywhere.
    await redis.hset(keys.epoch, 'swept', written);
    expect(await refused(a, { revision: 2, written })).toMatchObject({ recorded: { is: 'absent' } });
    expect(await redis.hexists(keys.epoch, 'swept')).toBe(1);
  });
});

describe('a write of channels of another partition', () => {
  it('names them in the record, and enters none', async () => {
    expect(await write(a, { channels: [there, here] })).toMatchObject({
      changes: [{ channel: here }],
      outs: [],
    });
    expect(await members(there)).toEqual([]);
    expect(await stayOf(there)).toEqual({
      since: '',
      came: null,
      epoch: '',
      isEntered: false,
      isLeft: false,
    });
    expect(await said()).toEqual([`in 1 c1 ${here} changed`]);
  });

  it('keeps what is known of a stay there', async () => {
    const stay = {
      since: '1700000000000001',
      came: 1_700_000_000_000,
      epoch: 'e1',
      isEntered: true,
      isLeft: false,
    };
    await write(a, { channels: [there], stays: new Map([[there, stay]]) });
    expect(await stayOf(there)).toEqual({ ...stay, isEntered: false });
    await write(a, { revision: 2, channels: [there] });
    expect(await stayOf(there)).toEqual({ ...stay, isEntered: false });
  });

  it('names one that is to be left until it says that it is', async () => {
    await write(a, { channels: [there, thereToo] });
    for (const revision of [2, 3]) {
      expect((await write(a, { revision, channels: [thereToo] })).outs).toEqual([there]);
      expect((await stayOf(there))?.isLeft).toBe(true);
      expect((await stayOf(thereToo))?.isLeft).toBe(false);
    }
    expect((await write(a, { revision: 4, channels: [thereToo], left: [there] })).outs).toEqual([]);
    expect([...(await kept()).stays.keys()]).toEqual([thereToo]);
  });

  it('enters one again that it was to leave', async () => {
    await write(a, { channels: [there] });
    await write(a, { revision: 2 });
    expect((await write(a, { revision: 3, channels: [there] })).outs).toEqual([]);
    expect(await stayOf(there)).toMatchObject({ isEntered: false, isLeft: false });
  });

  it('keeps one that it has left and enters again', async () => {
    await write(a, { channels: [there] });
    await write(a, { revision: 2 });
    expect((await write(a, { revision: 3, channels: [there], left: [there] })).outs).toEqual([]);
    expect([...(await kept()).stays.keys()]).toEqual([there]);
  });

  it('is what a node finds that claims the client', async () => {
    await write(a, { channels: [here, there, thereToo] });
    await write(a, { revision: 2, channels: [here, there] });
    const claimed = await b.records.claim('c1', 'adopt', { seen: await kept() });
    if (claimed.is !== 'mine') throw new Error(claimed.is);
    const stay = (channel: string) => claimed.stays.get(channel);
    expect(claimed.stays.size).toBe(3);
    expect(stay(here)).toMatchObject({ isEntered: true, isLeft: false });
    expect(stay(there)).toMatchObject({ isEntered: false, isLeft: false });
    expect(stay(thereToo)).toMatchObject({ isEntered: false, isLeft: true });
  });
});

describe('a visibility', () => {
  const HIDDEN = { hidden: true, since: 0 };
  const SHOWN = { hidden: false, since: 0 };
  /** Later than any time. */
  const FAR = 9_000_000_000_000;

  it('is in the record since when it was said, and in the journal', async () => {
    const before = Date.now();
    const { visibleSince } = await write(a, { visibility: HIDDEN });
    expect(visibleSince).toBeGreaterThanOrEqual(before);
    expect(visibleSince).toBeLessThanOrEqual(Date.now());
    expect((await kept()).visibility).toEqual({ hidden: true, since: visibleSince });
    expect(await journalled()).toEqual([{ said: 'hidden 1 c1', at: visibleSince }]);
    expect(await b.records.claim('c1', 'end')).toMatchObject({
      visibility: { hidden: true, since: visibleSince },
    });
  });

  it('is there of a client that has said that it is shown, and not of one that has said nothing', async () => {
    expect((await write(a)).visibleSince).toBe(0);
    expect((await kept()).visibility).toBeNull();
    const { visibleSince } = await write(a, { revision: 2, visibility: SHOWN });
    expect(await journalled()).toEqual([{ said: 'shown 1 c1', at: visibleSince }]);
  });

  it('changes nothing where it is said again', async () => {
    const { visibleSince: since } = await write(a, { visibility: HIDDEN });
    await journalled();
    for (const visibility of [HIDDEN, { hidden: true, since }])
      expect((await write(a, { revision: 2, visibility })).visibleSince).toBe(since);
    expect((await kept()).visibility).toEqual({ hidden: true, since });
    expect(await said()).toEqual([]);
  });

  it('is later with each change, whatever the clock does', async () => {
    await write(a, { visibility: { hidden: true, since: FAR } });
    expect((await write(a, { revision: 2, visibility: SHOWN })).visibleSince).toBe(FAR + 1);
    expect((await write(a, { revision: 3, visibility: HIDDEN })).visibleSince).toBe(FAR + 2);
    expect((await journalled()).map(({ at }) => at)).toEqual([FAR, FAR + 1, FAR + 2]);
  });

  it('is put into the journal again, with its time, where it was lost', async () => {
    const visibility = { hidden: true, since: 1_700_000_000_000 };
    await write(a, { visibility });
    await redis.del(record);
    await journalled();
    expect((await write(a, { revision: 2, visibility })).visibleSince).toBe(visibility.since);
    expect(await journalled()).toEqual([{ said: 'hidden 1 c1', at: visibility.since }]);
    expect((await kept()).visibility).toEqual(visibility);
  });

  it('of an earlier time changes nothing', async () => {
    const visibility = { hidden: true, since: 1_700_000_000_000 };
    await write(a, { visibility });
    await journalled();
    for (const earlier of [0, 1])
      await write(a, { revision: 2, visibility: { hidden: false, since: visibility.since - earlier } });
    expect((await kept()).visibility).toEqual(visibility);
    expect(await said()).toEqual([]);
  });

  it('is not changed by a write that is refused, or too early', async () => {
    await write(a, { revision: 3, channels: [here], visibility: HIDDEN });
    await changesNothing(() => refused(a, { revision: 2, visibility: SHOWN }));
    await changesNothing(() => refused(b, { visibility: SHOWN }));
    await newEpoch(own, a);
    await changesNothing(() =>
      expect(write(a, { revision: 4, state: 'ending', visibility: SHOWN })).rejects.toThrow(AWAY),
    );
  });

  it('goes where the client is anonymous again', async () => {
    await write(a, { visibility: HIDDEN });
    await journalled();
    await write(a, { revision: 2, identity: null });
    expect((await kept()).visibility).toBeNull();
    expect(await said()).toEqual([]);
  });

  it('is put into the journal that it had at its end', async () => {
    await write(a);
    await write(a, { revision: 2, state: 'ending', identity: ann, visibility: HIDDEN });
    expect(await said()).toEqual(['hidden 1 c1']);
    expect(await redis.exists(record)).toBe(0);
  });
});

describe('a step in another partition', () => {
  const rows = (channel: string) => redis.hgetall(keysOf(channel).rows(channel));
  const left = (channel: string) => redis.hgetall(keysOf(channel).left(channel));

  it('enters', async () => {
    const [entered] = await changesOf(a, { ins: [there], revision: 3 });
    expect(entered).toMatchObject({ channel: there, isIn: true, changed: true, dueIn: DUE_MS });
    expect(await members(there)).toEqual([['1', 'Ann', 'c1']]);
    expect([await rows(there), await left(there)]).toEqual([{ c1: '1 3' }, {}]);
    expect(await journalled()).toEqual([{ said: `in 1 c1 ${there} changed`, at: entered?.came }]);
  });

  it('says in which epoch that was', async () => {
    const epoch = a.leases[other]?.epoch;
    expect(await change(a, { ins: [there] })).toMatchObject({ is: 'ok', epoch });
    expect(epoch).not.toBe(a.leases[own]?.epoch);
  });

  it('leaves, and knows for a while that the client has', async () => {
    await changesOf(a, { ins: [there], revision: 3 });
    await journalled();
    const before = Date.now();
    const changes = await changesOf(a, { outs: [there], revision: 4 });
    expect(changes).toMatchObject([{ channel: there, isIn: false, changed: true, dueIn: null }]);
    expect(await members(there)).toEqual([]);
    expect(await rows(there)).toEqual({});
    const [generation, revision, until] = String((await left(there)).c1)
      .split(' ')
      .map(Number);
    expect([generation, revision]).toEqual([1, 4]);
    expect(until).toBeGreaterThanOrEqual(before + TOMBSTONE_MS);
    const ttl = await redis.pttl(keysOf(there).left(there));
    expect([ttl > 0, ttl <= TOMBSTONE_MS]).toEqual([true, true]);
    expect(await said()).toEqual([`out 1 c1 ${there} changed`]);
  });

  it('leaves and enters at once', async () => {
    await changesOf(a, { ins: [there] });
    const changes = await changesOf(a, { revision: 2, outs: [there], ins: [thereToo] });
    expect(changes.map(({ channel, isIn }) => [channel, isIn])).toEqual([
      [there, false],
      [thereToo, true],
    ]);
    expect([await members(there), await members(thereToo)]).toEqual([[], [['1', 'Ann', 'c1']]]);
  });

  it('may be repeated', async () => {
    await changesOf(a, { ins: [there] });
    await journalled();
    expect(await changesOf(a, { ins: [there] })).toMatchObject([{ changed: false, dueIn: null, came: null }]);
    expect(await said()).toEqual([]);
    await changesOf(a, { revision: 2, outs: [there] });
    await journalled();
    expect(await changesOf(a, { revision: 2, outs: [there] })).toMatchObject([
      { isIn: false, changed: false, dueIn: null },
    ]);
    expect([await members(there), await said()]).toEqual([[], []]);
  });

  it('may be repeated in a later revision', async () => {
    const [first] = await changesOf(a, { ins: [there] });
    await journalled();
    const [again] = await changesOf(a, { generation: 2, revision: 0, ins: [there] });
    expect(again).toMatchObject({ changed: false, came: null, since: first?.since });
    expect(await rows(there)).toEqual({ c1: '2 0' });
    expect(await said()).toEqual([]);
  });

  it('that is older than an enter does not enter, and names its generation', async () => {
    await changesOf(b, { generation: 2, revision: 0, ins: [there] });
    await changesNothing(async () =>
      expect(await change(a, { revision: 9, ins: [there] })).toEqual({ is: 'stale', generation: 2 }),
    );
    await changesNothing(async () =>
      expect(await change(a, { generation: 2, revision: -1, ins: [there] })).toMatchObject({ is: 'stale' }),
    );
  });

  it('that is older than an enter does not leave', async () => {
    await changesOf(b, { generation: 2, revision: 0, ins: [there] });
    await changesNothing(async () => expect(await changesOf(a, { revision: 9, outs: [there] })).toEqual([]));
    expect(await members(there)).toEqual([['1', 'Ann', 'c1']]);
  });

  it.each([
    ['older than', { generation: 1, revision: 9 }],
    ['of the revision of', { generation: 2, revision: 5 }],
  ])('that is %s a leave does not enter', async (_, late) => {
    await changesOf(a, { ins: [there] });
    await changesOf(b, { generation: 2, revision: 5, outs: [there] });
    await changesNothing(async () =>
      expect(await change(a, { ...late, ins: [there] })).toEqual({ is: 'stale', generation: 2 }),
    );
    expect(await changesOf(b, { generation: 2, revision: 6, ins: [there] })).toMatchObject([
      { isIn: true, changed: true },
    ]);
    expect(await left(there)).toEqual({});
  });

  it('does not enter where a later one has left before: it lands late', async () => {
    expect(await changesOf(b, { generation: 2, revision: 5, outs: [there] })).toMatchObject([
      { isIn: false, changed: false },
    ]);
    await changesNothing(async () =>
      expect(await change(a, { ins: [there] })).toEqual({ is: 'stale', generation: 2 }),
    );
  });

  it('that is older than a leave does not forget it', async () => {
    await changesOf(b, { generation: 2, revision: 5, outs: [there] });
    await changesNothing(async () => expect(await changesOf(a, { outs: [there] })).toEqual([]));
  });

  it('enters where what is known of a leave is over', async () => {
    await changesOf(b, { generation: 2, revision: 5, outs: [there] });
    await redis.hset(keysOf(there).left(there), 'c1', `2 5 ${Date.now() - 1}`);
    expect(await changesOf(a, { ins: [there] })).toMatchObject([{ isIn: true, changed: true }]);
  });

  it('does nothing at all where one of its channels knows of a later one', async () => {
    await changesOf(a, { ins: [thereToo] });
    await changesOf(b, { generation: 2, ins: [there] });
    await changesNothing(async () =>
      expect(await change(a, { revision: 2, outs: [thereToo], ins: [there] })).toMatchObject({ is: 'stale' }),
    );
  });

  it('forgets the leaves that are over of a channel that many leave', async () => {
    const over = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, index) => [`old${index}`, `1 1 ${Date.now() - 1}`]),
    );
    await redis.hset(keysOf(there).left(there), over);
    await changesOf(a, { outs: [there] });
    expect(Object.keys(await left(there))).toEqual(['c1']);
  });

  it('leaves when the node that died with the client was last seen', async () => {
    await changesOf(a, { ins: [there] });
    await journalled();
    await changesOf(b, { generation: 2, outs: [there] }, { lostAt: 1_700_000_000_000 });
    expect(await journalled()).toEqual([{ said: `out 1 c1 ${there} changed`, at: 1_700_000_000_000 }]);
  });

  it('goes on with a stay of an earlier epoch, which is not put into the journal', async () => {
    const since = '1700000000000001';
    const stay = { since, came: 1, epoch: 'an earlier one', isEntered: true, isLeft: false };
    const [entered] = await changesOf(a, { ins: [there] }, { stays: new Map([[there, stay]]) });
    expect(entered).toMatchObject({ changed: true, since, came: null });
    expect(await said()).toEqual([]);
  });

  it('makes a new stay where the client is missing there in the epoch in which it had entered', async () => {
    const epoch = a.leases[other]?.epoch ?? '';
    const stay = { since: '1700000000000001', came: 1, epoch, isEntered: true, isLeft: false };
    const [entered] = await changesOf(a, { ins: [there] }, { stays: new Map([[there, stay]]) });
    expect(entered).toMatchObject({ changed: true, came: expect.any(Number) });
    expect(entered?.since).not.toBe(stay.since);
    expect(await said()).toEqual([`in 1 c1 ${there} changed`]);
  });

  it('shows another name of the user where it says that this is one', async () => {
    await changesOf(a, { ins: [there] });
    await changesOf(a, { revision: 2, ins: [there], identity: anne });
    expect(await members(there)).toEqual([['1', 'Ann', 'c1']]);
    await changesOf(a, { revision: 3, ins: [there], identity: anne, isRenamed: true });
    expect(await members(there)).toEqual([['1', 'Anne', 'c1']]);
    expect(await pending(there)).toEqual(['j', 'l', 'j']);
  });

  it('leaves as the one who has entered where the client is anonymous by now', async () => {
    await changesOf(a, { ins: [there] });
    await changesOf(a, { revision: 2, outs: [there], identity: null });
    expect(await members(there)).toEqual([]);
  });

  it.each([
    ['to enter', { ins: [thereToo, there] }],
    ['to leave', { ins: [thereToo], outs: [there] }],
  ])(
    'is too early, and does nothing, where a part of a channel is missing that it is %s',
    async (_, step) => {
      await changesOf(a, { ins: [there] });
      await changesOf(a, { ins: [there] }, {}, 'c2');
      await isHalfLost(there);
      await journalled();
      await expect(change(a, { revision: 2, ...step })).rejects.toThrow(AWAY);
      expect([await members(thereToo), await said()]).toEqual([[], []]);
      expect(await redis.hexists(keysOf(there).epoch, 'id')).toBe(0);
      await expect(change(a, { revision: 2, ins: [thereToo] })).rejects.toThrow(AWAY);
    },
  );

  it('that lands late does nothing', async () => {
    await changesOf(a, { ins: [there] });
    const late = await goesOn(a);
    await changesNothing(() => expect(change(late, { revision: 2, outs: [there] })).rejects.toThrow(AWAY));
    await changesNothing(() => expect(change(late, { revision: 2, ins: [thereToo] })).rejects.toThrow(AWAY));
  });

  it('of a node without a lease there does nothing', async () => {
    await redis.zrem((sessionKeys[other] as SessionKeys).nodes, 'a');
    await changesNothing(() => expect(change(a, { ins: [there] })).rejects.toThrow(AWAY));
  });
});

describe('a generation that is raised', () => {
  const raise = (node: Node, generation: number) =>
    node.records.claim('c1', 'raise', { seen: { generation } });
  const FAR = 9_000_000_000_000;

  it('is above the one that another partition knows, and the client stays as it is', async () => {
    await write(a, { channels: [here, there] });
    const claimed = await raise(a, FAR);
    expect(claimed).toMatchObject({ is: 'mine', generation: FAR + 1, identity: ann });
    expect(await kept()).toMatchObject({ node: 'a', generation: FAR + 1, revision: 0 });
    expect(await change(a, { generation: FAR + 1, ins: [there] })).toMatchObject({ is: 'ok' });
  });

  it('is that of the time, or the next, where that is above it', async () => {
    await write(a);
    const claimed = await raise(a, 1);
    if (claimed.is !== 'mine') throw new Error(claimed.is);
    expect(claimed.generation).toBeGreaterThan(Date.now() - 10_000);
    await write(a, { generation: FAR });
    expect(await raise(a, 1)).toMatchObject({ generation: FAR + 1 });
  });

  it('is none of a client that is elsewhere, or gone', async () => {
    await write(b);
    await changesNothing(async () => expect(await raise(a, 5)).toEqual({ is: 'changed' }));
    await write(b, { revision: 2, state: 'ending' });
    await changesNothing(async () => expect(await raise(a, 5)).toEqual({ is: 'changed' }));
  });

  it('does not end a client, and not bring back one that is ending', async () => {
    await write(a, { channels: [there] });
    await raise(a, 5);
    expect(await redis.hexists(record, 'state')).toBe(0);
    const { generation } = await kept();
    await write(a, { generation, revision: 2, state: 'ending' });
    await raise(a, 5);
    expect(await redis.hget(record, 'state')).toBe('ending');
  });

  it('waits until all nodes have written their clients, in a new epoch', async () => {
    await write(a);
    await newEpoch(own, a);
    await changesNothing(() => expect(raise(a, 5)).rejects.toThrow(AWAY));
  });
});

describe('to sweep a member', () => {
  let store: RedisStore;
  beforeEach(() => {
    store = new RedisStore({ hub, window: WINDOW, journalBound: 1_000, log: silent });
  });
  afterEach(() => store.close());

  const sweep = (channel: string, row = '', clientId = 'c1') =>
    store.upkeep.sweep({ channel, user: ann, clientId, row });
  const NOTHING = { changed: false, dueIn: null };

  it('takes out a client that is in the row that was read, in another partition', async () => {
    await changesOf(a, { ins: [there], revision: 3 });
    await journalled();
    expect(await sweep(there, '1 3')).toEqual({ changed: true, dueIn: null });
    expect(await members(there)).toEqual([]);
    expect(await redis.hgetall(keysOf(there).rows(there))).toEqual({});
    expect(await said()).toEqual([`out 1 c1 ${there} changed`]);
    expect(await sweep(there, '1 3')).toEqual(NOTHING);
  });

  it('takes out one that has no row there', async () => {
    await changesOf(a, { ins: [there] });
    await redis.del(keysOf(there).rows(there));
    expect(await sweep(there)).toMatchObject({ changed: true });
  });

  it('does nothing where the client has entered anew since', async () => {
    await changesOf(a, { ins: [there], revision: 3 });
    await changesOf(a, { ins: [there], revision: 4 });
    for (const row of ['1 3', ''])
      await changesNothing(async () => expect(await sweep(there, row)).toEqual(NOTHING));
  });

  it('takes out a client of its own partition whose record does not know of it', async () => {
    await write(a, { channels: [here, hereToo] });
    const stays = JSON.parse((await redis.hget(record, 'stays')) ?? '{}');
    await redis.hset(record, 'stays', JSON.stringify({ [hereToo]: stays[hereToo] }));
    await journalled();
    expect(await sweep(here)).toMatchObject({ changed: true });
    expect([await members(here), await said()]).toEqual([[], [`out 1 c1 ${here} changed`]]);
    await changesNothing(async () => expect(await sweep(hereToo)).toEqual(NOTHING));
  });

  it('takes out a client of its own partition that has no record', async () => {
    await write(a, { channels: [here] });
    await redis.del(record);
    expect(await sweep(here)).toMatchObject({ changed: true });
    expect(await members(here)).toEqual([]);
  });

  it('makes no leave of a user who has other clients there', async () => {
    await changesOf(a, { ins: [there] });
    await changesOf(a, { ins: [there] }, {}, 'c2');
    await journalled();
    expect(await sweep(there, '1 1')).toEqual(NOTHING);
    expect(await members(there)).toEqual([['1', 'Ann', 'c2']]);
    expect(await said()).toEqual([`out 1 c1 ${there} same`]);
  });

  it('says when the leave is due, where it is the first change', async () => {
    await changesOf(a, { ins: [there] });
    const { pending: list, dirty } = keysOf(there);
    await redis.del(list(there));
    await redis.zrem(dirty, there);
    expect(await sweep(there, '1 1')).toEqual({ changed: true, dueIn: WINDOW.base });
  });

  it('is too early where a part of the channel is missing, or no epoch has begun', async () => {
    await changesOf(a, { ins: [there] });
    await changesOf(a, { ins: [thereToo] });
    await isHalfLost(there);
    expect(await sweep(there, '1 1')).toEqual(NOTHING);
    await changesNothing(async () => expect(await sweep(thereToo, '1 1')).toEqual(NOTHING));
  });
});
