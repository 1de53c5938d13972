/** Which pages may speak to the server: any on npm's Faye as it comes, with the cookies of their visitors. */
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { EventStream } from '../support/event-stream.js';
import { type Answer, ask } from '../support/http-request.js';
import { startPlainFaye } from '../support/plain-faye.js';
import { newClientId, startServer } from '../support/server.js';
import { socketsOf, upgradesOf } from '../support/server-sockets.js';
import { until } from '../support/until.js';
import { stopTargets, type Target } from './target.js';

afterEach(stopTargets);

const GOOD = 'https://good.example';
const EVIL = 'https://evil.example';

const startOurs = () => startServer({ origins: [GOOD] });

function post({ endpoint }: Target, headers: Record<string, string>): Promise<Answer> {
  const all = { 'Content-Type': 'application/json', ...headers };
  return ask(endpoint, { method: 'POST', headers: all }, JSON.stringify(HANDSHAKE));
}

function preflight({ endpoint }: Target, origin: string): Promise<Answer> {
  const headers = { Origin: origin, 'Access-Control-Request-Method': 'POST' };
  return ask(endpoint, { method: 'OPTIONS', headers });
}

const lets = (origin: string) => ({
  'access-control-allow-origin': origin,
  'access-control-allow-credentials': 'true',
});

describe('a page of another origin', () => {
  it('is welcome on plain Faye, by each way, with credentials', async () => {
    const target = await startPlainFaye();
    expect(await post(target, { Origin: EVIL })).toMatchObject({ status: 200, headers: lets(EVIL) });
    expect((await preflight(target, EVIL)).headers).toMatchObject(lets(EVIL));
    await BayeuxSocket.open(target.endpoint, { origin: EVIL });
    expect((await EventStream.open(target.endpoint, 'x', { Origin: EVIL })).status).toBe(200);
  });

  it.each([
    EVIL,
    'http://good.example',
    'https://good.example:8443',
    'https://good.example.evil.example',
    'https://notgood.example',
    'null',
    'https://',
    'good.example',
  ])('is refused here, by each way: %s', async (origin) => {
    const target = await startOurs();
    for (const answer of [await post(target, { Origin: origin }), await preflight(target, origin)]) {
      expect(answer).toMatchObject({ status: 403, text: 'Forbidden' });
      expect(Object.keys(answer.headers).join()).not.toContain('access-control');
    }
    await expect(BayeuxSocket.open(target.endpoint, { origin })).rejects.toThrow('403');
    const clientId = await newClientId(target.endpoint);
    expect((await EventStream.open(target.endpoint, clientId, { Origin: origin })).status).toBe(403);
    const query = `?message=${encodeURIComponent(JSON.stringify(HANDSHAKE))}`;
    expect((await ask(target.endpoint + query, { headers: { Origin: origin } })).status).toBe(403);
  });
});

describe('an upgrade that is refused', () => {
  const FINE = {
    Host: 'x',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
  };

  it.each([
    ['for its origin', 'GET /faye', { Origin: EVIL }],
    ['for its version', 'GET /faye', { 'Sec-WebSocket-Version': '7' }],
    ['for its key', 'GET /faye', { 'Sec-WebSocket-Key': 'short' }],
    ['for its method', 'PUT /faye', {}],
    ['for its protocol', 'GET /faye', { 'Sec-WebSocket-Protocol': ',' }],
    ['for its path', 'GET /elsewhere', {}],
  ])('%s leaves no connection behind, whatever was sent after it', async (_why, line, headers) => {
    const target = await startOurs();
    const sockets = socketsOf(target.server.http);
    const upgrades = upgradesOf(target.server.http);
    const { hostname, port } = new URL(target.url);
    // It reads nothing, closes nothing, and goes on: nothing of the peer's helps the server to end it.
    const peer = connect({ host: hostname, port: Number(port), allowHalfOpen: true }).on('error', () => {});
    const lines = Object.entries({ ...FINE, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    peer.write(`${line} HTTP/1.1\r\n${lines.join('')}\r\n${'x'.repeat(1_000)}`);
    await until(() => upgrades.length > 0, 'the upgrade to be heard');
    await until(() => sockets.size === 0, 'the connection to be gone');
    peer.destroy();
  });
});

describe('a page of an origin that may', () => {
  it('is answered to it alone, with credentials, by each way', async () => {
    const target = await startOurs();
    const answer = await post(target, { Origin: GOOD });
    expect(answer).toMatchObject({ status: 200, headers: { ...lets(GOOD), vary: 'Origin' } });
    expect((await preflight(target, GOOD)).status).toBe(204);
    expect((await preflight(target, GOOD)).headers).toMatchObject({
      ...lets(GOOD),
      vary: 'Origin',
      'access-control-allow-methods': 'POST, GET',
      'access-control-allow-headers': expect.stringContaining('Content-Type'),
    });
    const socket = await BayeuxSocket.open(target.endpoint, { origin: GOOD });
    expect(await socket.ask(HANDSHAKE)).toMatchObject({ successful: true });
    const clientId = await newClientId(target.endpoint);
    expect((await EventStream.open(target.endpoint, clientId, { Origin: GOOD })).status).toBe(200);
  });

  it("may be the server's own, which needs no list, also behind a proxy that speaks TLS", async () => {
    const target = await startServer({ origins: [] });
    const { origin } = new URL(target.endpoint);
    expect((await post(target, { Origin: origin })).status).toBe(200);
    await BayeuxSocket.open(target.endpoint, { origin });
    const proxied = { Origin: 'https://chat.example', Host: 'chat.example' };
    expect((await post(target, proxied)).status).toBe(200);
    expect((await post(target, { ...proxied, Host: 'other.example' })).status).toBe(403);
    for (const odd of [
      'chrome-extension://chat.example',
      'https://eve@chat.example',
      'https://chat.example/',
    ]) {
      expect((await post(target, { ...proxied, Origin: odd })).status).toBe(403);
    }
  });
});

describe('a page of an origin by a wildcard, or of an app or an extension', () => {
  const ALLOWED = [
    'https://*.example.com',
    'http://*.localhost:3000',
    'capacitor://localhost',
    'chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh',
    'moz-extension://*',
  ];

  it('is answered to it alone, with credentials', async () => {
    const target = await startServer({ origins: ALLOWED });
    for (const origin of [
      'https://a.example.com',
      'https://a.b-c.example.com',
      'http://app.localhost:3000',
      'capacitor://localhost',
      'chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh',
      'moz-extension://5a5b5c5d-0000-4000-8000-000000000000',
    ]) {
      const answer = await post(target, { Origin: origin });
      expect(answer, origin).toMatchObject({ status: 200, headers: { ...lets(origin), vary: 'Origin' } });
      const socket = await BayeuxSocket.open(target.endpoint, { origin });
      expect(await socket.ask(HANDSHAKE)).toMatchObject({ successful: true });
    }
  });

  it('is refused where it only looks like one', async () => {
    const target = await startServer({ origins: ALLOWED });
    for (const origin of [
      'https://example.com',
      'https://evilexample.com',
      'https://.example.com',
      'https://*.example.com',
      'https://a.example.com.evil.example',
      'https://a.example.com.',
      'https://a.example.com:8443',
      'http://a.example.com',
      'https://evil.example/.example.com',
      'https://evil.example#.example.com',
      'https://evil.example:443.example.com',
      'https://me@a.example.com',
      'https://a..example.com',
      'http://app.localhost',
      'http://app.localhost:3001',
      'capacitor://localhost.evil.example',
      'capacitor://LOCALHOST',
      'ionic://localhost',
      'chrome-extension://hhhhggggffffeeeeddddccccbbbbaaaa',
      'moz-extension://',
      'moz-extension://a/b',
      'file://',
      'null',
    ]) {
      expect((await post(target, { Origin: origin })).status, origin).toBe(403);
      await expect(BayeuxSocket.open(target.endpoint, { origin }), origin).rejects.toThrow('403');
    }
  });
});

describe('a program, which names no origin', () => {
  it('is answered without a word about origins', async () => {
    const target = await startOurs();
    const answer = await post(target, {});
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.headers).join()).not.toContain('access-control');
  });
});
