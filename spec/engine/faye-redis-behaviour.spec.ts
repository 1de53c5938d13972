import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { fayeRedis } from '../../src/engine/faye-redis/faye-redis.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { behavesLikeAnEngine } from './engine-behaviour.js';

/** Seconds between two looks for clients that are gone. */
const GC = 0.2;

describe('faye-redis', () => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterEach(() => redis.flush());
  afterAll(() => redis.dispose());

  behavesLikeAnEngine(() => ({
    type: fayeRedis({ url: redis.url, namespace: 'faye', gc: GC, log: silent }),
  }));
});
