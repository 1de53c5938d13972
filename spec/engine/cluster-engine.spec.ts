import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { type RedisEngine, redisEngine } from '../../src/engine/redis/redis-engine.js';
import { RedisHub } from '../../src/redis/hub.js';
import { Partitions, partitionsOf } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { behavesDistributed } from './distribution-behaviour.js';
import { behavesLikeAnEngine } from './engine-behaviour.js';

const partitions = new Partitions('faye', 16);
const fences = partitions.namespaces.map((_, partition) => channelIn(partition));

function channelIn(partition: number): string {
  for (let number = 0; ; number += 1) {
    if (partitions.of(`/fence/${number}`) === partition) return `/fence/${number}`;
  }
}

describe('our engine on a Redis Cluster', () => {
  let cluster: RedisCluster;
  const engines: RedisEngine[] = [];
  const hubs: RedisHub[] = [];

  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
    for (const hub of hubs.splice(0)) hub.close();
    await cluster.flush();
  });
  afterAll(() => cluster.dispose());

  behavesLikeAnEngine(() => {
    const hub = new RedisHub({
      source: cluster.client(),
      partitions: (redis) => partitionsOf(redis, 'faye'),
      log: silent,
    });
    hubs.push(hub);
    const engine = redisEngine({
      hub,
      grace: 8_000,
      waiting: { messages: 1_000, bytes: 1_048_576 },
      outbox: { messages: 10_000, bytes: 16_000_000 },
      onDrop: () => {},
      onUnsaid: () => {},
      log: silent,
    });
    engines.push(engine);
    return engine;
  });

  describe('on three nodes', () => {
    behavesDistributed(
      () => ({
        redis: () => cluster.client(),
        keys: async () => (await cluster.keys()).filter((key) => key !== partitions.key),
        flush: () => cluster.flush(),
      }),
      { fences },
    );
  });
});
