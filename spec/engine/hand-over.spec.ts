/** Clients that go from node to node: one that is cut off from Redis, and two that are connected. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NodeRpc } from '../../src/sessions/redis/node-rpc.js';
import { SessionKeys } from '../../src/sessions/redis/session-keys.js';
import { SessionRecords } from '../../src/sessions/redis/session-records.js';
import { BayeuxSocket, cutSockets } from '../support/bayeux-socket.js';
import { RedisServer } from '../support/redis-server.js';
import { connectMessage, newClientId, post, say, stopAll } from '../support/server.js';
import { until } from '../support/until.js';
import {
  closeDoors,
  Door,
  FENCED,
  fence,
  type OneNode,
  rewrite,
  sessionsOf,
  startNode,
  startNodes,
} from './nodes.js';

/** Who is known is not asked for, and may subscribe while Redis is away. */
const auth = { room_channel: '/r', time_channel: '/t', current_user: { uid: 1, uname: 'Ann' } };
const NOWHERE = 'redis://127.0.0.1:1';

describe('a node that is cut off from Redis', () => {
  let redis: RedisServer;
  let door: Door;
  let a: OneNode;
  let b: OneNode;

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());
  afterEach(async () => {
    vi.restoreAllMocks();
    closeDoors();
    cutSockets();
    await stopAll();
    await redis.flush();
  });

  /** Two nodes, the first behind a door. */
  async function start(namespace: string): Promise<void> {
    door = await Door.open(redis.url);
    a = await startNode({ redis: redis.url.replace(/:\d+$/, `:${new URL(door.endpoint).port}`), namespace });
    [b] = (await startNodes(1, { redis: redis.url, namespace })) as [OneNode];
    await until(() => a.engine.status.connected, 'the node behind the door');
    await until(async () => (await b.server.status()).nodes.length === 2, 'both nodes');
  }

  async function cut(): Promise<void> {
    door.leadTo(NOWHERE);
    await until(() => !a.engine.status.connected, 'the node to notice');
  }

  async function subscriber(...channels: string[]): Promise<string> {
    const clientId = await newClientId(a.endpoint);
    for (const subscription of [...channels, FENCED])
      await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription });
    return clientId;
  }

  async function socketAt(node: OneNode, clientId: string): Promise<BayeuxSocket> {
    const socket = await BayeuxSocket.open(node.endpoint);
    expect((await socket.connect(clientId, { auth })).successful).toBe(true);
    return socket;
  }

  /** What its record says that the client subscribes to. */
  async function subscriptionsOf(namespace: string, clientId: string): Promise<string[]> {
    const key = new SessionKeys(namespace).client(clientId);
    const channels = await redis.ask((ask) => ask.hget(key, 'channels'));
    return (JSON.parse(channels ?? '[]') as string[]).sort();
  }

  it('keeps no list for later, which its client may have been told newer elsewhere by then', async () => {
    await start('older');
    const clientId = await subscriber('/news');
    await say(a.endpoint, { ...connectMessage(clientId), auth });
    await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/r/user_list', auth });
    await until(() => a.engine.registry.get(clientId)?.waiting, 'the list to wait');
    a.publish('/news', 1);
    await cut();
    const { replies } = await post(a.endpoint, { ...connectMessage(clientId), auth });
    expect(replies.map(({ channel }) => channel).filter((channel) => !channel.startsWith('/meta/'))).toEqual([
      '/news',
    ]);
    door.leadTo(redis.url);
    await until(async () => {
      const { replies } = await post(a.endpoint, { ...connectMessage(clientId), auth });
      return replies.some(({ channel }) => channel === '/r/user_list');
    }, 'the list as it is now');
  });

  it('acknowledges a subscription once others can know of it, and serves it until then', async () => {
    await start('acknowledged');
    const clientId = await subscriber();
    const socket = await socketAt(a, clientId);
    await cut();
    const asked = socket.ask({ channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    await until(() => a.engine.registry.get(clientId)?.channels.has('/news'), 'the subscription');
    a.publish('/news', 1);
    await until(() => socket.heard('/news').length > 0, 'the news');
    const replies = socket.received.filter(({ channel }) => channel === '/meta/subscribe');
    expect(replies).toEqual([]);
    door.leadTo(redis.url);
    expect((await asked).successful).toBe(true);
    expect(await subscriptionsOf('acknowledged', clientId)).toEqual([FENCED, '/news']);
  });

  it('subscribes a client where it has gone meanwhile, before it is answered', async () => {
    await start('unanswered');
    const clientId = await subscriber();
    await socketAt(a, clientId);
    await cut();
    const asked = say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    await until(() => a.engine.registry.get(clientId)?.channels.has('/news'), 'the subscription');
    await socketAt(b, clientId);
    expect(b.engine.registry.get(clientId)?.channels.has('/news')).toBe(false);
    door.leadTo(redis.url);
    expect((await asked).successful).toBe(true);
    expect(b.engine.registry.get(clientId)?.channels.has('/news')).toBe(true);
  });

  it('subscribes a client where it goes in the same moment, which the other node does not know of', async () => {
    await start('moment');
    const clientId = await subscriber();
    await socketAt(a, clientId);
    const { write } = SessionRecords.prototype;
    vi.spyOn(SessionRecords.prototype, 'write').mockImplementationOnce(async function (
      this: SessionRecords,
      ...args
    ) {
      await until(() => b.has(clientId), 'the other node to have it');
      return write.apply(this, args);
    });
    const asked = say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    await until(() => a.engine.registry.get(clientId)?.channels.has('/news'), 'the subscription');
    await socketAt(b, clientId);
    expect((await asked).successful).toBe(true);
    expect(b.engine.registry.get(clientId)?.channels.has('/news')).toBe(true);
  });

  it('keeps what its client subscribes to at another node, which acknowledges it once it has heard of it', async () => {
    await start('elsewhere');
    const clientId = await subscriber();
    await socketAt(a, clientId);
    // A proof that is new there would move it.
    expect((await say(b.endpoint, { channel: '/said', clientId, data: 1, auth })).successful).toBe(true);
    await cut();
    const client = a.engine.registry.get(clientId);
    const asks = vi.spyOn(NodeRpc.prototype, 'ask');
    let isAcknowledged = false;
    const asked = say(b.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    const acknowledged = asked.then(({ successful }) => {
      isAcknowledged = successful === true;
    });
    const times = () => asks.mock.calls.filter(([, subject]) => subject === 'subscribe').length;
    await until(() => times() > 1, 'the owner to be asked again');
    expect(isAcknowledged).toBe(false);
    door.leadTo(redis.url);
    await acknowledged;
    expect(isAcknowledged).toBe(true);
    expect(a.engine.registry.get(clientId)).toBe(client);
    expect(client?.channels.has('/news')).toBe(true);
    expect(await subscriptionsOf('elsewhere', clientId)).toEqual([FENCED, '/news']);
  });

  it('gives up its client to the node that has it, where Redis has lost who has it', async () => {
    await start('emptied');
    const clientId = await subscriber('/news');
    await socketAt(a, clientId);
    await cut();
    const after = await socketAt(b, clientId);
    await redis.flush();
    door.leadTo(redis.url);
    await until(() => !a.has(clientId), 'the node to let go', 20_000);
    expect(b.has(clientId)).toBe(true);
    await fence([a, b], [() => after.received]);
    const owners = async () => (await redis.keys()).filter((key) => key.includes('/clients_of/'));
    await until(async () => (await owners()).length === 1, 'one node to count the client');
  });

  it('loses nothing of what waits at a node that has lost its lease', async () => {
    await start('returns');
    const clientId = await subscriber('/news');
    await cut();
    expect(await b.engine.ownership.adopt(clientId)).toBe(true);
    for (const data of [1, 2]) b.publish('/news', data);
    await until(() => b.engine.registry.get(clientId)?.waiting, 'the news to wait');
    // Its lease is over.
    const keys = new SessionKeys('returns');
    const client = b.engine.registry.get(clientId);
    const session = sessionsOf(b).reconciler.get(clientId);
    const { revision = 0 } = session ?? {};
    await redis.ask(async (ask) => {
      const node = await ask.hget(keys.client(clientId), 'node');
      await ask.zrem(keys.nodes, String(node));
    });
    await until(
      () => session && session.confirmed > revision && !session.isDirty,
      'the client to be written again',
    );
    expect(b.engine.registry.get(clientId)).toBe(client);
    const after = await socketAt(b, clientId);
    await fence([b], [() => after.received]);
    expect(after.heard('/news')).toEqual([1, 2]);
  });

  it('says what is yet to be said as it stops', async () => {
    await start('stops');
    const clientId = await newClientId(b.endpoint);
    await say(b.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    const there = await socketAt(b, clientId);
    const { backplane } = a.engine as unknown as { backplane: { outboxes: { hold(): void } } };
    // As after an outage.
    backplane.outboxes.hold();
    for (const data of [1, 2]) a.publish('/news', data);
    await a.server.stop();
    await until(() => there.heard('/news').length === 2, 'the news');
  });
});

describe('two nodes that are connected', () => {
  let redis: RedisServer;
  let a: OneNode;
  let b: OneNode;

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());
  beforeEach(async () => {
    [a, b] = (await startNodes(2, { redis: redis.url })) as [OneNode, OneNode];
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    cutSockets();
    await stopAll();
    await redis.flush();
  });

  async function subscriber(): Promise<string> {
    const clientId = await newClientId(a.endpoint);
    for (const subscription of ['/news', FENCED])
      await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription });
    return clientId;
  }

  async function socketAt(node: OneNode, clientId: string): Promise<BayeuxSocket> {
    const socket = await BayeuxSocket.open(node.endpoint);
    expect((await socket.connect(clientId)).successful).toBe(true);
    return socket;
  }

  it('hand over what waits also where the one before has found out by itself that the client has gone', async () => {
    const clientId = await subscriber();
    b.publish('/news', 1);
    const client = await until(() => a.engine.registry.get(clientId), 'the client');
    await until(() => client.waiting, 'the news to wait');
    // By a write that is refused, before the notice comes.
    const noticed = vi.spyOn(sessionsOf(a).claims, 'noticed').mockImplementation(() => {});
    const { claim } = SessionRecords.prototype;
    vi.spyOn(SessionRecords.prototype, 'claim').mockImplementationOnce(async function (
      this: SessionRecords,
      ...args
    ) {
      const claimed = await claim.apply(this, args);
      expect(a.has(clientId)).toBe(true);
      await rewrite(a, clientId);
      expect(a.has(clientId)).toBe(false);
      return claimed;
    });
    const there = await socketAt(b, clientId);
    await fence([a, b], [() => there.received]);
    expect(there.heard('/news')).toEqual([1]);
    expect(noticed).toHaveBeenCalledTimes(1);
  });

  it('hand over what the client does not subscribe to any more, which is not written yet', async () => {
    const clientId = await subscriber();
    const { write } = SessionRecords.prototype;
    const writing = vi.spyOn(SessionRecords.prototype, 'write').mockImplementationOnce(async function (
      this: SessionRecords,
      ...args
    ) {
      await until(() => b.has(clientId), 'the other node to have it');
      return write.apply(this, args);
    });
    await say(a.endpoint, { channel: '/meta/unsubscribe', clientId, subscription: '/news' });
    await until(() => writing.mock.calls.length > 0, 'the write');
    const there = await socketAt(b, clientId);
    a.publish('/news', 1);
    await fence([a, b], [() => there.received]);
    expect(there.heard('/news')).toEqual([]);
    const key = new SessionKeys('faye').client(clientId);
    const channels = () => redis.ask((ask) => ask.hget(key, 'channels'));
    await until(async () => (await channels()) === JSON.stringify([FENCED]), 'the record to say so');
  });

  it('hand over what waits to the last one that claims the client, by way of those before', async () => {
    const clientId = await subscriber();
    b.publish('/news', 1);
    await until(() => a.engine.registry.get(clientId)?.waiting, 'the news to wait');
    const { claim } = SessionRecords.prototype;
    let claims = 0;
    vi.spyOn(SessionRecords.prototype, 'claim').mockImplementation(async function (
      this: SessionRecords,
      ...args
    ) {
      claims += 1;
      const isFirst = claims === 1;
      const claimed = await claim.apply(this, args);
      // Its answer comes late: the client has been claimed again by then.
      if (isFirst) await until(() => claims > 1 && isNoticed(), 'the claim of the other');
      return claimed;
    });
    const isNoticed = () => sessionsOf(b).reconciler.get(clientId)?.notice !== undefined;
    // Nothing else makes it let go.
    vi.spyOn(sessionsOf(b).reconciler, 'suspectAll').mockImplementation(() => {});
    const first = b.engine.ownership.adopt(clientId).catch(() => false);
    await until(() => claims === 1, 'the first claim');
    await until(() => !a.has(clientId), 'the owner to let go');
    await Promise.all([first, a.engine.ownership.adopt(clientId).catch(() => false)]);
    await until(() => [a, b].filter((node) => node.has(clientId)).length === 1, 'one node to have it');
    const there = await socketAt(a, clientId);
    await fence([a, b], [() => there.received]);
    expect(there.heard('/news')).toEqual([1]);
  });

  it('hand over what the new one published just before the client came', async () => {
    const clientId = await subscriber();
    const news = Array.from({ length: 5_100 }, (_, index) => index);
    for (const each of news.slice(0, 5_000)) b.publish('/news', each);
    expect(await b.engine.ownership.adopt(clientId)).toBe(true);
    for (const each of news.slice(5_000)) b.publish('/news', each);
    const there = await socketAt(b, clientId);
    await fence([a, b], [() => there.received]);
    // 1,000 messages wait for a client at most; the oldest are dropped.
    expect(there.heard('/news')).toEqual(news.slice(-1_000));
  });
});
