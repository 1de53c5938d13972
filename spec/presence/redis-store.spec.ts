import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import type { RedisStore } from '../../src/presence/redis-store.js';
import { Partitions } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { openStore } from '../support/redis-store.js';
import { until } from '../support/until.js';
import { enter, expires, leave, take } from './steps.js';
import { behavesLikeAStore, WINDOW } from './store-behaviour.js';

describe('RedisStore', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());

  /** Milliseconds: short, as no other node has to come back. */
  const quiet = 300;
  const open = async (partitions = new Partitions('faye', null)): Promise<RedisStore> => {
    const store = openStore({ source: redis.url, partitions, window: WINDOW, quiet, log: silent });
    await store.open();
    return store;
  };

  for (const partitions of [new Partitions('faye', null), new Partitions('faye', 4)]) {
    const { namespaces } = partitions;
    describe(`with ${namespaces.length} partitions`, () => {
      behavesLikeAStore(async () => {
        await redis.flush();
        const [store, other] = await Promise.all([open(partitions), open(partitions)]);
        const stays = [...namespaces.map((namespace) => `/${namespace}/epoch`), partitions.key];
        return {
          store,
          other,
          seesRecords: namespaces.length === 1,
          left: async () => (await redis.keys()).filter((key) => !stays.includes(key) && !expires(key)),
          close: async () => {
            await Promise.all([store.close(), other.close()]);
          },
        };
      });
    });
  }

  it("has faye-online's own keys, as the gem had them", async () => {
    await redis.flush();
    const store = await open();
    await enter(store, '/classes/4', { uid: 470700, uname: 'mvj3' }, 'c1');
    await redis.ask(async (raw) => {
      expect(await raw.hgetall('/faye/uid_to_clientIds/classes/4')).toEqual({ 470700: '["c1"]' });
      expect(await raw.get('/faye/clientId_status/c1')).toBe('1');
      expect(await raw.get('/faye/clientId_auth/c1')).toContain('470700');
    });
    await store.close();
  });

  it('makes a join of a user of whom the gem has left clientIds', async () => {
    await redis.flush();
    await redis.ask((raw) => raw.hset('/faye/uid_to_clientIds/a', '1', '["old"]'));
    const store = await open();
    expect(await enter(store, '/a', { uid: 1, uname: 'Ann' }, 'c1')).toMatchObject({ changed: true });
    expect(await leave(store, '/a', 1, 'c1')).toMatchObject({ changed: true });
    await store.close();
  });

  it('refuses an enter that was meant too long ago, where the record is in another partition', async () => {
    await redis.flush();
    const partitions = new Partitions('faye', 2);
    const store = await open(partitions);
    const channels = ['/a', '/b', '/c', '/d', '/e', '/f'];
    const clientId = 'c1';
    const elsewhere = channels.find((channel) => partitions.of(channel) !== partitions.of(clientId)) ?? '';
    const here = channels.find((channel) => partitions.of(channel) === partitions.of(clientId)) ?? '';
    const ann = { uid: 1, uname: 'Ann' };
    await store.bind(clientId, ann);
    const intended = (await store.intend(clientId, [elsewhere, here]))?.at ?? 0;
    expect(await store.enter(elsewhere, ann, clientId, intended - 6_000)).toBeNull();
    expect(await store.enter(elsewhere, ann, clientId, intended)).toMatchObject({ changed: true });
    expect(await store.enter(here, ann, clientId, intended - 6_000)).toMatchObject({ changed: true });
    await store.close();
  });

  it('knows who has left for a while only, where the record is in another partition', async () => {
    await redis.flush();
    const partitions = new Partitions('faye', 2);
    const store = await open(partitions);
    const channel =
      ['/a', '/b', '/c', '/d'].find((each) => partitions.of(each) !== partitions.of('c1')) ?? '';
    await enter(store, channel, { uid: 1, uname: 'Ann' }, 'c1');
    const before = await redis.keys();
    await leave(store, channel, 1, 'c1');
    const after = await redis.keys();
    expect(before.some((key) => key.endsWith(`/intents${channel}`))).toBe(true);
    expect(after.some((key) => key.endsWith(`/intents${channel}`))).toBe(false);
    const [left = ''] = after.filter(expires);
    const ttl = await redis.ask((raw) => raw.pttl(left));
    expect([left.endsWith(`/left${channel}`), ttl > 0, ttl <= 10_000]).toEqual([true, true, true]);
    await store.close();
  });

  it('leaves where half of a channel was lost', async () => {
    await redis.flush();
    const store = await open();
    await enter(store, '/a', { uid: 1, uname: 'Ann' }, 'c1');
    await redis.ask((raw) => raw.del('/faye/users/a'));
    expect(await leave(store, '/a', 1, 'c1')).toEqual({ changed: false, dueIn: null });
    expect((await store.members('/a', 10)).count).toBe(0);
    await store.close();
  });

  it('tells other nodes, and not itself, that a client has moved', async () => {
    await redis.flush();
    const [store, other] = await Promise.all([open(), open()]);
    const heard: string[] = [];
    store.onMoved((clientId) => heard.push(`self ${clientId}`));
    other.onMoved((clientId) => heard.push(clientId));
    await store.tellMoved('c1');
    await other.tellMoved('c2');
    await until(() => heard.length === 2, 'both to be heard');
    expect(heard.sort()).toEqual(['c1', 'self c2']);
    await store.close();
    await other.close();
  });

  it('says when it can be told again what other nodes did', async () => {
    await redis.flush();
    const store = await open();
    let heard = 0;
    store.onHearing(() => {
      heard += 1;
    });
    await redis.ask((raw) => raw.client('KILL', 'TYPE', 'PUBSUB'));
    await until(() => heard === 1, 'it to hear again');
    await store.close();
  });

  it.each([null, 4])(
    'tells other nodes of the visibility of a client that is theirs, %s partitions',
    async (count) => {
      await redis.flush();
      const partitions = new Partitions('faye', count);
      const [store, other] = await Promise.all([open(partitions), open(partitions)]);
      const heard: unknown[] = [];
      other.onVisibility((clientId, visibility) => heard.push({ clientId, ...visibility }));
      const clientIds = ['c1', 'c2', 'c3', 'c4'];
      for (const clientId of clientIds) await store.bind(clientId, { uid: 1, uname: 'Ann' });
      await store.setVisibility('c1', true);
      const expected = [];
      for (const clientId of clientIds) {
        const visibility = await store.setVisibility(clientId, clientId !== 'c1', { elsewhere: true });
        await store.setVisibility(clientId, clientId !== 'c1', { elsewhere: true });
        expected.push({ clientId, ...visibility });
      }
      await until(() => heard.length === clientIds.length, 'all to be heard');
      expect(heard).toEqual(expected);
      await store.close();
      await other.close();
    },
  );

  it('lets one node at a time hold the reaper, and takes over from one that died', async () => {
    await redis.flush();
    const [store, other] = await Promise.all([open(), open()]);
    expect(await store.lock('n1', 60_000)).toBe(true);
    expect(await other.lock('n2', 60_000)).toBe(false);
    await other.unlock('n2');
    expect(await other.lock('n2', 60_000)).toBe(false);
    await store.unlock('n1');
    expect(await other.lock('n2', 30)).toBe(true);
    await until(() => store.lock('n1', 60_000), 'the lock to expire');
    await store.close();
    await other.close();
  });

  it('takes over a claim whose holder died', async () => {
    await redis.flush();
    const [store, other] = await Promise.all([open(), open()]);
    await enter(store, '/a', { uid: 1, uname: 'Ann' }, 'c1');
    await take(store, '/a', 'dead');
    await store.close();
    const taken = await until(() => take(other, '/a', 'heir'), 'the claim to expire');
    expect(taken.changes).toHaveLength(1);
    await other.close();
  });

  it('says done again to an announcement whose answer was lost', async () => {
    await redis.flush();
    const store = await open();
    await enter(store, '/a', { uid: 1, uname: 'Ann' }, 'c1');
    const taken = await take(store, '/a', 'k');
    const said = {
      channel: '/a',
      epoch: taken?.epoch ?? '',
      version: 1,
      count: 1,
      joins: [],
      leaves: [],
      node: 'n',
    };
    expect(await store.announce('/a', 'k', 1, said)).toEqual({ done: true, dueIn: null });
    expect(await store.announce('/a', 'k', 1, said)).toEqual({ done: true, dueIn: null });
    expect((await store.snapshot('/a', 1)).version).toBe(1);
    await store.close();
  });

  it('fails at once while Redis is away, works again when it is back, in a new epoch', async () => {
    await redis.flush();
    const store = await open();
    await enter(store, '/a', { uid: 1, uname: 'Ann' }, 'c1');
    const before = await store.snapshot('/a', 10);
    await redis.save();
    await redis.stop();
    await until(() => !store.connected, 'the loss to be seen');
    await expect(store.snapshot('/a', 10)).rejects.toBeInstanceOf(UnavailableError);
    await redis.start();
    await until(() => store.connected, 'the store to be connected');
    const after = await until(async () => {
      const snapshot = await store.snapshot('/a', 10);
      return snapshot.epoch !== before.epoch && snapshot;
    }, 'a new epoch');
    expect(after.version).toBe(before.version);
    expect((await store.members('/a', 10)).users).toEqual([{ uid: 1, uname: 'Ann' }]);
    await store.close();
  });

  it('fails an answer in flight when Redis dies', async () => {
    const store = await open();
    redis.pause();
    const refused = expect(store.snapshot('/a', 10)).rejects.toBeInstanceOf(UnavailableError);
    await redis.stop();
    await refused;
    await redis.start();
    await until(() => store.connected, 'the store to be connected');
    await store.close();
  });
});
