/** How many connections a process has to its Redis, and who closes them. */
import faye from 'faye';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { attachPresence } from '../../src/attach-presence.js';
import { createEngine } from '../../src/create-engine.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { startServer, stopAll } from '../support/server.js';
import { until } from '../support/until.js';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());
afterEach(stopAll);

/** Beside the one that asks. */
async function connections(): Promise<number> {
  const list = await redis.ask((ask) => ask.client('LIST'));
  return String(list).trim().split('\n').length - 1;
}

const are = (count: number) => until(async () => (await connections()) === count, `${count} connections`);

it('a server has two connections, which its stop closes', async () => {
  const { server, url } = await startServer({ redis: redis.url });
  await until(async () => (await fetch(`${url}/readyz`)).ok, 'the server to be ready');
  expect(await connections()).toBe(2);
  await server.stop();
  await are(0);
});

it('presence shares the connections of the engine of its adapter, and leaves them open', async () => {
  const engine = createEngine({ redis: redis.url, log: silent });
  const adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 10, engine: { type: engine.type } });
  const attached = attachPresence(adapter, {
    redis: redis.url,
    authentication: { trust: true },
    log: silent,
  });
  await attached.ready;
  expect(await connections()).toBe(2);
  await attached.close();
  adapter.close();
  expect(await connections()).toBe(2);
  await engine.close();
  await are(0);
});
