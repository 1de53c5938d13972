/** What arrives of what is published, over real sockets of a whole server. */
import { once } from 'node:events';
import type { Extension as FayeExtension, Message } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Pass } from '../../src/bayeux/extension.js';
import { internalsOf } from '../../src/bayeux/internals.js';
import { textFrame } from '../../src/engine/frame.js';
import type { OnlineEngine } from '../../src/engine/online-engine.js';
import { type Config, extension } from '../../src/index.js';
import { cutEventStreams, EventStream } from '../support/event-stream.js';
import { newClientId, post, type Reply, type Running, say, startServer, stopAll } from '../support/server.js';
import { until } from '../support/until.js';

const FENCE = '/fence';

interface Heard {
  clientId: string;
  /** Each batch as it came: the array of a frame, or of a poll's answer. Replies and fences are left out. */
  batches(): Reply[][];
  cut(): void;
}

type Way = 'websocket' | 'compressed' | 'eventsource' | 'long-polling';

const WAYS: readonly Way[] = ['websocket', 'compressed', 'eventsource', 'long-polling'];

const opened: Heard[] = [];

afterEach(async () => {
  for (const each of opened.splice(0)) each.cut();
  cutEventStreams();
  await stopAll();
});

async function subscriber(running: Running, channels: string[], way: Way = 'websocket'): Promise<Heard> {
  const clientId = await newClientId(running.endpoint);
  for (const subscription of [...channels, `${FENCE}/${clientId}`]) {
    await say(running.endpoint, { channel: '/meta/subscribe', clientId, subscription });
  }
  const heard = await OPEN[way](running, clientId);
  opened.push(heard);
  return heard;
}

const isPublished = ({ channel, successful }: Reply) =>
  successful === undefined && !channel.startsWith(FENCE) && !channel.startsWith('/meta/');

/** Fences are seen before they are taken out. */
const withoutReplies = (batches: Reply[][]): Reply[][] =>
  batches.map((batch) => batch.filter(isPublished)).filter((batch) => batch.length > 0);

const fences = new Map<string, () => Reply[][]>();

function heardBy(clientId: string, all: () => Reply[][], cut: () => void): Heard {
  fences.set(clientId, all);
  return { clientId, batches: () => withoutReplies(all()), cut };
}

async function webSocket({ endpoint }: Running, clientId: string, compressed: boolean): Promise<Heard> {
  const batches: Reply[][] = [];
  const ws = new WebSocket(endpoint.replace('http', 'ws'), { perMessageDeflate: compressed });
  ws.on('message', (text) => batches.push(JSON.parse(String(text)) as Reply[]));
  await once(ws, 'open');
  expect(ws.extensions.includes('permessage-deflate')).toBe(compressed);
  ws.send(JSON.stringify([{ channel: '/meta/connect', clientId, connectionType: 'websocket' }]));
  // Its socket is bound once the connect has passed, which a second message of the client comes after.
  ws.send(JSON.stringify([{ channel: '/faye_online/before_leave', clientId, data: {} }]));
  await until(() => batches.length > 0, 'the socket to be bound');
  return heardBy(
    clientId,
    () => batches,
    () => ws.terminate(),
  );
}

async function eventSource({ endpoint }: Running, clientId: string): Promise<Heard> {
  const stream = await EventStream.open(endpoint, clientId);
  await say(endpoint, { channel: '/meta/connect', clientId, connectionType: 'eventsource' });
  return heardBy(
    clientId,
    () => stream.received.map((message) => [message]),
    () => stream.cut(),
  );
}

/** Polls on and on, until its client is gone. */
async function longPolling({ endpoint }: Running, clientId: string): Promise<Heard> {
  const batches: Reply[][] = [];
  let going = true;
  const connect = { channel: '/meta/connect', clientId, connectionType: 'long-polling' };
  const poll = async () => {
    while (going) {
      const { replies } = await post(endpoint, connect);
      batches.push(replies);
      going &&= replies[0]?.successful === true;
    }
  };
  // At the end of the spec the server ends the poll.
  poll().catch(() => {});
  return heardBy(
    clientId,
    () => batches,
    () => {
      going = false;
    },
  );
}

const OPEN: Record<Way, (running: Running, clientId: string) => Promise<Heard>> = {
  websocket: (running, clientId) => webSocket(running, clientId, false),
  compressed: (running, clientId) => webSocket(running, clientId, true),
  eventsource: eventSource,
  'long-polling': longPolling,
};

const insideOf = ({ server }: Running) => {
  const { proxy, engine } = internalsOf(server.bayeux);
  return { proxy, engine: engine as unknown as OnlineEngine };
};

let fenced = 0;

/** All that a client has got, once a last message of ours has come. */
async function hears(running: Running, { clientId, batches }: Heard, limit?: number): Promise<Reply[][]> {
  const fence = ++fenced;
  insideOf(running).proxy.publish({ channel: `${FENCE}/${clientId}`, data: fence });
  const all = fences.get(clientId) ?? (() => []);
  const isFence = ({ channel, data }: Reply) => channel.startsWith(FENCE) && data === fence;
  await until(() => all().some((batch) => batch.some(isFence)), 'the fence', limit);
  return batches();
}

const dataOf = (batches: Reply[][]): unknown[] => batches.flat().map(({ data }) => data);

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('fan-out', () => {
  it('sends the messages of a turn as one array', async () => {
    const running = await startServer();
    const { proxy } = insideOf(running);
    const alice = await subscriber(running, ['/a', '/b']);
    const bob = await subscriber(running, ['/b']);
    for (const n of [1, 2, 3]) {
      proxy.publish({ channel: '/a', data: n });
      proxy.publish({ channel: '/b', data: -n });
    }
    await nextTurn();
    proxy.publish({ channel: '/a', data: 4 });
    expect((await hears(running, alice)).map((batch) => batch.map(({ data }) => data))).toEqual([
      [1, -1, 2, -2, 3, -3],
      [4],
    ]);
    expect(dataOf(await hears(running, bob))).toEqual([-1, -2, -3]);
  });

  it('brings each message once to a client that several of its subscriptions bring it to', async () => {
    const running = await startServer();
    const alice = await subscriber(running, ['/a/b', '/a/*', '/**']);
    for (const n of [1, 2]) insideOf(running).proxy.publish({ channel: '/a/b', data: n });
    expect(dataOf(await hears(running, alice))).toEqual([1, 2]);
  });

  it('keeps the order, over channels and with what is for some clients alone', async () => {
    const running = await startServer();
    const { proxy, engine } = insideOf(running);
    const alice = await subscriber(running, ['/a', '/b/*']);
    const bob = await subscriber(running, ['/b/c']);
    const [forAlice, forBob]: [number[], number[]] = [[], []];
    for (let n = 0; n < 60; n += 1) {
      if (n % 3 === 0) engine.delivery.deliver([alice.clientId], { channel: '/mine', data: n }, '');
      else proxy.publish({ channel: n % 3 === 1 ? '/a' : '/b/c', data: n });
      forAlice.push(n);
      if (n % 3 === 2) forBob.push(n);
      if (n % 7 === 0) await nextTurn();
    }
    expect(dataOf(await hears(running, alice))).toEqual(forAlice);
    expect(dataOf(await hears(running, bob))).toEqual(forBob);
  });

  it('keeps the order of what clients publish', async () => {
    const running = await startServer();
    const [alice, bob] = [await subscriber(running, ['/a', '/b']), await subscriber(running, ['/a', '/b'])];
    const all = Array.from({ length: 40 }, (_, n) => n);
    const publish = (n: number) => ({ channel: n % 2 ? '/a' : '/b', clientId: alice.clientId, data: n });
    await post(running.endpoint, all.map(publish));
    for (const each of [alice, bob]) expect(dataOf(await hears(running, each))).toEqual(all);
  });

  it.each([125, 126, 127, 65_535, 65_536, 70_000])('sends %i bytes as they are', async (bytes) => {
    const running = await startServer();
    const alice = await subscriber(running, ['/a']);
    const wrapping = Buffer.byteLength(JSON.stringify([{ channel: '/a', data: '€ß👋' }]));
    const data = `€ß👋${'x'.repeat(bytes - wrapping)}`;
    const json = JSON.stringify([{ channel: '/a', data }]);
    expect(Buffer.byteLength(json)).toBe(bytes);
    expect(textFrame(json).length).toBeGreaterThan(bytes);
    insideOf(running).proxy.publish({ channel: '/a', data });
    insideOf(running).proxy.publish({ channel: '/nobody', data });
    expect(dataOf(await hears(running, alice))).toEqual([data]);
  });

  it('sends nothing to a client that ends within the turn', async () => {
    const running = await startServer();
    const { proxy } = insideOf(running);
    const [alice, bob] = [await subscriber(running, ['/a']), await subscriber(running, ['/a'])];
    proxy.publish({ channel: '/a', data: 1 });
    proxy.destroyClient(alice.clientId);
    expect(dataOf(await hears(running, bob))).toEqual([1]);
    expect(alice.batches()).toEqual([]);
  });

  it('disconnects a slow reader, counts it, and spares the others', async () => {
    const running = await startServer({ limits: { unsentBytes: 65_536 } });
    const { proxy } = insideOf(running);
    const bob = await subscriber(running, ['/a']);
    const clientId = await newClientId(running.endpoint);
    await say(running.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/a' });
    const slow = new WebSocket(running.endpoint.replace('http', 'ws'));
    slow.on('error', () => {});
    await once(slow, 'open');
    slow.send(JSON.stringify([{ channel: '/meta/connect', clientId, connectionType: 'websocket' }]));
    await until(() => proxy.hasConnection(clientId), 'the slow one to be connected');
    slow.pause();
    let sent = 0;
    const isCounted = () => running.server.counters['disconnected: read too slowly'] === 1;
    await until(() => {
      if (!isCounted()) proxy.publish({ channel: '/a', data: [++sent, 'x'.repeat(200_000)] });
      return isCounted() && !proxy.hasConnection(clientId);
    }, 'the slow one to be cut');
    slow.terminate();
    const heard = dataOf(await hears(running, bob)) as [number, string][];
    expect(heard.map(([n]) => n)).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
  });
});

describe('every way', () => {
  const stamps = { given: 0 };
  /** Each recipient's copy gets a number of its own. */
  const stamp: FayeExtension = {
    outgoing(message: Message, callback: Pass) {
      if (message.data !== undefined && !message.channel.startsWith(FENCE)) {
        stamps.given += 1;
        message.data = {
          ...(message.data as object),
          stamps: [stamps.given, (message.data as Stamped).stamps],
        };
      }
      callback(message);
    },
  };

  interface Stamped {
    n: number;
    stamps?: unknown;
  }

  async function everyWay(config: Config = {}) {
    const running = await startServer({ compression: true, ...config });
    const heard: Heard[] = [];
    for (const way of [...WAYS, ...WAYS]) heard.push(await subscriber(running, ['/a', '/a/**'], way));
    const { proxy } = insideOf(running);
    await until(() => heard.every(({ clientId }) => proxy.hasConnection(clientId)), 'all to be connected');
    return { running, heard, proxy };
  }

  const numbers = Array.from({ length: 30 }, (_, n) => n);

  async function publishAll(proxy: ReturnType<typeof insideOf>['proxy']): Promise<void> {
    for (const n of numbers) {
      proxy.publish({ channel: n % 2 ? '/a' : '/a/b', data: { n } });
      if (n % 4 === 0) await nextTurn();
    }
  }

  it('brings the same messages', async () => {
    const { running, heard, proxy } = await everyWay();
    await publishAll(proxy);
    for (const each of heard) {
      expect(dataOf(await hears(running, each))).toEqual(numbers.map((n) => ({ n })));
    }
  });

  it("brings each recipient a copy of its own through the operator's outgoing extension", async () => {
    const { running, heard, proxy } = await everyWay();
    running.server.bayeux.addExtension(stamp);
    await publishAll(proxy);
    const seen = new Set<unknown>();
    for (const each of heard) {
      const copies = dataOf(await hears(running, each)) as (Stamped & { stamps: [number, undefined] })[];
      expect(copies.map(({ n }) => n)).toEqual(numbers);
      for (const { stamps: given } of copies) {
        expect(given).toHaveLength(2);
        // Not stamped before, on its way to another.
        expect(given[1] ?? undefined).toBeUndefined();
        seen.add(given[0]);
      }
    }
    expect(seen.size).toBe(heard.length * numbers.length);
  });

  it('goes the fast way again once the extension is taken away', async () => {
    const running = await startServer();
    const { proxy } = insideOf(running);
    const alice = await subscriber(running, ['/a']);
    running.server.bayeux.addExtension(stamp);
    for (const n of [1, 2]) proxy.publish({ channel: '/a', data: { n } });
    await hears(running, alice);
    running.server.bayeux.removeExtension(stamp);
    for (const n of [3, 4]) proxy.publish({ channel: '/a', data: { n } });
    const batches = await hears(running, alice);
    expect(batches.map((batch) => batch.map(({ data }) => (data as Stamped).n))).toEqual([[1], [2], [3, 4]]);
  });

  it.each([true, false])(
    'shares an encoding where an extension of ours is broadcastSafe: %s',
    async (broadcastSafe) => {
      let looked = 0;
      const looking = extension({
        name: 'looking',
        broadcastSafe,
        outgoing: ({ channel }) => {
          if (channel === '/a') looked += 1;
          return true;
        },
      });
      const running = await startServer({ extensions: [looking] });
      const alice = await subscriber(running, ['/a']);
      for (const n of [1, 2, 3]) insideOf(running).proxy.publish({ channel: '/a', data: n });
      const batches = await hears(running, alice);
      expect(batches.map((batch) => batch.length)).toEqual(broadcastSafe ? [3] : [1, 1, 1]);
      expect(looked).toBe(broadcastSafe ? 0 : 3);
    },
  );

  it('brings a client that an outgoing extension keeps a message from nothing in its place', async () => {
    const { running, heard, proxy } = await everyWay();
    running.server.bayeux.addExtension({
      outgoing: (message: Message, callback: Pass) => callback(message.data === 'secret' ? null : message),
    });
    for (const data of ['before', 'secret', 'after']) proxy.publish({ channel: '/a', data });
    for (const each of heard) expect(dataOf(await hears(running, each))).toEqual(['before', 'after']);
  });

  it('brings more in a turn than may be unsent of earlier ones', async () => {
    const { running, heard, proxy } = await everyWay({ limits: { unsentBytes: 65_536 } });
    for (const n of numbers) proxy.publish({ channel: '/a', data: { n, text: 'x'.repeat(20_000) } });
    for (const each of heard) {
      const data = dataOf(await hears(running, each, 2_000)) as Stamped[];
      expect(data.map(({ n }) => n)).toEqual(numbers);
    }
    expect(running.server.counters).toEqual({});
  });

  it('brings more than may wait to those who are there to take it', async () => {
    const { running, heard, proxy } = await everyWay({ limits: { waitingMessages: 10 } });
    for (const n of numbers) proxy.publish({ channel: '/a', data: n });
    for (const each of heard) expect(dataOf(await hears(running, each))).toEqual(numbers);
    expect(running.server.counters).toEqual({});
  });
});

describe('an EventSource that is open here and gone for its browser', () => {
  const opened = async () => {
    const { endpoint, server } = await startServer();
    const clientId = await newClientId(endpoint);
    await say(endpoint, { channel: '/meta/subscribe', clientId, subscription: '/a' });
    const stream = await EventStream.open(endpoint, clientId);
    await say(endpoint, { channel: '/meta/connect', clientId, connectionType: 'eventsource' });
    const word = await until(() => stream.lastEventId, 'its word');
    return { endpoint, clientId, stream, word, proxy: internalsOf(server.bayeux).proxy };
  };

  it("gives way to the browser's reconnect, which knows its word, and to no other", async () => {
    const { endpoint, clientId, stream, word, proxy } = await opened();
    expect((await EventStream.open(endpoint, clientId, { 'Last-Event-ID': 'guessed' })).status).toBe(409);
    const again = await EventStream.open(endpoint, clientId, { 'Last-Event-ID': word });
    expect(again.status).toBe(200);
    await until(() => stream.isClosed, 'the stream before to be closed');
    proxy.publish({ channel: '/a', data: 1 });
    await until(() => again.heard('/a').length > 0, 'the message');
    expect(again.lastEventId).toBe(word);
    expect(stream.heard('/a')).toEqual([]);
  });

  it('tells its word to none that comes without it', async () => {
    const { endpoint, clientId, stream, word, proxy } = await opened();
    stream.cut();
    await until(() => !proxy.hasConnection(clientId), 'the server to notice');
    const other = await EventStream.open(endpoint, clientId);
    await say(endpoint, { channel: '/meta/connect', clientId, connectionType: 'eventsource' });
    expect(other.lastEventId).toBeUndefined();
    const again = await EventStream.open(endpoint, clientId, { 'Last-Event-ID': word });
    await until(() => other.isClosed, 'the other to be closed');
    proxy.publish({ channel: '/a', data: 1 });
    await until(() => again.heard('/a').length > 0, 'the message');
  });
});

describe('what waits for a client', () => {
  const poll = async ({ endpoint }: Running, clientId: string) => {
    const connect = {
      channel: '/meta/connect',
      clientId,
      connectionType: 'long-polling',
      advice: { timeout: 0 },
    };
    const { replies } = await post(endpoint, connect);
    return replies.filter(isPublished).map(({ data }) => data);
  };

  async function poller(running: Running): Promise<string> {
    const clientId = await newClientId(running.endpoint);
    await say(running.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/a' });
    return clientId;
  }

  it('is at most a thousand messages; the oldest are dropped, and counted', async () => {
    const running = await startServer();
    const clientId = await poller(running);
    for (let n = 0; n < 1_005; n += 1) insideOf(running).proxy.publish({ channel: '/a', data: n });
    await nextTurn();
    expect(await poll(running, clientId)).toEqual(Array.from({ length: 1_000 }, (_, index) => 5 + index));
    expect(running.server.counters).toEqual({ 'dropped: waiting messages': 5 });
    expect(await poll(running, clientId)).toEqual([]);
  });

  it('is at most one megabyte, in bytes and not in characters', async () => {
    const running = await startServer();
    const clientId = await poller(running);
    // 300 kB each, in 100,000 characters.
    for (const n of [1, 2, 3, 4, 5]) {
      insideOf(running).proxy.publish({ channel: '/a', data: `${n}${'€'.repeat(100_000)}` });
    }
    await nextTurn();
    expect((await poll(running, clientId)).map((data) => String(data)[0])).toEqual(['3', '4', '5']);
    expect(running.server.counters).toEqual({ 'dropped: waiting messages': 2 });
  });
});
