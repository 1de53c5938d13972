/** The atomic steps of clients and leases, one by one, on a real Redis: what comes late, twice, or from two nodes at once. */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EngineKeys } from '../../src/engine/redis/keys.js';
import { Lease } from '../../src/engine/redis/lease.js';
import { Records } from '../../src/engine/redis/records.js';
import { steps } from '../../src/engine/redis/scripts.js';
import { openRedis, type RedisConnections } from '../../src/redis/connection.js';
import { Partitions } from '../../src/redis/partitions.js';
import { ADOPTION_GRACE_MS, LEASE_MS, STABLE_MS } from '../../src/timings.js';
import { epochLook } from '../support/epoch-look.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

let server: RedisServer;
let redis: Redis;
let connections: RedisConnections;
let records: Records;
const keys = new EngineKeys('faye');

beforeAll(async () => {
  server = await RedisServer.start();
  redis = new Redis(server.url);
  connections = openRedis(server.url, silent);
  records = new Records(connections, new Partitions('faye', null));
  await until(() => connections.commands.status === 'ready', 'the connection');
});
afterEach(() => redis.flushall());
afterAll(async () => {
  redis.disconnect();
  connections.close();
  await server.dispose();
});

/** By how many milliseconds the clock of a lease is ahead. */
const ahead = new WeakMap<Lease, number>();

function leaseOf(node: string): Lease {
  const now = () => performance.now() + (ahead.get(lease) ?? 0);
  const lease: Lease = new Lease(redis, keys, epochLook(redis, keys.epoch), node, () => ({}), now);
  return lease;
}

/** Renewed for so long that with the next time it may judge others. */
async function held(node: string): Promise<Lease> {
  const lease = leaseOf(node);
  await lease.renew();
  isStable(lease);
  return lease;
}

function isStable(lease: Lease): void {
  ahead.set(lease, (ahead.get(lease) ?? 0) + STABLE_MS);
}

const saves = (lease: Lease, generation = 1, channels: string[] = [], round = lease.inRound) =>
  records.save('ann', lease.name, round, generation, channels);

const save = async (...of: Parameters<typeof saves>) => (await saves(...of)).outcome;

const find = (lease: Lease) => records.look('ann', lease.epoch, true);

/** As time would. */
const passes = (name: string, ms: number) => redis.zincrby(keys.nodes, -ms, name);

describe('a save', () => {
  it('writes down who has the client, and what it subscribes to', async () => {
    const a = await held('a');
    expect(await save(a, 1, ['/x', '/y'])).toBe('saved');
    expect(await find(a)).toMatchObject({ node: 'a', generation: 1, alive: true, stream: '' });
    expect((await find(a))?.channels.sort()).toEqual(['/x', '/y']);
    expect(await save(a, 1, [])).toBe('saved');
    expect((await find(a))?.channels).toEqual([]);
  });

  it('that lands late does not bring back a client that has ended since', async () => {
    const a = await held('a');
    await save(a);
    const { inRound } = a;
    a.doubt();
    expect(a.holds).toBe(false);
    await a.renew();
    expect(a.holds).toBe(true);
    await records.beginEnd('ann', 'a', {});
    await records.finishEnd('ann', 'a');
    expect(await save(a, 1, ['/x'], inRound)).toBe('fenced');
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await redis.exists(keys.clientsOf('a'))).toBe(0);
  });

  it('of a node without a lease does nothing', async () => {
    expect(await save(leaseOf('a'))).toBe('fenced');
    expect(await find(await held('b'))).toBeNull();
  });

  it('gives way to a later generation, and to an end', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await save(b, 2);
    expect([await save(a, 1), await save(a, 2)]).toEqual(['lost', 'lost']);
    expect(await save(a, 3)).toBe('saved');
    await records.beginEnd('ann', 'b', {});
    expect(await save(a, 4)).toBe('lost');
  });
});

describe('a save over the record of another node', () => {
  it('tells which that was, and takes the client from it', async () => {
    const [a, b] = [await held('a'), await held('b')];
    expect(await saves(a, 1)).toEqual({ outcome: 'saved', isNew: true });
    expect(await saves(b, 2)).toEqual({ outcome: 'saved', before: 'a', isNew: false });
    expect(await saves(b, 2)).toEqual({ outcome: 'saved', isNew: false });
    await records.disown('ann', 'a');
    expect(await redis.keys(keys.clientsOf('*'))).toEqual([keys.clientsOf('b')]);
  });

  it('takes it from no node that has it again by then', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await save(a, 1);
    await save(b, 2);
    await save(a, 3);
    await records.disown('ann', 'a');
    expect(await redis.smembers(keys.clientsOf('a'))).toEqual(['ann']);
  });
});

describe('a record of an earlier epoch', () => {
  let a: Lease;
  let b: Lease;

  beforeEach(async () => {
    a = await held('a');
    b = await held('b');
    await save(a, 1, ['/x']);
    await redis.hset(keys.epoch, 'id', 'another');
    await b.renew();
    await redis.hset(keys.epoch, 'quiet', 0);
  });

  it('holds where its node lives, and is nothing where that died before it could write it down again', async () => {
    expect(await find(b)).toMatchObject({ node: 'a', alive: true });
    await redis.zrem(keys.nodes, 'a');
    expect(await find(b)).toBeNull();
  });

  it('is nothing as soon as the lease of its node is over, and not only once that is buried', async () => {
    await passes('a', LEASE_MS + 1);
    expect(await find(b)).toBeNull();
  });

  it('is one of this epoch once it was adopted', async () => {
    const place = await find(b);
    if (!place) throw new Error('ann is not there');
    await records.adopt('ann', place, 'b', b.inRound);
    const c = await held('c');
    await redis.zrem(keys.nodes, 'b');
    expect(await find(c)).toMatchObject({ node: 'b', generation: 2, alive: false, channels: ['/x'] });
  });
});

describe('an adoption', () => {
  it('is won by one of two nodes', async () => {
    const [a, b, c] = [await held('a'), await held('b'), await held('c')];
    await save(a, 1, ['/x']);
    const place = await find(a);
    if (!place) throw new Error('ann is not there');
    const adopt = (lease: Lease) => records.adopt('ann', place, lease.name, lease.inRound);
    expect(await Promise.all([adopt(b), adopt(c)])).toEqual([{ generation: 2, channels: ['/x'] }, 'changed']);
    expect(await find(a)).toMatchObject({ node: 'b', generation: 2 });
    expect(await redis.keys(keys.clientsOf('*'))).toEqual([keys.clientsOf('b')]);
  });

  it('comes too late for a client that is ending, and an end for one that was adopted', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await save(a);
    const place = await find(a);
    if (!place) throw new Error('ann is not there');
    expect(await records.adopt('ann', place, 'b', b.inRound)).toMatchObject({ generation: 2 });
    expect(await records.beginEnd('ann', 'a', { generation: 1 })).toEqual({ outcome: 'lost' });
    expect(await records.beginEnd('ann', 'c', { node: 'a' })).toEqual({ outcome: 'lost' });
    expect(await records.beginEnd('ann', 'b', { generation: 2 })).toEqual({ outcome: 'begun' });
    expect(await records.adopt('ann', { ...place, node: 'b', generation: 2 }, 'a', a.inRound)).toBe('gone');
  });

  it('that lands late does nothing', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await save(a);
    const place = await find(a);
    if (!place) throw new Error('ann is not there');
    const { inRound } = b;
    b.doubt();
    await b.renew();
    expect(await records.adopt('ann', place, 'b', inRound)).toBe('fenced');
    expect(await find(a)).toMatchObject({ node: 'a', generation: 1 });
  });
});

describe('an end', () => {
  it('is done by one of two nodes, and taken over only where that one does not finish it', async () => {
    const a = await held('a');
    await save(a);
    expect(await records.beginEnd('ann', 'a', {})).toEqual({ outcome: 'begun' });
    expect(await records.beginEnd('ann', 'a', {})).toEqual({ outcome: 'begun' });
    expect(await records.beginEnd('ann', 'b', {})).toEqual({ outcome: 'lost' });
    expect(await records.finishEnd('ann', 'b')).toBe(false);
    expect(await records.overdueEnds(keys)).toEqual([]);
    await redis.zincrby(keys.endings, -6_000, 'ann');
    expect(await records.overdueEnds(keys)).toEqual(['ann']);
    expect(await records.beginEnd('ann', 'b', {})).toEqual({ outcome: 'begun' });
    expect(await records.finishEnd('ann', 'a')).toBe(false);
    expect(await records.finishEnd('ann', 'b')).toBe(true);
    expect(await records.beginEnd('ann', 'a', {})).toEqual({ outcome: 'gone' });
    expect(await redis.keys('*ann*')).toEqual([]);
    expect(await redis.exists(keys.endings, keys.clientsOf('a'))).toBe(0);
  });

  it('takes a client out of the list of a dead node that has not got it', async () => {
    const b = await held('b');
    await save(b, 2);
    await redis.sadd(keys.clientsOf('dead'), 'ann', 'gone');
    for (const clientId of ['ann', 'gone']) await records.beginEnd(clientId, 'b', { node: 'dead' });
    expect(await redis.exists(keys.clientsOf('dead'))).toBe(0);
    expect(await find(b)).toMatchObject({ node: 'b', generation: 2 });
  });
});

describe('a lease', () => {
  it('that is over is buried by a node that renews in time, and is not renewed again', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await passes('a', LEASE_MS + 6_000);
    expect(await b.renew()).toEqual({ outcome: 'renewed', due: ['a'], dead: ['a'] });
    expect(await a.renew()).toMatchObject({ outcome: 'fenced' });
    expect(a.name).toBe('a.1');
    expect(a.isOurs('a.1')).toBe(true);
    expect((await redis.zrange(keys.nodes, '0', '-1')).sort()).toEqual(['a.1', 'b']);
  });

  it('is not renewed by a renewal of an earlier round, which lands late', async () => {
    const a = await held('a');
    const { inRound } = a;
    a.doubt();
    await a.renew();
    const { renew } = steps;
    const all = [
      ...[keys.nodes, keys.about, keys.rounds, keys.dead, keys.epoch, keys.lastSigns],
      keys.clientsOf('a'),
    ];
    expect(await renew(redis, all, ['a', LEASE_MS, '{}', inRound, 'on', 1, 0])).toEqual([
      'stale',
      [],
      [],
      0,
      -1,
    ]);
    expect(await save(a, 1, [], inRound)).toBe('fenced');
    expect(await save(a)).toBe('saved');
  });

  it('leaves clients a while', async () => {
    const b = await held('b');
    await held('a');
    await passes('a', LEASE_MS + 1_000);
    // Also a node that may not judge yet is told.
    const late = leaseOf('late');
    const renewal = await b.renew();
    expect(renewal).toMatchObject({ outcome: 'renewed', due: [], dead: ['a'] });
    expect(renewal.dueIn).toBeGreaterThan(0);
    expect(renewal.dueIn).toBeLessThanOrEqual(ADOPTION_GRACE_MS - 1_000);
    expect(await late.renew()).toEqual({ outcome: 'renewed', due: [], dead: ['a'] });
    expect(await redis.zrange(keys.dead, '0', '-1')).toEqual(['a']);
    expect(await records.forgetNode(keys, 'a')).toBe(true);
    expect(await redis.exists(keys.dead)).toBe(0);
  });

  it('is judged by no node whose own is over, or that has just begun: Redis itself may have stood still', async () => {
    const [a, b] = [await held('a'), await held('b')];
    for (const name of ['a', 'b']) await passes(name, LEASE_MS + 6_000);
    await held('new');
    expect(await a.renew()).toEqual({ outcome: 'renewed', due: [], dead: [] });
    expect(await b.renew()).toEqual({ outcome: 'renewed', due: [], dead: [] });
  });

  it('is judged by no node that was away just now: others may take longer to come back', async () => {
    const b = await held('b');
    await held('a');
    const { renew } = steps;
    steps.renew = () => Promise.reject(new Error('Redis is away'));
    await expect(b.renew()).rejects.toThrow('away');
    steps.renew = renew;
    await passes('a', LEASE_MS + 6_000);
    expect((await b.renew()).due).toEqual([]);
    isStable(b);
    expect((await b.renew()).due).toEqual(['a']);
  });

  it('goes on in a new epoch, in which nobody is judged for a while, or unknown', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await save(a);
    await redis.flushall();
    await expect(find(a)).rejects.toThrow('asked now');
    expect(await a.renew()).toMatchObject({ outcome: 'new epoch' });
    await expect(find(a)).rejects.toThrow('asked now');
    expect(await b.renew()).toMatchObject({ outcome: 'new epoch' });
    await passes('b', LEASE_MS + 6_000);
    expect(await a.renew()).toEqual({ outcome: 'renewed', due: [], dead: [] });
    expect(await b.renew()).toEqual({ outcome: 'renewed', due: [], dead: [] });
    // Over: who has not come yet has been given up.
    await redis.hset(keys.epoch, 'quiet', 0);
    expect(await find(a)).toBeNull();
  });

  it('is in a new epoch, in which older data is not the truth until its node has written it down again', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await save(a);
    await redis.hset(keys.epoch, 'run_id', 'of another Redis');
    await b.renew();
    await expect(find(b)).rejects.toThrow('asked now');
    await a.renew();
    expect([a.isNew, b.isNew]).toEqual([true, true]);
    await save(a);
    expect(await find(b)).toMatchObject({ node: 'a' });
  });

  it('is over for a node that comes when the new epoch is not new any more', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await redis.flushall();
    await a.renew();
    await redis.hset(keys.epoch, { quiet: 0, begun: 0 });
    expect(await b.renew()).toMatchObject({ outcome: 'fenced' });
    expect(b.name).toBe('b.1');
  });

  it("leaves a dead node's last sign of life to the ends of its clients, until the node is forgotten", async () => {
    const [a, b] = [await held('a'), await held('b')];
    await save(a);
    await passes('a', LEASE_MS + 6_000);
    const lastSign = Number(await redis.zscore(keys.nodes, 'a')) - LEASE_MS;
    await b.renew();
    expect(await records.beginEnd('ann', 'b', { node: 'a' })).toEqual({ outcome: 'begun', diedAt: lastSign });
    await records.finishEnd('ann', 'b');
    expect(await records.forgetNode(keys, 'a')).toBe(true);
    expect(await redis.exists(keys.lastSigns)).toBe(0);
  });

  it('is given up by a node that stops, and those of its clients that go nowhere are ended', async () => {
    const [a, b] = [await held('a'), await held('b')];
    await save(a);
    await a.retire(0);
    expect(await redis.hgetall(keys.about)).not.toHaveProperty('a');
    expect(await redis.hgetall(keys.rounds)).toEqual({ b: '1' });
    expect(await b.renew()).toEqual({ outcome: 'renewed', due: ['a'], dead: ['a'] });
    const [[seconds], { diedAt }] = [await redis.time(), await records.beginEnd('ann', 'b', { node: 'a' })];
    expect(diedAt).toBeGreaterThan(Date.parse('2020-01-01'));
    expect(diedAt).toBeLessThan((Number(seconds) + 1) * 1_000);
  });
});

describe('which of many exist', () => {
  it('is those that have a record, and are not ending', async () => {
    const a = await held('a');
    const all = ['ann', 'bob', 'cleo'];
    for (const clientId of ['ann', 'bob']) await records.save(clientId, 'a', a.inRound, 1, []);
    await records.beginEnd('bob', 'a', {});
    expect(await records.existing(keys, all, a.epoch)).toEqual(['ann']);
    expect(await records.existing(keys, [], a.epoch)).toEqual([]);
  });

  it('is not known in a new epoch, until all nodes have written down theirs', async () => {
    const a = await held('a');
    await save(a);
    await redis.flushall();
    await expect(records.existing(keys, ['ann'], a.epoch)).rejects.toThrow('asked now');
    await a.renew();
    await expect(records.existing(keys, ['ann'], a.epoch)).rejects.toThrow('asked now');
    await save(a);
    expect(await records.existing(keys, ['ann'], a.epoch)).toEqual(['ann']);
    await expect(records.existing(keys, ['ann', 'bob'], a.epoch)).rejects.toThrow('asked now');
    await redis.hset(keys.epoch, 'quiet', 0);
    expect(await records.existing(keys, ['ann', 'bob'], a.epoch)).toEqual(['ann']);
    // Nobody could write down anything: Redis itself stood still.
    await redis.hset(keys.epoch, { quiet: Date.now() - 1_000, looked: Date.now() - 4_000 });
    await expect(records.existing(keys, ['ann', 'bob'], a.epoch)).rejects.toThrow('asked now');
    await expect(records.look('bob', a.epoch)).rejects.toThrow('asked now');
  });
});
