import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { type RedisEngine, redisEngine } from '../../src/engine/redis/redis-engine.js';
import { RedisHub } from '../../src/redis/hub.js';
import { partitionsOf } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { behavesLikeAnEngine } from './engine-behaviour.js';

describe('our engine on Redis', () => {
  let redis: RedisServer;
  const engines: RedisEngine[] = [];
  const hubs: RedisHub[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
    for (const hub of hubs.splice(0)) hub.close();
    await redis.flush();
  });
  afterAll(() => redis.dispose());

  function newEngine(): RedisEngine {
    const hub = new RedisHub({
      source: redis.url,
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
  }

  behavesLikeAnEngine(newEngine);
});
