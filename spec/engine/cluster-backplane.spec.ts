/** Messages between nodes over a real Redis Cluster: sharded Pub/Sub, through the loss of masters. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ChannelNames } from '../../src/engine/redis/channel-names.js';
import { RedisBackplane } from '../../src/engine/redis/redis-backplane.js';
import { openRedis } from '../../src/redis/connection.js';
import { Partitions, partitionsOf } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

const NAMESPACE = 'faye';
const partitions = new Partitions(NAMESPACE, 16);

interface Node {
  backplane: RedisBackplane;
  heard: string[];
  /** How often it was back. */
  backs(): number;
  dropped(): number;
  close(): void;
}

const nodes: Node[] = [];

async function start(cluster: RedisCluster, name: string): Promise<Node> {
  const redis = openRedis(cluster.client(), silent);
  const its = partitionsOf(redis, NAMESPACE, 16);
  let dropped = 0;
  let backs = 0;
  const backplane = new RedisBackplane({
    redis,
    partitions: its,
    node: name,
    outbox: { messages: 100, bytes: 100_000 },
    onDrop: () => {
      dropped += 1;
    },
  });
  const heard: string[] = [];
  backplane.onMessage(({ channel, json }, channels) => heard.push(`${channel} ${channels.length} ${json}`));
  backplane.onBack(() => {
    backs += 1;
  });
  await redis.accepted(its);
  await until(() => its.namespaces.every((tag) => redis.listener.lineOf(tag)), 'a line to each master');
  const node: Node = {
    backplane,
    heard,
    backs: () => backs,
    dropped: () => dropped,
    close: () => {
      backplane.close();
      redis.close();
    },
  };
  nodes.push(node);
  return node;
}

const listen = ({ backplane }: Node, channel: string): Promise<void> =>
  new Promise((resolve) => backplane.listen(channel, resolve));

/** Says it to subscribers of the channel, and of patterns that cover it. */
const say = ({ backplane }: Node, channel: string, json: string): void =>
  backplane.publish({ channel, json }, [channel, '/**']);

/** A channel whose partition a master serves. */
async function channelOn(cluster: RedisCluster, port: number, from = 0): Promise<string> {
  for (let number = from; ; number += 1) {
    const channel = `/room/${number}`;
    const key = new ChannelNames(partitions, true).messages(channel);
    if ((await cluster.masterOf(key)).port === port) return channel;
  }
}

/** Another channel of the same partition. */
function sameAs(channel: string): string {
  for (let number = 0; ; number += 1) {
    const other = `/other/${number}`;
    if (partitions.of(other) === partitions.of(channel)) return other;
  }
}

const to = (node: Node, channel: string): string[] =>
  node.heard.filter((text) => text.startsWith(`${channel} `)).map((text) => text.split(' ').at(-1) ?? '');

afterEach(() => {
  for (const node of nodes.splice(0)) node.close();
});

describe('the backplane on a Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterAll(() => cluster.dispose());

  it('carries each message once, in order, to exact and pattern subscribers of each partition', async () => {
    const speaker = await start(cluster, 'speaker');
    const exact = await start(cluster, 'exact');
    const both = await start(cluster, 'both');
    const channels = Array.from({ length: 40 }, (_, number) => `/room/${number}`);
    expect(new Set(channels.map((channel) => partitions.of(channel))).size).toBeGreaterThan(10);
    await Promise.all(channels.flatMap((channel) => [listen(exact, channel), listen(both, channel)]));
    await listen(both, '/room/*');
    for (let number = 1; number <= 20; number += 1) {
      for (const channel of channels) say(speaker, channel, String(number));
    }
    const all = Array.from({ length: 20 }, (_, index) => String(index + 1));
    await until(() => exact.heard.length >= 800 && both.heard.length >= 800, 'all to be heard');
    for (const node of [speaker, exact, both]) {
      for (const channel of channels) expect(to(node, channel)).toEqual(all);
      expect(node.heard).toHaveLength(800);
    }
    await until(() => speaker.backplane.outboxes.size === 0, 'nothing to wait');
  });

  it('says whether subscribers by pattern hear it, and hears no more what it has left', async () => {
    const speaker = await start(cluster, 'speaker');
    const node = await start(cluster, 'node');
    await Promise.all([listen(node, '/a/b'), listen(node, '/a/**'), listen(node, '/c')]);
    const near = sameAs('/c');
    speaker.backplane.publish({ channel: '/a/b', json: '"exact"' }, ['/a/b']);
    say(speaker, '/a/b', '"all"');
    await until(() => node.heard.length === 2, 'both');
    expect(node.heard).toEqual(['/a/b 1 "exact"', '/a/b 4 "all"']);
    node.backplane.unlisten('/a/**');
    node.backplane.unlisten('/c');
    // By the same connection, so that what was before is done.
    await listen(node, near);
    say(speaker, '/c', '"too late"');
    await until(() => speaker.backplane.outboxes.size === 0, 'it to be said');
    await listen(node, '/c');
    say(speaker, '/c', '"again"');
    await until(() => to(node, '/c').length > 0, 'what was said since');
    expect(to(node, '/c')).toEqual(['"again"']);
  });

  it('hears a master again that was started anew, and meanwhile what the others carry', async () => {
    const speaker = await start(cluster, 'speaker');
    const node = await start(cluster, 'node');
    const [first, second] = cluster.masters;
    const lost = await channelOn(cluster, first?.port ?? 0);
    const whole = await channelOn(cluster, second?.port ?? 0);
    await Promise.all([listen(node, lost), listen(node, whole)]);
    const backs = node.backs();

    await first?.stop();
    say(speaker, whole, '"1"');
    await until(() => to(node, whole).length === 1, 'a message by another master');
    say(speaker, lost, '"kept"');
    expect(to(speaker, lost)).toEqual(['"kept"']);
    // Nobody can hear it now, so that nobody is kept waiting.
    await listen(node, await channelOn(cluster, second?.port ?? 0, 500));
    expect(speaker.backplane.outboxes.size).toBe(1);

    await first?.start();
    await cluster.ok();
    await until(() => to(node, lost).length === 1, 'what was kept');
    expect(to(node, lost)).toEqual(['"kept"']);
    expect(node.backs()).toBeGreaterThan(backs);
    await until(() => speaker.backplane.outboxes.size === 0, 'nothing to wait');
  });
});

describe('the backplane on a Redis Cluster with replicas', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start({ replicas: true });
  });
  afterAll(() => cluster.dispose());

  it('listens to the replica that has taken the place of a master', async () => {
    const speaker = await start(cluster, 'speaker');
    const node = await start(cluster, 'node');
    const [first] = cluster.masters;
    const channel = await channelOn(cluster, first?.port ?? 0);
    await Promise.all([listen(node, channel), listen(node, '/room/*')]);
    say(speaker, channel, '"before"');
    await until(() => to(node, channel).length === 1, 'a message');

    await first?.stop();
    say(speaker, channel, '"meanwhile"');
    await until(() => to(node, channel).includes('"meanwhile"'), 'what waited, by the new master', 30_000);
    say(speaker, channel, '"after"');
    await until(() => to(node, channel).includes('"after"'), 'a message by the new master');
    expect(to(node, channel)).toEqual(['"before"', '"meanwhile"', '"after"']);
    expect(speaker.dropped()).toBe(0);
  });
});
