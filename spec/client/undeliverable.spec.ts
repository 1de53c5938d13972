/** Messages that are refused by HTTP without a Bayeux error, or closed on: they fail, and are not sent again. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import faye, { type Client, type Deferred, type Message } from 'faye';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { initOnlineClient, type OnlineClientOptions, type Refusal } from '../../src/client/index.js';
import { startServer, stopAll } from '../support/server.js';
import { upgradesOf } from '../support/server-sockets.js';
import { until } from '../support/until.js';

const auth_opts = {
  room_channel: '/classes/4',
  time_channel: '/lessons/1',
  current_user: { uid: 470700, uname: 'mvj3' },
};

/** Tries again at once, so that a message which should not be sent again would be. */
class Hasty extends faye.Scheduler {
  override getInterval(): number {
    return 0.005;
  }
}

const clients: Client[] = [];
let reported: [Refusal, string][];

function open(faye_url: string, options: Partial<OnlineClientOptions> = {}): Client {
  const own = reported;
  const client = initOnlineClient({
    faye,
    faye_url,
    auth_opts,
    client_opts: { scheduler: Hasty, retry: 0.005 },
    log: false,
    onError: (error, { channel }) => own.push([error, channel]),
    ...options,
  });
  clients.push(client);
  return client;
}

const failureOf = (sent: Deferred<void>) =>
  new Promise((resolve) => sent.then(() => resolve('accepted'), resolve));

beforeEach(() => {
  reported = [];
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
  await stopAll();
});

describe('behind a proxy that refuses', () => {
  let proxy: Server;
  let url: string;
  /** What the proxy answers a batch with; undefined: it passes it on. */
  let statusFor: (messages: Message[]) => number | undefined;
  let passed: Message[];

  beforeEach(async () => {
    const { endpoint } = await startServer();
    passed = [];
    statusFor = () => undefined;
    proxy = createServer(async (request, response) => {
      const body = await text(request).catch(() => '');
      if (body === '') return;
      const messages = JSON.parse(body) as Message[];
      const status = statusFor(messages);
      if (status !== undefined) {
        response.writeHead(status).end('<html>No</html>');
        return;
      }
      passed.push(...messages);
      const headers = { 'Content-Type': 'application/json' };
      const answer = await fetch(endpoint, { method: 'POST', headers, body }).catch(() => null);
      response.writeHead(answer?.status ?? 502, headers).end(await answer?.text());
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/faye`;
  });
  afterEach(() => {
    proxy.closeAllConnections();
    proxy.close();
  });

  const refusing = (channel: string, status: number) => {
    const refused = vi.fn((messages: Message[]) =>
      messages.some((message) => message.channel === channel) ? status : undefined,
    );
    statusFor = refused;
    return () => refused.mock.results.filter(({ value }) => value !== undefined).length;
  };

  it.each([
    [400, 'Refused with the HTTP status 400'],
    [403, 'Refused with the HTTP status 403'],
    [413, 'Message too large'],
    [431, 'Headers too large'],
  ])('fails a publish and a subscription for good with %i, says why, and goes on', async (code, message) => {
    const client = open(url);
    await client.publish('/ready', true);
    const publishes = refusing('/chat', code);
    expect(await failureOf(client.publish('/chat', 1))).toMatchObject({ code, message });
    await client.publish('/ready', true);
    expect(publishes()).toBe(1);
    const subscriptions = refusing('/meta/subscribe', code);
    expect(await failureOf(client.subscribe('/room', () => {}))).toMatchObject({ code, message });
    await client.publish('/ready', true);
    expect(subscriptions()).toBe(1);
    expect(reported.map(([error, channel]) => [error.code, channel])).toEqual([
      [code, '/chat'],
      [code, '/meta/subscribe'],
    ]);
    statusFor = () => undefined;
    await client.subscribe('/room', () => {});
  });

  it.each([404, 408, 429, 500, 502, 503])('sends again with %i, which passes', async (code) => {
    const client = open(url);
    await client.publish('/ready', true);
    const refused = refusing('/chat', code);
    const sent = client.publish('/chat', 1);
    await until(() => refused() > 2, 'more attempts');
    statusFor = () => undefined;
    expect(await failureOf(sent)).toBe('accepted');
    expect(reported).toEqual([]);
  });

  it('goes on connecting and shaking hands, and says why it could not', async () => {
    const handshakes = refusing('/meta/handshake', 403);
    const client = open(url);
    client.connect();
    await until(() => handshakes() > 2, 'more handshakes');
    const connects = refusing('/meta/connect', 403);
    await until(() => connects() > 2, 'more connects');
    statusFor = () => undefined;
    await until(() => passed.some(({ channel }) => channel === '/meta/connect'), 'a connect');
    expect(await failureOf(client.publish('/chat', 1))).toBe('accepted');
    expect(new Set(reported.map(([{ code }, channel]) => `${channel} ${code}`))).toEqual(
      new Set(['/meta/handshake 403', '/meta/connect 403']),
    );
  });
});

describe('by WebSocket', () => {
  it('fails what is too large for the server to be read, and nothing else', async () => {
    const { server, endpoint } = await startServer({ limits: { messageBytes: 2_048 } });
    const upgrades = upgradesOf(server.http);
    const client = open(endpoint);
    await client.publish('/ready', true);
    const sockets = upgrades.length;
    const sent = ['small', 'x'.repeat(10_000), 'also small', 'x'.repeat(20_000)].map((data) =>
      failureOf(client.publish('/chat', data)),
    );
    const tooLarge = expect.objectContaining({ code: 413, message: 'Message too large' });
    expect(await Promise.all(sent)).toEqual(['accepted', tooLarge, 'accepted', tooLarge]);
    await client.publish('/ready', true);
    expect(upgrades.length - sockets).toBeLessThanOrEqual(2);
    expect(reported.map(([{ code }, channel]) => [code, channel])).toEqual([
      [413, '/chat'],
      [413, '/chat'],
    ]);
  });

  it('fails what the server has read and refuses, on the same socket', async () => {
    const { server, endpoint } = await startServer();
    const upgrades = upgradesOf(server.http);
    const client = open(endpoint);
    await client.publish('/ready', true);
    const sockets = upgrades.length;
    const failure = await failureOf(client.publish('/chat', 'x'.repeat(100_000)));
    expect(failure).toMatchObject({ code: 413, params: ['65536'], message: 'Message too large' });
    expect(upgrades).toHaveLength(sockets);
  });
});
