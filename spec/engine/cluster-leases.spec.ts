/** The leases of a node on a Redis Cluster of which a master stands still. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RedisHub } from '../../src/redis/hub.js';
import { partitionsOf } from '../../src/redis/partitions.js';
import { Leases } from '../../src/sessions/redis/leases.js';
import { RENEW_MS } from '../../src/timings.js';
import { silent } from '../support/log.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await RedisCluster.start();
  for (const node of cluster.masters)
    await node.ask((redis) => redis.config('SET', 'cluster-require-full-coverage', 'no'));
});
afterAll(() => cluster.dispose());

it('hold at the other masters all the time', async () => {
  const hub = new RedisHub({
    source: cluster.client(),
    partitions: (redis) => partitionsOf(redis, 'faye', 16),
    log: silent,
  });
  const { partitions } = hub;
  await hub.accepted();
  const leases = new Leases({
    hub,
    node: 'node',
    clients: () => 0,
    renewed: () => {},
    failed: () => {},
  });
  leases.start();
  await until(() => leases.wereHeld && leases.all.every(({ holds }) => holds), 'all to hold');
  try {
    const [still] = cluster.masters;
    const serves = await Promise.all(
      partitions.namespaces.map(async (namespace) => (await cluster.masterOf(namespace)) === still),
    );
    const others = leases.all.filter((_, partition) => !serves[partition]);
    expect(others.length).toBeGreaterThan(0);
    expect(leases.all.every(({ holds }) => holds)).toBe(true);
    let lapses = 0;
    const watching = setInterval(() => {
      if (others.some(({ holds }) => !holds)) lapses += 1;
    }, 20);
    still?.pause();
    await until(() => leases.away > 0, 'the master to be missed', 20_000);
    // Until the others would be over, had they waited for it.
    await new Promise((resolve) => setTimeout(resolve, 2 * RENEW_MS));
    clearInterval(watching);
    expect(others.some(({ isAway }) => isAway)).toBe(false);
    still?.resume();
    expect(lapses).toBe(0);
    await until(() => leases.all.every(({ holds }) => holds), 'all to hold again', 20_000);
  } finally {
    leases.stop();
    hub.close();
  }
});
