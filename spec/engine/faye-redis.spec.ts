import { createRequire } from 'node:module';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { internalsOf } from '../../src/bayeux/internals.js';
import { FayeRedis } from '../../src/engine/faye-redis/source.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { listener, Node } from './node.js';

const require = createRequire(import.meta.url);

describe('faye-redis', () => {
  let redis: RedisServer;
  let nodes: Node[];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());

  beforeEach(async () => {
    nodes = [await (await Node.start(redis.url)).up(), await (await Node.start(redis.url)).up()];
  });
  afterEach(async () => {
    for (const node of nodes) await node.close();
    await redis.flush();
  });

  const pair = (): [Node, Node] => nodes as [Node, Node];

  it('uses a redis 3 of its own where the app has another', () => {
    expect(require('redis/package.json').version).toMatch(/^6\./);

    const loaded = Object.keys(require.cache).filter((file) =>
      /node_modules\/redis3?\/(?!node_modules)/.test(file),
    );
    expect(loaded.some((file) => file.includes('/node_modules/redis3/index.js'))).toBe(true);
    expect(loaded.filter((file) => file.includes('/node_modules/redis/dist/'))).toEqual([]);
    expect(require('redis3/package.json').version).toBe('3.1.2');
  });

  it('runs the source of the package', () => {
    expect(FayeRedis.prototype.unsubscribe.toString()).toBe(
      require('faye-redis').prototype.unsubscribe.toString(),
    );
  });

  it('says what it is and where, without the password', async () => {
    const { hostname, port } = new URL(redis.url);
    const node = await Node.start(`redis://user:secret@${hostname}:${port}/2`);
    nodes.push(node);
    expect(node.engine.description).toBe(`faye-redis on 127.0.0.1:${redis.port}/2`);
    expect(node.engine.shared).toBe(true);
  });

  it('keeps to its database', async () => {
    const other = await (await Node.start(`${redis.url}/2`)).up();
    nodes.push(other);
    const clientId = await other.newClient();
    expect(await redis.keys()).toEqual([]);
    expect(await other.engine.exists(clientId)).toBe(true);
    expect(await pair()[0].engine.exists(clientId)).toBe(false);
  });

  describe('messages', () => {
    it('reach subscribers on every node, in order', async () => {
      const [a, b] = pair();
      const here = await listener(a, '/classes/4');
      const there = await listener(b, '/classes/*');
      const elsewhere = await listener(b, '/classes/5');

      // Its first message goes over HTTP, and those after it, over WebSocket, may overtake that.
      const publisher = a.client();
      await publisher.publish('/nobody', 0);
      for (let n = 1; n <= 20; n += 1) publisher.publish('/classes/4', n);

      const all = Array.from({ length: 20 }, (_, index) => index + 1);
      await until(() => here.heard.length >= 20 && there.heard.length >= 20, 'twenty messages on both nodes');
      expect(here.heard).toEqual(all);
      expect(there.heard).toEqual(all);
      expect(elsewhere.heard).toEqual([]);
    });

    it('no longer reach one who unsubscribed', async () => {
      const [a, b] = pair();
      const { client, heard } = await listener(a, '/classes/4');
      await client.subscribe('/classes/5', (data) => heard.push(data));
      client.unsubscribe('/classes/4');
      await until(
        async () => (await redis.keys('/faye/channels/classes/4')).length === 0,
        'the end of the subscription',
      );

      b.engine.publish({ channel: '/classes/4', data: 'to nobody' }, ['/classes/4']);
      b.engine.publish({ channel: '/classes/5', data: 'last' }, ['/classes/5']);
      await until(() => heard.length > 0, 'the last message');
      expect(heard).toEqual(['last']);
    });

    it('of others than us that are no JSON are left out and reported', async () => {
      const [a] = pair();
      const { client, heard } = await listener(a, '/classes/4');
      const [clientId] = await redis.ask((ask) => ask.smembers('/faye/channels/classes/4'));
      await redis.ask((ask) => ask.rpush(`/faye/clients/${clientId}/messages`, 'no JSON'));
      await client.publish('/classes/4', 'fine');
      await until(() => heard.length > 0, 'the message');
      expect(heard).toEqual(['fine']);
      expect(a.logged.map(({ msg }) => msg)).toContain('a message in a queue is no JSON');
    });
  });

  describe('clients', () => {
    it('exist on every node until they are ended', async () => {
      const [a, b] = pair();
      const clientId = await a.newClient();
      expect(await b.engine.exists(clientId)).toBe(true);
      await b.destroy(clientId);
      expect(await a.engine.exists(clientId)).toBe(false);
    });

    it('exist however old their last ping is', async () => {
      const [a, b] = pair();
      const clientId = await a.newClient();
      await redis.ask((ask) => ask.zadd('/faye/clients', 1, clientId));
      expect(await b.engine.exists(clientId)).toBe(true);
    });

    it('without an id, or with something else for one, do not exist', () => {
      const [a] = pair();
      const answers: boolean[] = [];
      for (const clientId of [undefined, null, 7, {}, ['x']]) {
        a.engine.clientExists(clientId, (exists) => answers.push(exists));
      }
      expect(answers).toEqual([false, false, false, false, false]);
    });

    it('end once, however often and wherever they are ended', async () => {
      const [a, b] = pair();
      const clientId = await a.newClient();
      await Promise.all([a.destroy(clientId), b.destroy(clientId), a.destroy(clientId), b.destroy(clientId)]);
      expect([...a.ended, ...b.ended]).toEqual([clientId]);
    });

    it('end once where their browser says so twice in one batch', async () => {
      const [a, b] = pair();
      const { client } = await listener(a, '/classes/4');
      client.disconnect();
      const clientId = await until(() => a.ended[0], 'the end');
      await b.destroy(clientId);
      expect([...a.ended, ...b.ended]).toEqual([clientId]);
    });

    it('are told on their own node when another ends them', async () => {
      const [a, b] = pair();
      await listener(a, '/classes/4');
      const [clientId] = await redis.ask((ask) => ask.smembers('/faye/channels/classes/4'));
      await b.destroy(String(clientId));
      await until(
        () => !internalsOf(a.adapter).proxy.hasConnection(String(clientId)),
        'the closed connection',
      );
    });

    it('are not brought back by a late ping', async () => {
      const [a] = pair();
      const clientId = await a.newClient();
      await a.destroy(clientId);
      a.engine.ping(clientId);
      expect(await a.engine.exists(clientId)).toBe(false);
    });

    it('that went silent are ended by one of the nodes', async () => {
      const watching = await Promise.all(
        [0, 1].map(async () => (await Node.start(redis.url, { gc: 0.05, timeout: 0.1 })).up()),
      );
      nodes.push(...watching);
      const clientId = await pair()[0].newClient();
      await pair()[0].subscribe(clientId, '/classes/4');
      await redis.ask((ask) => ask.zadd('/faye/clients', 1, clientId));

      const ended = () => watching.flatMap((node) => node.ended);
      await until(() => ended().length > 0, 'the end');
      await until(async () => (await redis.keys()).length === 0, 'nothing left');
      expect(ended()).toEqual([clientId]);
    });

    it('that went silent are ended although a node died while it looked for them', async () => {
      const [a] = pair();
      const clientId = await a.newClient();
      await redis.ask((ask) => ask.zadd('/faye/clients', 1, clientId));
      a.engine._withLock('gc', () => {});
      await until(async () => (await redis.keys('/faye/locks/gc')).length > 0, 'the lock');
      expect(await redis.ask((ask) => ask.pttl('/faye/locks/gc'))).toBeGreaterThan(0);
    });
  });

  describe('leaves no key behind', () => {
    it('after the last client has gone', async () => {
      const [a, b] = pair();
      const here = await listener(a, '/classes/4');
      const there = await listener(b, '/classes/*');
      await here.client.publish('/classes/4', 'hello');
      await until(() => there.heard.length > 0, 'the message');
      here.client.disconnect();
      there.client.disconnect();
      await until(async () => (await redis.keys()).length === 0, 'nothing left');
    });

    it('of a client that ends while it subscribes', async () => {
      const [a, b] = pair();
      for (let n = 0; n < 50; n += 1) {
        const clientId = await a.newClient();
        a.engine.subscribe(clientId, '/classes/4');
        const ended = b.destroy(clientId);
        a.engine.subscribe(clientId, '/classes/5');
        a.engine.ping(clientId);
        await ended;
        a.engine.subscribe(clientId, '/classes/6');
        a.engine.ping(clientId);
        // On the same connection as what came before it, so done after it.
        await a.engine.exists(clientId);
      }
      expect(await redis.keys()).toEqual([]);
    });

    it('of a client that a crash of faye-redis left subscribed', async () => {
      const [a] = pair();
      await redis.ask((ask) => ask.sadd('/faye/channels/classes/4', 'long gone'));
      a.engine.publish({ channel: '/classes/4', data: 1 }, ['/classes/4']);
      await a.engine.exists('long gone');
      expect(await redis.keys('/faye/clients/*')).toEqual([]);
    });

    it('of a client that ends while it is sent something', async () => {
      const [a, b] = pair();
      for (let n = 0; n < 50; n += 1) {
        const clientId = await a.newClient();
        await a.subscribe(clientId, '/classes/4');
        a.engine.publish({ channel: '/classes/4', data: n }, ['/classes/4']);
        const ended = b.destroy(clientId);
        a.engine.publish({ channel: '/classes/4', data: n }, ['/classes/4']);
        await ended;
        await a.engine.exists(clientId);
      }
      expect(await redis.keys()).toEqual([]);
    });
  });
});
