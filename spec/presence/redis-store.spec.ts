import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { Partitions } from '../../src/redis/partitions.js';
import { TOMBSTONE_MS } from '../../src/timings.js';
import { enter, LivingClients, leave, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { expires, take } from './steps.js';
import { behavesLikeAStore, WINDOW } from './store-behaviour.js';

describe('RedisStore', () => {
  let redis: RedisServer;
  let engine: LivingClients;
  const nodes: PresenceNode[] = [];
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  beforeEach(async () => {
    await redis.flush();
    engine = new LivingClients();
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close();
  });
  afterAll(() => redis.dispose());

  /** Milliseconds: short, as no other node has to come back. */
  const quiet = 300;
  const open = async (partitions = new Partitions('faye', null)): Promise<PresenceNode> => {
    const node = redisNode(engine, { source: redis.url, partitions, window: WINDOW, quiet });
    nodes.push(node);
    await node.store.open();
    return node;
  };
  const ann = { uid: 1, uname: 'Ann' };

  for (const partitions of [new Partitions('faye', null), new Partitions('faye', 4)]) {
    const { namespaces } = partitions;
    describe(`with ${namespaces.length} partitions`, () => {
      behavesLikeAStore(async () => {
        const [node, otherNode] = [await open(partitions), await open(partitions)];
        const stays = [
          ...namespaces.flatMap((namespace) =>
            ['epoch', 'nodes', 'nodes/about', 'nodes/terms'].map((name) => `/${namespace}/${name}`),
          ),
          partitions.key,
        ];
        return {
          node,
          otherNode,
          left: async () => (await redis.keys()).filter((key) => !stays.includes(key) && !expires(key)),
          close: async () => {},
        };
      });
    });
  }

  it('has who is in a channel under the key of the gem', async () => {
    const node = await open();
    await enter(node, '/classes/4', { uid: 470700, uname: 'mvj3' }, 'c1');
    await redis.ask(async (raw) => {
      expect(await raw.hgetall('/faye/uid_to_clientIds/classes/4')).toEqual({ 470700: '["c1"]' });
    });
  });

  it('makes a join of a user of whom the gem has left clientIds', async () => {
    await redis.ask((raw) => raw.hset('/faye/uid_to_clientIds/a', '1', '["old"]'));
    const node = await open();
    expect(await enter(node, '/a', ann, 'c1')).toMatchObject({ changed: true });
    expect(await leave(node, '/a', 'c1')).toMatchObject({ changed: true });
  });

  it('knows who has left for a while only, where the record is in another partition', async () => {
    const partitions = new Partitions('faye', 2);
    const node = await open(partitions);
    const channels = ['/a', '/b', '/c', '/d'];
    const isHere = (channel: string) => partitions.of(channel) === partitions.of('c1');
    const elsewhere = channels.filter((channel) => !isHere(channel));
    expect([elsewhere.length > 0, elsewhere.length < channels.length]).toEqual([true, true]);
    const ends = async (name: string) =>
      (await redis.keys()).flatMap((key) => channels.filter((channel) => key.endsWith(`/${name}${channel}`)));
    for (const channel of channels) await enter(node, channel, ann, 'c1');
    expect([(await ends('rows')).sort(), await ends('left')]).toEqual([elsewhere, []]);
    for (const channel of channels) await leave(node, channel, 'c1');
    expect([await ends('rows'), (await ends('left')).sort()]).toEqual([[], elsewhere]);
    for (const key of (await redis.keys()).filter(expires)) {
      const ttl = await redis.ask((raw) => raw.pttl(key));
      expect([ttl > 0, ttl <= TOMBSTONE_MS]).toEqual([true, true]);
    }
  });

  it('leaves where half of a channel was lost, in a new epoch', async () => {
    const node = await open();
    await enter(node, '/a', ann, 'c1');
    await enter(node, '/a', { uid: 2, uname: 'Bob' }, 'c2');
    const epoch = node.store.epochs.of('/a');
    await redis.ask((raw) => raw.del('/faye/users/a'));
    await expect(leave(node, '/a', 'c1')).rejects.toBeInstanceOf(UnavailableError);
    await until(() => node.clients.isIn('c1', []), 'it to have left');
    await until(() => node.store.epochs.of('/a') !== epoch, 'a new epoch');
    expect((await node.store.channels.members('/a', 10)).users).toEqual([{ uid: 2, uname: 'Bob' }]);
  });

  it('says when it can be told again what other nodes did', async () => {
    const { store } = await open();
    let heard = 0;
    store.onHearing(() => {
      heard += 1;
    });
    await redis.ask((raw) => raw.client('KILL', 'TYPE', 'PUBSUB'));
    await until(() => heard === 1, 'it to hear again');
  });

  it('lets one node at a time hold the reaper, and takes over from one that died', async () => {
    const [{ store }, { store: other }] = [await open(), await open()];
    expect(await store.upkeep.lock('n1', 60_000)).toBe(true);
    expect(await other.upkeep.lock('n2', 60_000)).toBe(false);
    await other.upkeep.unlock('n2');
    expect(await other.upkeep.lock('n2', 60_000)).toBe(false);
    await store.upkeep.unlock('n1');
    expect(await other.upkeep.lock('n2', 30)).toBe(true);
    await until(() => store.upkeep.lock('n1', 60_000), 'the lock to expire');
  });

  it('takes over a claim whose holder died', async () => {
    const [node, { store: other }] = [await open(), await open()];
    await enter(node, '/a', ann, 'c1');
    await take(node.store, '/a', 'dead');
    await node.close();
    nodes.shift();
    const taken = await until(() => take(other, '/a', 'heir'), 'the claim to expire');
    expect(taken.changes).toHaveLength(1);
  });

  it('says done again to an announcement whose answer was lost', async () => {
    const node = await open();
    const { store } = node;
    await enter(node, '/a', ann, 'c1');
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
    expect(await store.channels.announce('/a', 'k', 1, said)).toEqual({ done: true, dueIn: null });
    expect(await store.channels.announce('/a', 'k', 1, said)).toEqual({ done: true, dueIn: null });
    expect((await store.channels.snapshot('/a', 1)).version).toBe(1);
  });

  it('fails at once while Redis is away, works again when it is back, in a new epoch', async () => {
    const node = await open();
    const { store } = node;
    await enter(node, '/a', ann, 'c1');
    const before = await store.channels.snapshot('/a', 10);
    await redis.save();
    await redis.stop();
    await until(() => !store.status.connected, 'the loss to be seen');
    await expect(store.channels.snapshot('/a', 10)).rejects.toBeInstanceOf(UnavailableError);
    await redis.start();
    await until(() => store.status.connected, 'the store to be connected');
    const after = await until(async () => {
      const snapshot = await store.channels.snapshot('/a', 10);
      return snapshot.epoch !== before.epoch && snapshot;
    }, 'a new epoch');
    expect(after.version).toBe(before.version);
    expect((await store.channels.members('/a', 10)).users).toEqual([ann]);
  });

  it('fails an answer in flight when Redis dies', async () => {
    const { store } = await open();
    redis.pause();
    const refused = expect(store.channels.snapshot('/a', 10)).rejects.toBeInstanceOf(UnavailableError);
    await redis.stop();
    await refused;
    await redis.start();
    await until(() => store.status.connected, 'the store to be connected');
  });
});
