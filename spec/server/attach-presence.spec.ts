/** Presence on a Faye server of the user's own, in an Express app of theirs, beside their own extensions. */
import { once } from 'node:events';
import { Agent, createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import express from 'express';
import faye, { type Message, type NodeAdapter } from 'faye';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type AttachedPresence, type AttachOptions, attachPresence } from '../../src/attach-presence.js';
import { internalsOf } from '../../src/bayeux/internals.js';
import { type CreatedEngine, createEngine } from '../../src/create-engine.js';
import { fayeRedis } from '../../src/engine/faye-redis/faye-redis.js';
import { ask } from '../support/http-request.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { connectMessage, join, newClientId, say, sees, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

const ROOM = '/classes/4';

interface App {
  http: Server;
  adapter: NodeAdapter;
  attached: AttachedPresence;
  endpoint: string;
}

const apps: App[] = [];

async function startApp(
  options: AttachOptions = {},
  adapter = new faye.NodeAdapter({ mount: '/bayeux', timeout: 1 }),
) {
  const app = express();
  app.get('/hello', (_request, response) => {
    response.send('hello');
  });
  const http = createServer(app);
  adapter.attach(http);
  const attached = attachPresence(adapter, { log: silent, leaveDelay: 0.2, ...options });
  await attached.ready;
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const running = { http, adapter, attached, endpoint: `http://127.0.0.1:${port}/bayeux` };
  apps.push(running);
  return running;
}

afterEach(async () => {
  await stopAll();
  for (const { http, adapter, attached } of apps.splice(0)) {
    await attached.close();
    adapter.close();
    http.close();
    http.closeAllConnections();
  }
});

describe('attachPresence', () => {
  it('knows who is online, beside the routes and extensions of the app', async () => {
    const { adapter, endpoint, attached } = await startApp();
    const seen: string[] = [];
    adapter.addExtension({
      incoming(message: Message, callback: (message: Message) => void) {
        seen.push(message.channel);
        callback(message);
      },
    });
    const transitions: unknown[] = [];
    attached.presence.on('join', (channel, { uid }) => transitions.push(['join', channel, uid]));
    attached.presence.on('leave', (channel, { uid }) => transitions.push(['leave', channel, uid]));
    const ann = await join(endpoint, user('ann', ROOM, ROOM));
    await sees(ann, ROOM, ['ann']);
    expect(await (await fetch(new URL('/hello', endpoint))).text()).toBe('hello');
    expect(seen).toContain('/meta/connect');
    await ann.client.disconnect();
    await until(() => transitions.length === 2, 'the leave');
    expect(transitions).toEqual([
      ['join', ROOM, 'ann'],
      ['leave', ROOM, 'ann'],
    ]);
    expect(await attached.presence.list(ROOM)).toMatchObject({ count: 0, users: [] });
  });

  it('disconnects a user, and tells of this process', async () => {
    const { endpoint, attached } = await startApp();
    const ann = await join(endpoint, user('ann', ROOM, ROOM));
    const bob = await join(endpoint, user('bob', ROOM, ROOM));
    await sees(bob, ROOM, ['ann', 'bob']);
    expect(attached.status()).toMatchObject({ store: 'memory', clients: 2, users: 2, records: null });
    await attached.disconnect({ uid: 'ann' }, { awayFor: 30 });
    await sees(bob, ROOM, ['bob']);
    const clientId = await newClientId(endpoint);
    expect((await say(endpoint, connectMessage(clientId, user('ann', ROOM, ROOM)))).error).toMatch(/^403:/);
    expect(ann.errors).toEqual([]);
    expect(attached.counters).toMatchObject({ join: 2, leave: 1 });
  });

  it('gives the adapter back as it was', async () => {
    const { attached, endpoint } = await startApp();
    await attached.close();
    const clientId = await newClientId(endpoint);
    expect(await say(endpoint, connectMessage(clientId, user('ann')))).toMatchObject({ successful: true });
    expect((await say(endpoint, { channel: '/a/user_list', clientId, data: 1 })).successful).toBe(true);
    expect((await attached.presence.list(ROOM)).count).toBe(0);
  });

  it('answers a poll with Connection: close where the app has closed its HTTP server', async () => {
    const { http, adapter, attached, endpoint } = await startApp(
      {},
      new faye.NodeAdapter({ mount: '/bayeux' }),
    );
    const agent = new Agent({ keepAlive: true });
    const clientId = await newClientId(endpoint);
    const message = { ...connectMessage(clientId), advice: undefined };
    const headers = { 'Content-Type': 'application/json' };
    const poll = () => ask(endpoint, { agent, method: 'POST', headers }, JSON.stringify(message));
    const answer = poll();
    await until(() => internalsOf(adapter).proxy.hasConnection(clientId), 'the poll');
    const closed = once(http, 'close');
    http.close();
    await attached.close();
    adapter.close();
    expect(await answer).toMatchObject({ status: 200, headers: { connection: 'close' } });
    await expect(poll()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await closed;
    agent.destroy();
  });

  it('takes an ioredis instance, and leaves it to its owner', async () => {
    const redis = await RedisServer.start();
    const own = new Redis(redis.url);
    try {
      const engine = { type: fayeRedis({ url: redis.url, namespace: 'faye', gc: 1, log: silent }) };
      const adapter = new faye.NodeAdapter({ mount: '/bayeux', timeout: 1, engine });
      const { endpoint, attached } = await startApp({ redis: own }, adapter);
      const ann = await join(endpoint, user('ann'));
      await sees(ann, ROOM, ['ann']);
      expect(await own.hget('/faye/uid_to_clientIds/classes/4', 'ann')).toContain(ann.clientId());
      await attached.close();
      expect(own.status).toBe('ready');
      expect(await own.ping()).toBe('PONG');
    } finally {
      own.disconnect();
      await stopAll();
      for (const { adapter, http } of apps.splice(0)) {
        adapter.close();
        http.close();
        http.closeAllConnections();
      }
      await redis.dispose();
    }
  });

  it('takes a function that makes connections, and closes what it made', async () => {
    const redis = await RedisServer.start();
    const made: Redis[] = [];
    const make = () => {
      const connection = new Redis(redis.url);
      made.push(connection);
      return connection;
    };
    const engine = { type: fayeRedis({ url: redis.url, namespace: 'faye', gc: 1, log: silent }) };
    const adapter = new faye.NodeAdapter({ mount: '/bayeux', engine });
    const attached = attachPresence(adapter, { redis: make, log: silent });
    await attached.ready;
    expect(made.length).toBe(2);
    await attached.close();
    await until(() => made.every(({ status }) => status === 'end'), 'them to be closed');
    adapter.close();
    await redis.dispose();
  });

  it('can be closed before it is ready, of which `ready` tells', async () => {
    const deaf = createTcpServer(() => {}).listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    const redis = `redis://127.0.0.1:${(deaf.address() as AddressInfo).port}`;
    const engine = createEngine({ redis, log: silent });
    const adapter = new faye.NodeAdapter({ mount: '/faye', engine: { type: engine.type } });
    const attached = attachPresence(adapter, { redis, log: silent, authentication: { trust: true } });
    const ready = expect(attached.ready).rejects.toThrow('Presence was closed before it was ready');
    await attached.close();
    await ready;
    await engine.close();
    deaf.close();
  });

  it('leaves no timer where it is closed at once', async () => {
    const timers = new Set<unknown>();
    const set = vi.spyOn(globalThis, 'setInterval');
    const clear = vi.spyOn(globalThis, 'clearInterval');
    const adapter = new faye.NodeAdapter({ mount: '/faye' });
    const attached = attachPresence(adapter, { log: silent, authentication: { trust: true } });
    await attached.close();
    await attached.ready.catch(() => {});
    for (const { value } of set.mock.results) timers.add(value);
    for (const [timer] of clear.mock.calls) timers.delete(timer);
    set.mockRestore();
    clear.mockRestore();
    expect(timers.size).toBe(0);
  });

  it('refuses presence in Redis on an engine that knows one process only', () => {
    expect(() => attachPresence(new faye.NodeAdapter(), { redis: 'redis://127.0.0.1:1' })).toThrow(
      /memory engine/,
    );
  });

  it('names an option that is wrong, and what is no adapter', () => {
    expect(() => attachPresence(new faye.NodeAdapter(), { gc: 'often' as never })).toThrow(/`gc`.*often/);
    expect(() => attachPresence({} as never)).toThrow('Expected a NodeAdapter');
  });

  it('is one presence in many processes, where the adapters have our engine', async () => {
    const redis = await RedisServer.start();
    const engines: CreatedEngine[] = [];
    const start = () => {
      const engine = createEngine({ redis: redis.url, log: silent });
      engines.push(engine);
      const adapter = new faye.NodeAdapter({ mount: '/bayeux', timeout: 1, engine: { type: engine.type } });
      return startApp({ redis: redis.url }, adapter);
    };
    try {
      const [first, second] = [await start(), await start()];
      await until(async () => (await engines[0]?.nodes())?.length === 2, 'both nodes');
      const ann = await join(first.endpoint, user('ann', ROOM, ROOM));
      const bob = await join(second.endpoint, user('bob', ROOM, ROOM));
      for (const person of [ann, bob]) await sees(person, ROOM, ['ann', 'bob']);
      const clientId = await newClientId(first.endpoint);
      for (const { endpoint } of [first, second])
        expect(
          (await say(endpoint, connectMessage(clientId, user('cid', ROOM, ROOM)))).error,
        ).toBeUndefined();
      expect((await second.attached.presence.list(ROOM)).users.map(({ uid }) => uid)).toContain('cid');
      await stopAll();
      await Promise.all(apps.map(({ attached }) => attached.close()));
      await Promise.all(engines.map((engine) => engine.close()));
    } finally {
      await redis.dispose();
    }
  });

  it('names what is wrong with the options of an engine', () => {
    const grace = 'ten' as unknown as number;
    expect(() => createEngine({ grace })).toThrow(/Option `grace`: expected a number of seconds .*got "ten"/);
    const port = { port: 1 } as object;
    expect(() => createEngine(port)).toThrow(/port/);
  });
});
