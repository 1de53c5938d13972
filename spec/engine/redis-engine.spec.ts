import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { type RedisEngine, redisEngine } from '../../src/engine/redis/redis-engine.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { behavesLikeAnEngine } from './engine-behaviour.js';

describe('our engine on Redis', () => {
  let redis: RedisServer;
  const engines: RedisEngine[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
    await redis.flush();
  });
  afterAll(() => redis.dispose());

  function newEngine(): RedisEngine {
    const engine = redisEngine({
      source: redis.url,
      namespace: 'faye',
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
