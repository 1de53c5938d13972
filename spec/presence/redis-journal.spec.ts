import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import type { JournalEntry } from '../../src/presence/journal.js';
import { Partitions } from '../../src/redis/partitions.js';
import { enter, LivingClients, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { BOUND, behavesLikeAJournal } from './journal-behaviour.js';
import { WINDOW } from './store-behaviour.js';

const ann = { uid: 1, uname: 'Ann' };

const isAway = (error: unknown): false => {
  if (error instanceof UnavailableError) return false;
  throw error;
};

describe('RedisJournal', () => {
  let redis: RedisServer;
  let engine: LivingClients;
  const nodes: PresenceNode[] = [];
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());
  beforeEach(async () => {
    await redis.flush();
    engine = new LivingClients();
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close();
  });

  const open = async (partitions = new Partitions('faye', null)): Promise<PresenceNode> => {
    const options = { window: WINDOW, journalBound: BOUND, quiet: 200 };
    const node = redisNode(engine, { ...options, source: redis.url, partitions });
    nodes.push(node);
    await node.store.open();
    return node;
  };

  behavesLikeAJournal(async () => ({
    node: await open(),
    otherNode: await open(),
    left: async () => (await redis.keys()).filter((key) => key.startsWith('/faye/journal')),
    close: async () => {},
  }));

  it('is one of each partition, with ids that are unique by epoch, partition and id', async () => {
    const node = await open(new Partitions('faye', 4));
    const { journal } = node.store;
    await journal.open('sql');
    const channels = Array.from({ length: 20 }, (_, index) => `/rooms/${index}`);
    await Promise.all(channels.map((channel, index) => enter(node, channel, ann, `c${index}`)));
    const read: JournalEntry[] = [];
    await until(async () => {
      const entries = await journal.read('sql', 'n1', 2, 0);
      read.push(...entries);
      return entries.length === 0;
    }, 'all to be read');
    expect(read.map((entry) => 'channel' in entry && entry.channel).sort()).toEqual(channels.sort());
    expect(new Set(read.map(({ partition }) => partition)).size).toBe(4);
    expect(new Set(read.map(({ epoch, partition, id }) => `${epoch} ${partition} ${id}`)).size).toBe(20);
    expect(await journal.lag('sql')).toBe(20);
    await journal.acknowledge('sql', read);
    expect(await journal.lag('sql')).toBe(0);
    await journal.closeGroup('sql');
    expect((await redis.keys()).filter((key) => key.includes('journal'))).toEqual([]);
  });

  it('begins again by itself where Redis has lost all, in another epoch', async () => {
    const node = await open();
    const { journal } = node.store;
    await journal.open('sql');
    await enter(node, '/a', ann, 'c1');
    const [before] = await journal.read('sql', 'n1', 10, 0);
    await redis.flush();
    const reading = journal.read('sql', 'n1', 10, 20_000);
    await until(async () => (await redis.keys()).includes('/faye/journal'), 'the journal to begin again');
    // While nobody knows yet which clients there are it is refused.
    const comes = () => enter(node, '/a', ann, 'c2').catch(isAway);
    await until(comes, 'it to enter');
    const [after] = await reading;
    expect(after).toMatchObject({ type: 'in', clientId: 'c2' });
    expect(after?.epoch).not.toBe(before?.epoch);
  });

  it('rejects while Redis is away', async () => {
    const { store } = await open();
    await store.journal.open('sql');
    await redis.stop();
    await until(() => !store.status.connected, 'the loss to be seen');
    await expect(store.journal.read('sql', 'n1', 1, 20_000)).rejects.toBeInstanceOf(UnavailableError);
    await expect(store.journal.lag('sql')).rejects.toBeInstanceOf(UnavailableError);
    await redis.start();
  });
});
