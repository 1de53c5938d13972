import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { join, sees, startServer, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

afterEach(stopAll);

it('tells of a process alone', async () => {
  const { server, endpoint } = await startServer();
  const ann = await join(endpoint, user('ann'));
  await sees(ann, '/classes/4', ['ann']);
  expect(await server.status()).toEqual({
    engine: 'faye-online',
    store: 'memory',
    clients: 1,
    users: 1,
    channels: 1,
    records: null,
    nodes: [],
  });
});

describe('with Redis', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await RedisServer.start();
  });
  afterEach(() => redis.dispose());

  it('tells of all nodes that live, and how many clients each has', async () => {
    const [here, there] = await Promise.all([1, 2].map(() => startServer({ redis: redis.url })));
    const living = () => here?.server.status().catch(() => undefined);
    await until(async () => (await living())?.nodes.length === 2, 'two nodes');
    const ann = await join(there?.endpoint ?? '', user('ann'));
    await sees(ann, '/classes/4', ['ann']);
    const nodes = await until(async () => {
      const status = await here?.server.status();
      return status?.nodes.some(({ clients }) => clients === 1) && status.nodes;
    }, 'the other node to tell of its client');
    expect(nodes).toHaveLength(2);
    for (const node of nodes) {
      expect(node).toMatchObject({ pid: process.pid, startedAt: expect.stringMatching(/^\d{4}-.*Z$/) });
      expect(node.lease).toBeGreaterThan(0);
    }
  });

  it('tells which of the nodes is the one that was asked', async () => {
    const [here, there] = await Promise.all([1, 2].map(() => startServer({ redis: redis.url })));
    const own = async (running: typeof here) => {
      const nodes = (await running?.server.status().catch(() => undefined))?.nodes ?? [];
      return nodes.length === 2 && nodes.filter(({ isThis }) => isThis).map(({ node }) => node);
    };
    const [one, other] = await Promise.all([here, there].map((each) => until(() => own(each), 'two nodes')));
    expect([one?.length, other?.length]).toEqual([1, 1]);
    expect(one).not.toEqual(other);
  });

  it('rejects while Redis is away', async () => {
    const { server } = await startServer({ redis: redis.url });
    const answer = () => server.status().catch((error: { code?: string }) => error.code);
    await until(async () => typeof (await answer()) === 'object', 'Redis to be there');
    await redis.stop();
    await until(async () => (await answer()) === 'UNAVAILABLE', 'it to say so');
  });
});
