/** Messages over `limits.messageBytes`: their clients are answered, and do not send them again. */
import type { Deferred } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { ask } from '../support/http-request.js';
import { connectAs, newClientId, post, startServer, type Transport } from '../support/server.js';
import { upgradesOf } from '../support/server-sockets.js';
import { until } from '../support/until.js';
import { stopTargets } from './target.js';

afterEach(stopTargets);

const ERROR = '413:65536:Message too large';
const LARGE = 'x'.repeat(100_000);
const NO_MORE = { reconnect: 'none' };

const failureOf = (sent: Deferred<void>) =>
  new Promise((resolve) => sent.then(() => resolve('accepted'), resolve));

describe.each(['websocket', 'long-polling'] satisfies Transport[])("npm's client over %s", (transport) => {
  it('fails a publish that is too large, at once, and goes on', async () => {
    const { server, endpoint } = await startServer();
    const upgrades = upgradesOf(server.http);
    const { client, errors } = connectAs(endpoint, {}, transport);
    const heard: unknown[] = [];
    await client.subscribe('/x', (data) => heard.push(data));
    const sockets = upgrades.length;
    const failure = await failureOf(client.publish('/x', LARGE));
    expect(failure).toMatchObject({ code: 413, params: ['65536'], message: 'Message too large' });
    await client.publish('/x', 'small');
    expect(errors).toEqual([ERROR]);
    await until(() => heard.length > 0, 'the small one');
    expect(heard).toEqual(['small']);
    expect(upgrades).toHaveLength(sockets);
  });

  it('fails a subscription that is too large', async () => {
    const { endpoint } = await startServer();
    const { client } = connectAs(endpoint, {}, transport);
    client.addExtension({
      outgoing(message, pass) {
        if (message.subscription === '/y') message.filler = LARGE;
        pass(message);
      },
    });
    await client.publish('/x', 1);
    const failure = await failureOf(client.subscribe('/y', () => {}));
    expect(failure).toMatchObject({ code: 413, message: 'Message too large' });
    await client.subscribe('/z', () => {});
  });
});

describe('an array in which one message is too large', () => {
  const batchOf = (clientId: string) => [
    { channel: '/x', id: '1', clientId, data: 'a' },
    { channel: '/x', id: 2, clientId, data: LARGE },
    { channel: '/x', id: '3', clientId, data: 'b' },
  ];
  const refusal = { id: 2, channel: '/x', successful: false, error: ERROR };

  it('is answered for each by HTTP, as JSON and as a form', async () => {
    const { endpoint } = await startServer();
    const clientId = await newClientId(endpoint);
    const { replies } = await post(endpoint, batchOf(clientId));
    expect(replies).toMatchObject([refusal, { id: '1', successful: true }, { id: '3', successful: true }]);
    const form = `message=${encodeURIComponent(JSON.stringify(batchOf(clientId)))}`;
    expect(JSON.parse((await ask(endpoint, { method: 'POST' }, form)).text)).toHaveLength(3);
  });

  it('is answered for each by WebSocket', async () => {
    const { endpoint } = await startServer();
    const socket = await BayeuxSocket.open(endpoint);
    const { clientId = '' } = await socket.ask(HANDSHAKE);
    socket.received.length = 0;
    socket.send(batchOf(clientId));
    await socket.ask({ channel: '/x', clientId, data: 'c' });
    expect(socket.received.slice(0, 3)).toMatchObject([
      refusal,
      { id: '1', successful: true },
      { id: '3', successful: true },
    ]);
  });
});

it('reads messages that are larger together than each may be alone', async () => {
  const { endpoint } = await startServer();
  const clientId = await newClientId(endpoint);
  const half = { channel: '/x', clientId, data: 'x'.repeat(50_000) };
  const { replies } = await post(endpoint, [half, half, half]);
  expect(replies.map(({ successful }) => successful)).toEqual([true, true, true]);
  // What is written larger than it is, as a form writes JSON, is not too large for that.
  const quotes = encodeURIComponent(JSON.stringify([{ ...half, data: '"'.repeat(20_000) }]));
  expect(quotes.length).toBeGreaterThan(100_000);
  const answer = await ask(endpoint, { method: 'POST' }, `message=${quotes}`);
  expect(JSON.parse(answer.text)).toMatchObject([{ successful: true }]);
});

it('tells a client not to come back whose handshake or connect is too large', async () => {
  const { endpoint } = await startServer();
  const ext = { filler: LARGE };
  const clientId = await newClientId(endpoint);
  const { replies } = await post(endpoint, [
    { ...HANDSHAKE, id: '1', ext },
    { channel: '/meta/connect', id: '2', clientId, connectionType: 'long-polling', ext },
  ]);
  expect(replies).toEqual([
    { id: '1', channel: '/meta/handshake', successful: false, error: ERROR, advice: NO_MORE },
    { id: '2', channel: '/meta/connect', successful: false, error: ERROR, advice: NO_MORE },
  ]);
});

it('closes the connection of what is too large to be read', async () => {
  const { endpoint } = await startServer({ limits: { messageBytes: 2_048 } });
  const messageOf = (bytes: number) => JSON.stringify({ ...HANDSHAKE, ext: { filler: 'x'.repeat(bytes) } });
  const headers = { 'Content-Type': 'application/json' };
  expect((await ask(endpoint, { method: 'POST', headers }, messageOf(8_000))).status).toBe(200);
  expect((await ask(endpoint, { method: 'POST', headers }, messageOf(8_192))).status).toBe(413);
  const socket = await BayeuxSocket.open(endpoint);
  socket.send(messageOf(8_192));
  expect(await socket.closed()).toBe(1009);
});

it('answers what is nested too deep to be measured', async () => {
  const { endpoint } = await startServer();
  const depth = 50_000;
  const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const { replies } = await post(endpoint, `[{"channel":"/x","id":"1","data":${deep}}]`);
  expect(replies).toEqual([{ id: '1', channel: '/x', successful: false, error: ERROR }]);
});
