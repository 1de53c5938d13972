/** The store that many nodes share, on a real Redis Cluster. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { RedisHub } from '../../src/redis/hub.js';
import { partitionsOf } from '../../src/redis/partitions.js';
import { expires } from '../presence/steps.js';
import { behavesLikeAStore, WINDOW } from '../presence/store-behaviour.js';
import { silent } from '../support/log.js';
import { LivingClients, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

describe('RedisStore on a Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterAll(() => cluster.dispose());

  const open = async (engine: LivingClients): Promise<PresenceNode> => {
    const node = redisNode(engine, {
      source: cluster.client(),
      partitions: (redis) => partitionsOf(redis, 'faye', 16),
      window: WINDOW,
      quiet: 300,
    });
    await node.store.open();
    return node;
  };

  it('gets announcements also where its node has left its last sharded channel', async () => {
    const hub = new RedisHub({
      source: cluster.client(),
      partitions: (redis) => partitionsOf(redis, 'faye', 16),
      log: silent,
    });
    try {
      await hub.accepted();
      const { commands, listener, plain } = hub.redis;
      const received: string[] = [];
      plain.on('message', (_name, text) => received.push(text));
      await plain.subscribe('announcements');
      for (const tag of hub.partitions.tags) {
        const redis = listener.lineOf(tag)?.redis;
        await redis?.ssubscribe(`${tag}/messages`);
        await redis?.sunsubscribe(`${tag}/messages`);
      }
      await commands.publish('announcements', 'one');
      await until(() => received.length > 0, 'the announcement');
    } finally {
      hub.close();
    }
  });

  behavesLikeAStore(async () => {
    await cluster.flush();
    const engine = new LivingClients();
    const [node, otherNode] = await Promise.all([open(engine), open(engine)]);
    const stays = /\/(epoch|partitions|nodes|nodes\/about|nodes\/terms)$/;
    return {
      node,
      otherNode,
      left: async () => (await cluster.keys()).filter((key) => !stays.test(key) && !expires(key)),
      close: async () => {
        await Promise.all([node.close(), otherNode.close()]);
      },
    };
  });
});
