/** How much one client, and one address, may ask of the server, and how much may wait for one that does not read. */
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { EventStream } from '../support/event-stream.js';
import { ask } from '../support/http-request.js';
import { startPlainFaye } from '../support/plain-faye.js';
import { RedisServer } from '../support/redis-server.js';
import {
  connectMessage,
  newClientId,
  post,
  type Reply,
  type Running,
  say,
  startServer,
  user,
} from '../support/server.js';
import { upgradesOf } from '../support/server-sockets.js';
import { until } from '../support/until.js';
import { newSubscriber, stopTargets, subscribe, type Target } from './target.js';
import { inBothWorlds } from './worlds.js';

afterEach(stopTargets);

const WAIT = /^429:\d+:Too many requests$/;

/** As an array of replies in the order of the messages. */
const sayAll = async (endpoint: string, messages: object[], headers?: Record<string, string>) =>
  (await post(endpoint, messages, headers)).replies;

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
const accepted = (replies: Reply[]) => replies.filter(({ successful }) => successful).length;

describe('a subscriber that does not read', () => {
  const MEGABYTE = 1024 * 1024;
  const LIMITS = { unsentBytes: 65_536 };

  /** 20 MB, from within the server, so that nothing but the subscriber is slow; each in a turn of its own. */
  async function flood({ server }: Target): Promise<void> {
    const sender = server.bayeux.getClient();
    for (let count = 0; count < 400; count += 1) {
      await sender.publish('/flood', 'x'.repeat(50 * 1024));
      await setImmediate();
    }
  }

  async function subscribeDeaf(target: Target) {
    const upgrades = upgradesOf(target.server.http);
    const clientId = await newSubscriber(target, '/flood');
    const socket = await BayeuxSocket.open(target.endpoint);
    await socket.connect(clientId);
    socket.goDeaf();
    return () => upgrades[0];
  }

  it('has 10 MB and more kept for it by plain Faye', async () => {
    const target = await startPlainFaye();
    const stream = await subscribeDeaf(target);
    await flood(target);
    expect(stream()?.writableLength).toBeGreaterThan(10 * MEGABYTE);
    expect(stream()?.destroyed).toBe(false);
  });

  it('is disconnected here, and counted', async () => {
    const target = await startServer({ limits: LIMITS });
    const stream = await subscribeDeaf(target);
    await flood(target);
    await until(() => stream()?.destroyed, 'the subscriber to be cut');
    expect(target.server.counters).toMatchObject({ 'disconnected: read too slowly': 1 });
  });

  it('is disconnected here also where it has an EventSource', async () => {
    const target = await startServer({ limits: LIMITS });
    const clientId = await newSubscriber(target, '/flood');
    const stream = await EventStream.open(target.endpoint, clientId);
    await say(target.endpoint, { ...connectMessage(clientId), connectionType: 'eventsource' });
    stream.goDeaf();
    await flood(target);
    await until(() => target.server.counters['disconnected: read too slowly'] === 1, 'it to be cut');
  });

  it('leaves one alone that reads', async () => {
    const target = await startServer({ limits: LIMITS });
    const socket = await BayeuxSocket.open(target.endpoint);
    await socket.connect(await newSubscriber(target, '/flood'));
    await flood(target);
    await until(() => socket.heard('/flood').length === 400, 'all of the flood');
    expect(target.server.counters).toEqual({});
  });
});

describe('the messages of one client', () => {
  const chat = (clientId: string) => ({ channel: '/chat', clientId, data: 1 });

  it('have no limit on plain Faye', async () => {
    const { endpoint } = await startPlainFaye();
    const clientId = await newClientId(endpoint);
    for (let batch = 0; batch < 5; batch += 1) {
      expect(accepted(await sayAll(endpoint, times(100, chat(clientId))))).toBe(100);
    }
  });

  it('are refused here beyond the rate, with the time to wait, and counted; not those of others', async () => {
    const { server, endpoint } = await startServer({ rates: { messagesPerClient: 1 } });
    const clientId = await newClientId(endpoint);
    const replies = await sayAll(endpoint, times(12, chat(clientId)));
    expect(replies.map(({ successful }) => successful)).toEqual([...times(10, true), false, false]);
    const connect = await say(endpoint, connectMessage(clientId));
    expect(connect.error).toMatch(WAIT);
    const interval = Number(connect.error?.split(':')[1]);
    expect(connect.advice).toEqual({ reconnect: 'retry', interval });
    expect(interval).toBeGreaterThanOrEqual(1_000);
    expect(interval).toBeLessThanOrEqual(10_000);
    expect(server.counters).toEqual({ 'refused: messages of one client': 3 });
    expect(await say(endpoint, chat(await newClientId(endpoint)))).toMatchObject({ successful: true });
  });

  it('of one address count together, whatever clientIds they name', async () => {
    const { server, endpoint } = await startServer({ rates: { messagesPerAddress: 1 } });
    const messages = Array.from({ length: 15 }, (_, index) => chat(`nobody${index}`));
    const replies = await sayAll(endpoint, messages);
    expect(replies.filter(({ error = '' }) => WAIT.test(error))).toHaveLength(5);
    expect(server.counters).toEqual({ 'refused: messages of one address': 5 });
  });
});

describe('messages that wait for a proof that takes its time', () => {
  const MESSAGES = 300;
  const publishing = (clientId: string) => ({ channel: '/chat', clientId, data: 'x'.repeat(60_000) });

  /** The test of who somebody is, which answers when it is told to. */
  function slowVerify() {
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    return { answer, verify: () => answered.then(() => ({ uid: 'ann', uname: 'Ann' })) };
  }

  it('are refused beyond 1 MB of a client, with the time to wait, and counted', async () => {
    const { answer, verify } = slowVerify();
    const { server, endpoint } = await startServer({ authentication: { verify } });
    const clientId = await newClientId(endpoint);
    const socket = await BayeuxSocket.open(endpoint);
    socket.send({ ...connectMessage(clientId), auth: { room_channel: '/rooms/1', token: 'ann' } });
    for (let count = 0; count < MESSAGES; count += 1)
      socket.send({ ...publishing(clientId), id: String(count) });
    socket.send({ ...connectMessage(clientId), id: 'last', ext: { filler: 'x'.repeat(60_000) } });
    const refused = () => socket.received.filter(({ error = '' }) => WAIT.test(error));
    await until(() => refused().length === MESSAGES - 17 + 1, 'all but what may wait to be refused');
    expect(refused().at(-1)).toMatchObject({ id: 'last', advice: { reconnect: 'retry', interval: 5_000 } });
    expect(server.counters).toEqual({ 'refused: waiting messages of one client': MESSAGES - 17 + 1 });
    expect(await say(endpoint, HANDSHAKE)).toMatchObject({ successful: true });
    answer();
    await until(() => socket.received.length === MESSAGES + 2, 'what has waited to be answered');
  });
});

describe('the EventSources of one address', () => {
  it('count as its messages', async () => {
    const { server, endpoint } = await startServer({ rates: { messagesPerAddress: 1 } });
    const opened = await Promise.all(
      times(14, 'nobody').map((clientId) => EventStream.open(endpoint, clientId)),
    );
    expect(opened.map(({ status }) => status).sort()).toEqual([...times(10, 404), ...times(4, 429)]);
    expect(server.counters).toEqual({ 'refused: messages of one address': 4 });
    const answer = await ask(`${endpoint}/nobody`, { headers: { Accept: 'text/event-stream' } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('the handshakes of one address', () => {
  const ten = times(10, HANDSHAKE);
  const from = (header: string) => ({ 'X-Forwarded-For': header });

  it('are refused beyond the rate, with the time to wait, and counted', async () => {
    const { server, endpoint } = await startServer({ rates: { handshakesPerAddress: 1 } });
    expect(accepted(await sayAll(endpoint, ten))).toBe(10);
    const reply = await say(endpoint, HANDSHAKE);
    expect(reply.error).toMatch(WAIT);
    expect(reply.clientId).toBeUndefined();
    expect(reply.advice).toMatchObject({ reconnect: 'retry' });
    expect(server.counters).toEqual({ 'refused: handshakes of one address': 1 });
  });

  it('are not told apart by what a client says of its address', async () => {
    const { endpoint } = await startServer({ rates: { handshakesPerAddress: 1 } });
    expect(accepted(await sayAll(endpoint, ten, from('198.51.100.1')))).toBe(10);
    expect(accepted(await sayAll(endpoint, ten, from('198.51.100.2')))).toBe(0);
  });

  it('behind a proxy are those of the address that the proxy names', async () => {
    const { endpoint } = await startServer({ rates: { handshakesPerAddress: 1 }, trustProxy: 1 });
    expect(accepted(await sayAll(endpoint, ten, from('198.51.100.1')))).toBe(10);
    expect(accepted(await sayAll(endpoint, ten, from('198.51.100.2')))).toBe(10);
    // The client's own word, in front of what the proxy has added.
    expect(accepted(await sayAll(endpoint, ten, from('198.51.100.3, 198.51.100.1')))).toBe(0);
    expect(accepted(await sayAll(endpoint, ten, from('::ffff:198.51.100.1')))).toBe(0);
  });

  it('of IPv6 are those of its first 64 bits', async () => {
    const { endpoint } = await startServer({ rates: { handshakesPerAddress: 1 }, trustProxy: 1 });
    expect(accepted(await sayAll(endpoint, ten, from('2001:db8::1')))).toBe(10);
    expect(accepted(await sayAll(endpoint, ten, from('2001:db8::ffff:2')))).toBe(0);
    expect(accepted(await sayAll(endpoint, ten, from('2001:db8:0:1::1')))).toBe(10);
  });
});

describe('the clients of one address', () => {
  it('are as many as configured, also where they all come at once', async () => {
    const { server, endpoint } = await startServer({ limits: { clientsPerAddress: 3 } });
    const ended: string[] = [];
    server.bayeux.on('disconnect', (clientId) => ended.push(clientId));
    const replies = await sayAll(endpoint, times(20, HANDSHAKE));
    expect(accepted(replies)).toBe(3);
    expect(replies.filter(({ clientId }) => clientId !== undefined)).toHaveLength(3);
    const refused = await say(endpoint, HANDSHAKE);
    expect(refused).toMatchObject({ error: '429:10000:Too many requests', advice: { reconnect: 'retry' } });
    expect(server.counters).toEqual({ 'refused: clients of one address': 18 });
    expect(ended).toHaveLength(17);
    await say(endpoint, { channel: '/meta/disconnect', clientId: replies[0]?.clientId });
    expect(accepted(await sayAll(endpoint, times(2, HANDSHAKE)))).toBe(1);
  });
});

describe('the clients of one address on two nodes', () => {
  inBothWorlds((open) => {
    it('are as many as configured on each, also where they shook hands at the other', async () => {
      const [first, second] = await open({ limits: { clientsPerAddress: 3 } });
      const arrived: Reply[] = [];
      for (let round = 0; round < 3; round += 1) {
        for (const { clientId = '' } of await sayAll(first.endpoint, times(3, HANDSHAKE))) {
          arrived.push(await say(second.endpoint, connectMessage(clientId)));
        }
      }
      expect(accepted(arrived)).toBe(3);
    });
  });
});

const subscribing = (clientId: string, names: string[]) =>
  names.map((subscription) => ({ channel: '/meta/subscribe', clientId, subscription }));
const names = (count: number, start = 0) =>
  Array.from({ length: count }, (_, index) => `/c/${start + index}`);

describe('the subscriptions of one client', () => {
  it('have no limit on plain Faye', async () => {
    const { endpoint } = await startPlainFaye();
    const clientId = await newClientId(endpoint);
    expect(await subscribe(endpoint, clientId, names(1_000))).toMatchObject({ successful: true });
  });

  it('are refused here beyond as many, in one array or one after the other, and counted', async () => {
    const { server, endpoint } = await startServer({ limits: { subscriptions: 5 } });
    const clientId = await newClientId(endpoint);
    const error = '429::Too many subscriptions';
    expect((await subscribe(endpoint, clientId, names(6))).error).toBe(error);
    expect(accepted(await sayAll(endpoint, subscribing(clientId, names(10))))).toBe(5);
    expect(server.counters).toEqual({ 'refused: subscriptions of one client': 6 });
    expect(await subscribe(endpoint, clientId, names(5))).toMatchObject({ successful: true });
    await say(endpoint, { channel: '/meta/unsubscribe', clientId, subscription: '/c/0' });
    expect(await subscribe(endpoint, clientId, '/d')).toMatchObject({ successful: true });
    expect((await subscribe(endpoint, clientId, '/e')).error).toBe(error);
  });
});

describe('two nodes with one Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());
  afterEach(() => redis.flush());

  async function startNode(config: object): Promise<Running> {
    const running = await startServer({ redis: redis.url, ...config });
    await until(async () => (await fetch(`${running.url}/readyz`)).ok, 'the node to be ready');
    return running;
  }

  it('count the handshakes of an address together', async () => {
    const config = { rates: { handshakesPerAddress: 1 } };
    const [first, second] = [await startNode(config), await startNode(config)];
    expect(accepted(await sayAll(first.endpoint, times(6, HANDSHAKE)))).toBe(6);
    expect(accepted(await sayAll(second.endpoint, times(6, HANDSHAKE)))).toBe(4);
  });

  it('hold a client to its subscriptions together', async () => {
    const config = { limits: { subscriptions: 5 } };
    const [first, second] = [await startNode(config), await startNode(config)];
    const clientId = await newClientId(first.endpoint);
    await say(first.endpoint, connectMessage(clientId, user('ann')));
    expect(accepted(await sayAll(first.endpoint, subscribing(clientId, names(2))))).toBe(2);
    expect(accepted(await sayAll(second.endpoint, subscribing(clientId, names(10, 1))))).toBe(4);
    expect((await subscribe(first.endpoint, clientId, '/d')).error).toBe('429::Too many subscriptions');
    expect(second.server.counters).toEqual({ 'refused: subscriptions of one client': 6 });
  });

  it('hold a client to its subscriptions also where many are on their way to Redis', async () => {
    const { endpoint } = await startNode({ limits: { subscriptions: 5 } });
    const clientId = await newClientId(endpoint);
    await say(endpoint, connectMessage(clientId, user('ann')));
    expect(accepted(await sayAll(endpoint, subscribing(clientId, names(50))))).toBe(5);
  });
});
