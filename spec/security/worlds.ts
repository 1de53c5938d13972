/** The same specs on one server in memory, and on two that share a Redis. */
import { afterAll, beforeAll, describe } from 'vitest';
import type { Config } from '../../src/config/index.js';
import { RedisServer } from '../support/redis-server.js';
import { type Running, startServer } from '../support/server.js';
import { until } from '../support/until.js';

/** The first and the second server; the same one twice in memory. */
export type OpenWorld = (config: Config) => Promise<[Running, Running]>;

/** Each has a namespace of its own: to take their data away from servers that still run would be another spec. */
let worlds = 0;

export function inBothWorlds(specs: (open: OpenWorld) => void): void {
  describe('on one server in memory', () => {
    specs(async (config) => {
      const running = await startServer(config);
      return [running, running];
    });
  });

  describe('on two servers with one Redis', () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await RedisServer.start();
    });
    afterAll(() => redis.dispose());

    specs(async (config) => {
      worlds += 1;
      const shared = { ...config, redis: redis.url, namespace: `world-${worlds}` };
      const both: [Running, Running] = [await startServer(shared), await startServer(shared)];
      for (const { url } of both) {
        await until(async () => (await fetch(`${url}/readyz`)).ok, 'the server to be ready');
      }
      return both;
    });
  });
}
