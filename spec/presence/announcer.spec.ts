/** Two announcers of one Redis: racing, and one dying between take and announce. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Announcer } from '../../src/presence/announcer.js';
import { netChange } from '../../src/presence/net-change.js';
import type { Announcement, Change } from '../../src/presence/store.js';
import { Partitions } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { enter, LivingClients, leave, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const user = (uid: number) => ({ uid, uname: `user ${uid}` });

describe('Announcer', () => {
  let redis: RedisServer;
  let nodes: PresenceNode[];
  let announcers: Announcer[];
  let heard: Announcement[];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());

  beforeEach(async () => {
    await redis.flush();
    heard = [];
    const window = { base: 20, perUser: 0, max: 20 };
    const engine = new LivingClients();
    nodes = [0, 1, 2].map(() =>
      redisNode(engine, { source: redis.url, partitions: new Partitions('faye', null), window }),
    );
    await Promise.all(nodes.map(({ store }) => store.open()));
    announcers = nodes.map(
      ({ store }, index) => new Announcer({ channels: store.channels, node: `n${index}`, log: silent }),
    );
    nodes[2]?.store.channels.onAnnouncement((announcement) => heard.push(announcement));
    return async () => {
      await Promise.all(announcers.map((announcer) => announcer.close()));
      await Promise.all(nodes.map((node) => node.close()));
    };
  });

  const joined = () => heard.flatMap(({ joins }) => joins.map(({ uid }) => uid));
  const come = async (node: number, uid: number) => {
    const { changes } = nodes[node] as PresenceNode;
    const before = changes.length;
    await enter(nodes[node] as PresenceNode, '/a', user(uid), `c${uid}`);
    // Those of others who came meanwhile, too: they are marked once.
    for (const { channel, dueIn } of changes.slice(before)) announcers[node]?.mark(channel, dueIn);
  };

  it('announces a storm on two nodes once a window, each join once, versions without a gap', async () => {
    await Promise.all(Array.from({ length: 200 }, (_, uid) => come(uid % 2, uid)));
    await until(() => joined().length === 200, 'all joins');
    expect(new Set(joined()).size).toBe(200);
    expect(heard.length).toBeLessThan(10);
    const first = heard[0]?.version ?? 0;
    expect(heard.map(({ version }) => version)).toEqual(heard.map((_, index) => first + index));
    expect(heard.at(-1)?.count).toBe(200);
  });

  it('announces each change once where both try at the same time', async () => {
    for (let round = 0; round < 20; round += 1) {
      await enter(nodes[0] as PresenceNode, '/a', user(round), `c${round}`);
      await Promise.all(announcers.slice(0, 2).map((announcer) => announcer.announce('/a')));
    }
    await until(() => joined().length === 20, 'all joins');
    expect(joined()).toEqual(Array.from({ length: 20 }, (_, round) => round));
    expect(heard.map(({ version }) => version)).toEqual(heard.map((_, index) => index + 1));
  });

  it('takes over what a node marked that died before it took', async () => {
    announcers[1]?.start();
    await enter(nodes[0] as PresenceNode, '/a', user(1), 'c1');
    await until(() => joined().length === 1, 'the heir to announce');
    expect(heard[0]).toMatchObject({ node: 'n1', count: 1 });
  });

  it('takes over what a node took that died before it announced', async () => {
    announcers[1]?.start();
    await enter(nodes[0] as PresenceNode, '/a', user(1), 'c1');
    await nodes[0]?.store.channels.take('/a', 'a claim whose holder dies');
    await until(() => joined().length === 1, 'the heir to announce');
    expect(heard).toEqual([expect.objectContaining({ node: 'n1', version: 1, joins: [user(1)] })]);
  });

  it('announces nothing where a join and a leave cancel out', async () => {
    await come(0, 1);
    await leave(nodes[1] as PresenceNode, '/a', 'c1');
    await until(
      async () => (await nodes[0]?.store.channels.overdue(-60_000, 10))?.length === 0,
      'the window',
    );
    await come(0, 2);
    await until(() => heard.length > 0, 'the next');
    expect(joined()).toEqual([2]);
    expect(heard).toHaveLength(1);
  });
});

describe('#netChange', () => {
  const join = (uid: number | string): Change => ({ type: 'join', user: { uid, uname: 'x' } });
  const leave = (uid: number | string): Change => ({ type: 'leave', user: { uid, uname: 'x' } });
  const net = (...changes: Change[]) => {
    const { joins, leaves } = netChange(changes);
    return [joins.map(({ uid }) => uid), leaves.map(({ uid }) => uid)];
  };

  it('cancels what comes to nothing, for each user apart', () => {
    expect(net()).toEqual([[], []]);
    expect(net(join(1), leave(1))).toEqual([[], []]);
    expect(net(leave(1), join(1))).toEqual([[], []]);
    expect(net(join(1), leave(1), join(1))).toEqual([[1], []]);
    expect(net(leave(1), join(1), leave(1))).toEqual([[], [1]]);
    expect(net(join(1), leave(2), join(3))).toEqual([[1, 3], [2]]);
    expect(net(join(1), leave('1'))).toEqual([[], []]);
  });

  it('keeps another name of a user who stays', () => {
    const named = (type: Change['type'], uname: string): Change => ({ type, user: { uid: 1, uname } });
    const renames = (...changes: Change[]) => netChange(changes).renames.map(({ uname }) => uname);
    expect(renames(named('leave', 'Old'), named('join', 'New'))).toEqual(['New']);
    expect(
      renames(named('leave', 'Old'), named('join', 'New'), named('leave', 'New'), named('join', 'Old')),
    ).toEqual([]);
    expect(renames(named('join', 'Old'), named('leave', 'Old'), named('join', 'New'))).toEqual([]);
  });
});
