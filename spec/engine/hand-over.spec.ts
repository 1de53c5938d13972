/** What a client had on the node before, where that could not say it as the client went: it was cut off from Redis. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EngineKeys } from '../../src/engine/redis/keys.js';
import { BayeuxSocket, cutSockets } from '../support/bayeux-socket.js';
import { RedisServer } from '../support/redis-server.js';
import { newClientId, say, stopAll } from '../support/server.js';
import { until } from '../support/until.js';
import { closeDoors, Door, FENCED, fence, type OneNode, startNode, startNodes } from './nodes.js';

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
    await until(async () => (await b.server.status()).nodes.length === 2, 'the node behind the door');
  }

  async function cut(): Promise<void> {
    door.leadTo(NOWHERE);
    await until(() => !a.engine.connected, 'the node to notice');
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

  it('tells the node that has its clients what they had, before it says anything to all', async () => {
    await start('cut');
    const [connected, waiting] = [await subscriber('/news'), await subscriber('/news')];
    const before = await socketAt(a, connected);
    await cut();
    a.publish('/news', 1);
    await until(() => before.heard('/news').length > 0, 'the news');
    const [one, other] = [await socketAt(b, connected), await socketAt(b, waiting)];
    door.leadTo(redis.url);
    await until(() => !a.has(connected) && !a.has(waiting), 'the node to let go');
    a.publish('/news', 2);
    await fence([a, b], [() => one.received, () => other.received]);
    expect(one.heard('/news')).toEqual([2]);
    expect(other.heard('/news')).toEqual([1, 2]);
  });

  it('tells it also of a client that has ended here since it went', async () => {
    await start('ended');
    const clientId = await subscriber('/news');
    const before = await socketAt(a, clientId);
    await cut();
    a.publish('/news', 1);
    await until(() => before.heard('/news').length > 0, 'the news');
    const after = await socketAt(b, clientId);
    a.engine.destroyClient(clientId);
    expect(a.has(clientId)).toBe(false);
    door.leadTo(redis.url);
    await until(() => a.engine.connected, 'the node to be back');
    a.publish('/news', 2);
    await fence([a, b], [() => after.received]);
    expect(after.heard('/news')).toEqual([2]);
    expect(b.has(clientId)).toBe(true);
  });

  it('acknowledges a subscription once others can know of it, and serves it until then', async () => {
    await start('acknowledged');
    const clientId = await subscriber();
    const socket = await socketAt(a, clientId);
    await cut();
    const asked = socket.ask({ channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    await until(() => a.engine.get(clientId)?.channels.has('/news'), 'the subscription');
    a.publish('/news', 1);
    await until(() => socket.heard('/news').length > 0, 'the news');
    const replies = socket.received.filter(({ channel }) => channel === '/meta/subscribe');
    expect(replies).toEqual([]);
    door.leadTo(redis.url);
    expect((await asked).successful).toBe(true);
    const subscriptions = new EngineKeys('acknowledged').subscriptions(clientId);
    expect((await redis.ask((ask) => ask.smembers(subscriptions))).sort()).toEqual([FENCED, '/news']);
  });

  it('cuts who waits for that where the client has gone to another node: it asks again there', async () => {
    await start('unanswered');
    const clientId = await subscriber();
    await socketAt(a, clientId);
    await cut();
    const asked = say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    const failed = expect(asked).rejects.toThrow();
    await until(() => a.engine.get(clientId)?.channels.has('/news'), 'the subscription');
    await socketAt(b, clientId);
    door.leadTo(redis.url);
    await failed;
    expect(b.engine.get(clientId)?.channels.has('/news')).toBe(false);
  });

  it('gives up its client to the node that has it, where Redis has lost who has it', async () => {
    await start('emptied');
    const clientId = await subscriber('/news');
    const before = await socketAt(a, clientId);
    await cut();
    a.publish('/news', 1);
    await until(() => before.heard('/news').length > 0, 'the news');
    const after = await socketAt(b, clientId);
    await redis.flush();
    door.leadTo(redis.url);
    await until(() => !a.has(clientId), 'the node to let go', 20_000);
    expect(b.has(clientId)).toBe(true);
    await fence([a, b], [() => after.received]);
    expect(after.heard('/news')).toEqual([]);
    const owners = async () => (await redis.keys()).filter((key) => key.includes('/clients_of/'));
    await until(async () => (await owners()).length === 1, 'one node to count the client');
  });
});
