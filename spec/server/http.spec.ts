/** What the server says over plain HTTP, in its log, and when it is told to stop. */
import { once } from 'node:events';
import faye from 'faye';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { attachPresence } from '../../src/attach-presence.js';
import { connectAs, join, newClientId, sees, startServer, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

afterEach(stopAll);

const get = async (url: string) => {
  const response = await fetch(url);
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
};

describe('pages', () => {
  it('has the demo with its parts, at any mount', async () => {
    const { url } = await startServer({ mount: '/bayeux' });
    const page = await get(`${url}/`);
    expect(page.status).toBe(200);
    expect(page.text).toContain('/bayeux/client.js');
    expect(page.text).not.toContain('{{');
    const parts = [...page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
    expect(parts.length).toBeGreaterThan(3);
    for (const path of parts) expect([path, (await get(url + path)).status]).toEqual([path, 200]);
  });

  it('has no demo where it is switched off', async () => {
    const { url } = await startServer({ demo: false });
    expect((await get(`${url}/`)).status).toBe(404);
    expect((await get(`${url}/faye-online/client.js`)).status).toBe(200);
  });

  it('says nothing of what it is made of', async () => {
    const { url } = await startServer();
    expect((await fetch(`${url}/nowhere`)).headers.get('x-powered-by')).toBeNull();
  });
});

describe('health', () => {
  it('is ok and ready in memory', async () => {
    const { url } = await startServer();
    expect(JSON.parse((await get(`${url}/healthz`)).text)).toEqual({
      status: 'ok',
      store: 'memory',
      engine: 'faye-online',
      records: 'off',
    });
    expect((await get(`${url}/readyz`)).status).toBe(200);
  });

  it('serves, but is not ready, where Redis was never there', async () => {
    const { url } = await startServer({ redis: 'redis://127.0.0.1:1' });
    const health = await get(`${url}/healthz`);
    expect(health.status).toBe(200);
    expect(JSON.parse(health.text)).toMatchObject({ status: 'degraded' });
    // Where it is, is not for everybody.
    expect(health.text).not.toContain('127.0.0.1');
    expect((await get(`${url}/readyz`)).status).toBe(503);
  });
});

describe('url', () => {
  it.each([
    ['::1', '[::1]'],
    ['::ffff:127.0.0.1', '[::ffff:7f00:1]'],
    ['::', 'localhost'],
    ['127.0.0.1', 'localhost'],
  ])('of a server that listens on %s is one that can be opened, and printed, at %s', async (host, name) => {
    const { server, url } = await startServer({ host });
    expect(new URL(url).hostname).toBe(name);
    expect((await get(`${url}/readyz`)).status).toBe(200);
    expect(server.describe()).toContain(`Bayeux    ${url}/faye`);
  });
});

describe('keepAliveTimeout', () => {
  it('is how long a connection waits for its next request, with more time for the headers', async () => {
    const { server, url } = await startServer({ keepAliveTimeout: 75 });
    expect(server.http).toMatchObject({ keepAliveTimeout: 75_000, headersTimeout: 76_000 });
    const response = await fetch(`${url}/readyz`);
    expect(response.headers.get('keep-alive')).toBe('timeout=75');
  });

  it('is 5 s by default, as in Node', async () => {
    const { server } = await startServer();
    expect(server.http).toMatchObject({ keepAliveTimeout: 5_000, headersTimeout: 60_000 });
  });
});

describe('describe()', () => {
  it('tells addresses, store, engine, and how to get the real thing', async () => {
    const { server, url } = await startServer();
    const text = server.describe().join('\n');
    for (const word of [
      `${url}/faye`,
      `${url}/`,
      'memory',
      'Records   off',
      'REDIS_URL',
      'FAYE_ONLINE_SECRET',
    ]) {
      expect(text).toContain(word);
    }
  });
});

describe('the log', () => {
  it('has one line a transition, and no clientId and no token in any', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
    const adapter = new faye.NodeAdapter();
    const { presence, close } = attachPresence(adapter, { log });
    await presence.clients.bind('nobody', { uid: 1, uname: 'x' });
    await close();
    adapter.close();
    const { createServer } = await import('node:http');
    const http = createServer();
    const second = new faye.NodeAdapter({ mount: '/faye' });
    second.attach(http);
    const attached = attachPresence(second, { log });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const address = http.address();
    const endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/faye`;
    const ann = await join(endpoint, { ...user('ann', '/a', '/a'), token: 'a-secret-token' });
    await sees(ann, '/a', ['ann']);
    await ann.client.publish('/faye_online/before_leave', {});
    const clientId = ann.clientId() ?? '';
    await ann.client.disconnect();
    await until(async () => (await attached.presence.list('/a')).count === 0, 'the leave');
    await attached.close();
    second.close();
    http.close();
    http.closeAllConnections();
    const transitions = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 30);
    expect(transitions.map(({ msg, channel, uid }) => [msg, channel, uid])).toEqual([
      ['join', '/a', 'ann'],
      ['leave', '/a', 'ann'],
    ]);
    expect(lines.join()).not.toContain(clientId);
    expect(lines.join()).not.toContain('a-secret-token');
  });
});

describe('stop()', () => {
  it('closes sockets and polls without ending their clients, and resolves', async () => {
    const { server, endpoint } = await startServer({ timeout: 60 });
    const socket = await join(endpoint, user('ann'));
    const poller = await join(endpoint, user('bob'), 'long-polling');
    await sees(poller, '/classes/4', ['ann', 'bob']);
    await sees(socket, '/classes/4', ['ann', 'bob']);
    const downs: string[] = [];
    socket.client.on('transport:down', () => downs.push('socket'));
    const leaves: string[] = [];
    server.presence.on('leave', (channel) => leaves.push(channel));
    await server.stop();
    await until(() => downs.length > 0, 'the socket to be closed');
    expect(leaves).toEqual([]);
    await server.stop();
  });

  it('does not wait for a client that does not close', async () => {
    const { server, endpoint } = await startServer({ timeout: 60 });
    const clientId = await newClientId(endpoint);
    const { hostname, port } = new URL(endpoint);
    const { connect } = await import('node:net');
    const mute = connect(Number(port), hostname);
    mute.on('error', () => {});
    mute.write(`POST /faye HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${clientId}`);
    await once(mute, 'connect');
    const cut = once(mute, 'close');
    await server.stop();
    await cut;
  });
});

describe('getClient()', () => {
  it('publishes from within the process, and not on user lists', async () => {
    const { server, endpoint } = await startServer();
    const ann = connectAs(endpoint, user('ann'));
    const heard: unknown[] = [];
    await ann.client.subscribe('/news', (data) => heard.push(data));
    const local = server.bayeux.getClient();
    await local.publish('/news', 'from within');
    await until(() => heard.length > 0, 'the news');
    await expect(local.publish('/a/user_list', {})).rejects.toMatchObject({ code: 403 });
  });
});
