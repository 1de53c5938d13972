/** The store that many nodes share, on a real Redis Cluster. */
import { afterAll, beforeAll, describe } from 'vitest';
import type { RedisStore } from '../../src/presence/redis-store.js';
import { partitionsOf } from '../../src/redis/partitions.js';
import { expires } from '../presence/steps.js';
import { behavesLikeAStore, WINDOW } from '../presence/store-behaviour.js';
import { silent } from '../support/log.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { openStore } from '../support/redis-store.js';

describe('RedisStore on a Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterAll(() => cluster.dispose());

  const open = async (): Promise<RedisStore> => {
    const store = openStore({
      source: cluster.client(),
      partitions: (redis) => partitionsOf(redis, 'faye', 16),
      window: WINDOW,
      quiet: 300,
      log: silent,
    });
    await store.open();
    return store;
  };

  behavesLikeAStore(async () => {
    await cluster.flush();
    const [store, other] = await Promise.all([open(), open()]);
    return {
      store,
      other,
      seesRecords: false,
      left: async () =>
        (await cluster.keys()).filter((key) => !/\/(epoch|partitions)$/.test(key) && !expires(key)),
      close: async () => {
        await Promise.all([store.close(), other.close()]);
      },
    };
  });
});
