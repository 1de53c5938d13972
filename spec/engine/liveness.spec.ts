/** When a client is over: by its socket, its silence, or a peer that no longer answers. On whole servers. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { internalsOf } from '../../src/bayeux/internals.js';
import { OnlineEngine } from '../../src/engine/online-engine.js';
import type { Config } from '../../src/index.js';
import { cutEventStreams } from '../support/event-stream.js';
import {
  connectAs,
  connectMessage,
  join,
  newClientId,
  post,
  type Running,
  say,
  sees,
  startServer,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';
import { reconnects } from './nodes.js';

const ROOM = '/classes/4';

/** Seconds, that never come within a spec. */
const NEVER = 300;

/** As much as the specs say. */
const rates = { messagesPerClient: 1_000_000, messagesPerAddress: 1_000_000 };

const sockets: WebSocket[] = [];

afterEach(async () => {
  cutEventStreams();
  for (const socket of sockets.splice(0)) socket.terminate();
  await stopAll();
});

async function start(config: Config) {
  const running = await startServer({ windows: { base: 10, perUser: 0, max: 10 }, ...config });
  const { proxy, engine } = internalsOf(running.server.bayeux);
  const ended: string[] = [];
  running.server.bayeux.on('disconnect', (clientId) => ended.push(clientId));
  const left: unknown[] = [];
  running.server.presence.on('leave', (_channel, { uid }) => left.push(uid));
  return { ...running, proxy, engine: engine as unknown as OnlineEngine, ended, left };
}

/** A client's WebSocket, bound to it. */
async function openSocket(running: Running, clientId: string): Promise<WebSocket> {
  const socket = new WebSocket(running.endpoint.replace('http', 'ws'));
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'open');
  const answered = once(socket, 'message');
  const connect = { ...connectMessage(clientId), connectionType: 'websocket' };
  socket.send(JSON.stringify([connect]));
  const [answer] = await answered;
  expect(JSON.parse(String(answer))).toMatchObject([{ channel: '/meta/connect', successful: true }]);
  return socket;
}

describe('a client whose WebSocket has closed', () => {
  it.each(['close', 'terminate'] as const)('is over after the grace (%s)', async (how) => {
    const running = await start({ timeout: NEVER, grace: 0.5 });
    const clientId = await newClientId(running.endpoint);
    const socket = await openSocket(running, clientId);
    expect(running.ended).toEqual([]);
    socket[how]();
    await until(() => running.ended.length > 0, 'its end');
    expect(running.ended).toEqual([clientId]);
    expect(running.engine.registry.size).toEqual({ clients: 0, channels: 0 });
    expect(await running.engine.ownership.exists(clientId)).toBe(false);
  });

  it('is not over before', async () => {
    const running = await start({ timeout: NEVER, grace: NEVER });
    const clientId = await newClientId(running.endpoint);
    const socket = await openSocket(running, clientId);
    socket.terminate();
    await until(() => !running.proxy.hasConnection(clientId), 'the server to see that it is closed');
    expect(await running.engine.ownership.exists(clientId)).toBe(true);
  });

  it('stays where it comes back, and is over after the grace of its next socket', async () => {
    const running = await start({ timeout: NEVER, grace: 1 });
    const clientId = await newClientId(running.endpoint);
    const other = await newClientId(running.endpoint);
    for (const id of [clientId, other]) (await openSocket(running, id)).terminate();
    await until(() => !running.proxy.hasConnection(clientId), 'the server to see that it is closed');
    const socket = await openSocket(running, clientId);
    await until(() => running.ended.includes(other), 'the end of one that stayed away for as long');
    expect(await running.engine.ownership.exists(clientId)).toBe(true);
    socket.terminate();
    await until(() => running.ended.includes(clientId), 'its end');
  });

  it('stays where it polls from then on', async () => {
    const running = await start({ timeout: NEVER, grace: 1 });
    const clientId = await newClientId(running.endpoint);
    const other = await newClientId(running.endpoint);
    for (const id of [clientId, other]) (await openSocket(running, id)).terminate();
    await until(() => !running.proxy.hasConnection(clientId), 'the server to see that it is closed');
    await post(running.endpoint, connectMessage(clientId));
    await until(() => running.ended.includes(other), 'the end of one that stayed away for as long');
    expect(await running.engine.ownership.exists(clientId)).toBe(true);
  });

  it('stays where an older socket closes after it has another', async () => {
    const running = await start({ timeout: NEVER, grace: 0.5 });
    const clientId = await newClientId(running.endpoint);
    const other = await newClientId(running.endpoint);
    const older = await openSocket(running, clientId);
    await openSocket(running, clientId);
    await until(() => older.readyState === WebSocket.CLOSED, 'the older socket to be closed');
    (await openSocket(running, other)).terminate();
    await until(() => running.ended.includes(other), 'the end of one that closed later');
    expect(running.proxy.hasConnection(clientId)).toBe(true);
    expect(running.ended).toEqual([other]);
  });

  it('gets with its next socket what came meanwhile, and what came while the last was closing', async () => {
    const running = await start({ timeout: NEVER, grace: NEVER });
    const clientId = await newClientId(running.endpoint);
    await say(running.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/a' });
    await openSocket(running, clientId);
    // The closing handshake takes a moment, in which the stream drops what it is given.
    streamOf(running.engine, clientId).close();
    running.proxy.publish({ channel: '/a', data: 'closing' });
    await until(() => !running.proxy.hasConnection(clientId), 'the socket to be closed');
    running.proxy.publish({ channel: '/a', data: 'closed' });
    const next = new WebSocket(running.endpoint.replace('http', 'ws'));
    sockets.push(next);
    const heard: { channel: string; data?: unknown }[] = [];
    next.on('message', (text) => heard.push(...JSON.parse(String(text))));
    await once(next, 'open');
    next.send(JSON.stringify([{ ...connectMessage(clientId), connectionType: 'websocket' }]));
    await until(() => heard.some(({ data }) => data === 'closed'), 'what waited');
    const data = heard.filter(({ channel }) => channel === '/a').map((message) => message.data);
    expect(data).toEqual(['closing', 'closed']);
  });
});

describe("npm's client that is cut off", () => {
  it('comes back with its clientId, its subscriptions, and without leaving', async () => {
    const running = await start({ timeout: NEVER, grace: 5 });
    const ann = await join(running.endpoint, user('ann'));
    const bob = await join(running.endpoint, user('bob'));
    await sees(bob, ROOM, ['ann', 'bob']);
    await until(() => running.proxy.hasConnection(ann.clientId() ?? ''), "ann's socket");
    const heard: unknown[] = [];
    await ann.client.subscribe('/news', (data) => heard.push(data));
    const [before, lists] = [ann.clientId(), bob.lists(ROOM).length];

    // By the server's own hand, without a closing handshake, as a network does it.
    let downs = 0;
    ann.client.on('transport:down', () => {
      downs += 1;
    });
    streamOf(running.engine, before ?? '').cut();
    await until(() => downs > 0, 'ann to notice');
    await until(() => running.proxy.hasConnection(before ?? ''), 'ann to be back');
    running.server.bayeux.getClient().publish('/news', 'welcome');
    await until(() => heard.length > 0, 'the news');

    expect(ann.clientId()).toBe(before);
    expect(running.ended).toEqual([]);
    expect(running.left).toEqual([]);
    expect(bob.lists(ROOM)).toHaveLength(lists);
  });
});

describe('an EventSource that is closed and opened again and again', () => {
  it('keeps its client until that has been silent for twice the timeout, and no longer', async () => {
    const running = await start({ timeout: 1, grace: 5, rates });
    const clientId = await newClientId(running.endpoint);
    const ends = () => running.ended.length > 0;
    expect(await reconnects([running.endpoint], clientId, ends)).toBeGreaterThan(1);
    expect(running.ended).toEqual([clientId]);
  });

  it('is back in time where its client connects again', async () => {
    const running = await start({ timeout: 1, grace: 5, rates });
    const [silent, other] = [await newClientId(running.endpoint), await newClientId(running.endpoint)];
    const connects = async () => {
      const { error } = await say(running.endpoint, {
        ...connectMessage(other),
        connectionType: 'eventsource',
      });
      expect(error).toBeUndefined();
    };
    const ends = async () => {
      await connects();
      return running.ended.includes(silent);
    };
    await Promise.all([
      reconnects([running.endpoint], silent, () => running.ended.includes(silent)),
      reconnects([running.endpoint], other, ends),
    ]);
    expect(running.ended).toEqual([silent]);
  });
});

describe('a client that polls', () => {
  it('is over after twice the timeout in silence, and one that polls on is not', async () => {
    const running = await start({ timeout: 1, grace: 0.5 });
    const bob = connectAs(running.endpoint, user('bob'), 'long-polling');
    await bob.client.subscribe(`${ROOM}/user_list`, () => {});
    const silent = await newClientId(running.endpoint);
    await post(running.endpoint, connectMessage(silent, user('ann')));
    await sees(bob, ROOM, ['bob', 'ann']);
    await until(() => running.ended.length > 0, 'the end of the silent one');
    expect(running.ended).toEqual([silent]);
    await sees(bob, ROOM, ['bob']);
  });

  it('is not over after the grace, which is for sockets', async () => {
    const running = await start({ timeout: NEVER, grace: 0.5 });
    const polling = await newClientId(running.endpoint);
    await post(running.endpoint, connectMessage(polling));
    const other = await newClientId(running.endpoint);
    (await openSocket(running, other)).terminate();
    await until(() => running.ended.includes(other), 'the end of one with a socket');
    expect(running.ended).toEqual([other]);
  });

  it('is over where it never connected', async () => {
    const running = await start({ timeout: 1 });
    const clientId = await newClientId(running.endpoint);
    await until(() => running.ended.length > 0, 'its end');
    expect(running.ended).toEqual([clientId]);
  });
});

describe('a half-open WebSocket', () => {
  it('is found by ping and pong; its client is over after the grace', async () => {
    const running = await start({ timeout: NEVER, ping: 1, grace: 0.5 });
    const bob = await join(running.endpoint, user('bob'));
    const clientId = await newClientId(running.endpoint);
    await post(running.endpoint, connectMessage(clientId, user('ann')));
    const socket = await openSocket(running, clientId);
    await sees(bob, ROOM, ['bob', 'ann']);
    // Its end of the connection is open, and nobody reads there.
    socket.pause();
    await until(() => running.ended.length > 0, 'its end');
    expect(running.ended).toEqual([clientId]);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    await sees(bob, ROOM, ['bob']);
    expect(running.proxy.hasConnection(bob.clientId() ?? '')).toBe(true);
  });
});

describe('a server that stood still', () => {
  const workers: Worker[] = [];
  afterEach(() => Promise.all(workers.splice(0).map((worker) => worker.terminate())));

  async function outside(running: Running) {
    const clientId = await newClientId(running.endpoint);
    const worker = new Worker(new URL('./outsider.mjs', import.meta.url), {
      workerData: { endpoint: running.endpoint, clientId },
    });
    workers.push(worker);
    const heard: unknown[] = [];
    worker.on('message', (word) => heard.push(word));
    await until(() => heard.includes('open'), 'its client');
    return { clientId, worker, heard };
  }
  const standStill = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

  it('ends nobody who spoke meanwhile', async () => {
    const running = await start({ timeout: 1, rates });
    const silent = await newClientId(running.endpoint);
    const { clientId } = await outside(running);
    standStill(4_000);
    await until(() => running.ended.length > 0, 'the end of one who was silent');
    expect(running.ended).toEqual([silent]);
    expect(await running.engine.ownership.exists(clientId)).toBe(true);
  });

  it('ends nobody who came back meanwhile by another socket', async () => {
    const running = await start({ timeout: NEVER, grace: 1.5, rates });
    const { clientId, worker } = await outside(running);
    const other = await newClientId(running.endpoint);
    (await openSocket(running, other)).terminate();
    worker.postMessage('close');
    await until(() => !running.proxy.hasConnection(clientId), 'the server to see that it is closed');
    worker.postMessage('open');
    standStill(4_000);
    await until(() => running.ended.length > 0, 'the end of one who stayed away');
    expect(running.ended).toEqual([other]);
    expect(running.proxy.hasConnection(clientId)).toBe(true);
  });

  it('ends nobody who said before_leave, and came back meanwhile', async () => {
    const running = await start({ timeout: NEVER, grace: NEVER, leaveDelay: 1, rates });
    const { clientId, worker } = await outside(running);
    const other = await newClientId(running.endpoint);
    worker.postMessage('close');
    await until(() => !running.proxy.hasConnection(clientId), 'the server to see that it is closed');
    for (const id of [other, clientId])
      await say(running.endpoint, { channel: '/faye_online/before_leave', clientId: id, data: {} });
    worker.postMessage('open');
    standStill(4_000);
    await until(() => running.ended.length > 0, 'the end of one who stayed away');
    expect(running.ended).toEqual([other]);
    expect(running.proxy.hasConnection(clientId)).toBe(true);
  });

  it('cuts no socket whose pong waits to be read', async () => {
    const running = await start({ timeout: NEVER, ping: 2, grace: 0.5, rates });
    const { clientId, heard } = await outside(running);
    const { ping } = WebSocket.prototype;
    const pings = vi.spyOn(WebSocket.prototype, 'ping').mockImplementationOnce(function (this: WebSocket) {
      ping.call(this);
      setImmediate(() => standStill(4_000));
    });
    await until(() => pings.mock.calls.length > 1, 'another ping');
    pings.mockRestore();
    const other = await newClientId(running.endpoint);
    (await openSocket(running, other)).terminate();
    await until(() => running.ended.length > 0, 'the end of one whose socket was closed');
    expect(running.ended).toEqual([other]);
    expect(running.proxy.hasConnection(clientId)).toBe(true);
    expect(heard).not.toContain('closed');
  });
});

describe('once everybody has gone', () => {
  it.each(['websocket', 'long-polling'] as const)('nothing is left in the engine (%s)', async (transport) => {
    const running = await start({ timeout: 1, grace: 0.5 });
    const people = [];
    for (const uid of [1, 2, 3, 4]) people.push(await join(running.endpoint, user(uid), transport));
    await sees(people[0] as (typeof people)[0], ROOM, [1, 2, 3, 4]);
    expect(running.engine).toBeInstanceOf(OnlineEngine);
    expect(running.engine.registry.size.clients).toBe(4);
    for (const { client } of people) client.disconnect();
    await until(() => running.engine.registry.size.clients === 0, 'all to be gone');
    expect(running.engine.registry.size).toEqual({ clients: 0, channels: 0 });
    expect(running.proxy._connections.size).toBe(0);
  });
});

interface ServerStream {
  close(): void;
  cut(): void;
}

function streamOf(engine: OnlineEngine, clientId: string): ServerStream {
  const { registry } = engine as unknown as {
    registry: { get(clientId: string): { stream: ServerStream | null } | undefined };
  };
  const stream = registry.get(clientId)?.stream;
  if (!stream) throw new Error('Expected the client to have a stream');
  return stream;
}
