/** Little that is sent, and much that comes back. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { connectMessage, newClientId, post, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { stopTargets } from './target.js';

afterEach(stopTargets);

it('one list that is named a hundred times comes once', async () => {
  const target = await startServer();
  const socket = await BayeuxSocket.open(target.endpoint);
  const { clientId = '' } = await socket.ask(HANDSHAKE);
  const auth = { room_channel: '/rooms/1', current_user: { uid: 'eve', uname: 'Eve' } };
  await socket.connect(clientId, { auth });
  const subscription = Array.from({ length: 100 }, () => '/rooms/1/user_list');
  const reply = await socket.ask({ channel: '/meta/subscribe', clientId, subscription, auth });
  expect(reply).toMatchObject({ successful: true });
  // What comes after it has nothing before it that is still to come.
  await socket.ask({ channel: '/meta/subscribe', clientId, subscription: '/fence', auth });
  await socket.ask({ channel: '/fence', clientId, data: 1, auth });
  const lists = socket.received.filter(({ channel }) => channel === '/rooms/1/user_list');
  expect(lists.length).toBeLessThanOrEqual(3);
  expect(lists.length).toBeGreaterThan(0);
});

it('a message in thousands of tiny frames is cut off', async () => {
  const { endpoint } = await startServer();
  const { hostname, port } = new URL(endpoint);
  const socket = connect(Number(port), hostname);
  const upgrade = [
    'GET /faye HTTP/1.1',
    `Host: ${hostname}:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  socket.write(`${upgrade.join('\r\n')}\r\n\r\n`);
  await once(socket, 'data');
  const first = Buffer.from([0x01, 0x81, 0, 0, 0, 0, 0x61]);
  const more = Buffer.from([0x00, 0x81, 0, 0, 0, 0, 0x61]);
  socket.on('error', () => {});
  socket.resume();
  socket.write(Buffer.concat([first, ...Array.from({ length: 1_000 }, () => more)]));
  await once(socket, 'close');
});

it.each(['one', 'two'])(
  'connects of %s in one request are refused, as the answer would wait for both',
  async (whose) => {
    const { endpoint } = await startServer();
    const first = await newClientId(endpoint);
    const second = whose === 'one' ? first : await newClientId(endpoint);
    const connects = [first, second].map((clientId) => connectMessage(clientId));
    expect(await post(endpoint, connects)).toMatchObject({ status: 400 });
    const socket = await BayeuxSocket.open(endpoint);
    socket.send(connects);
    await until(() => socket.received.some(({ error }) => error?.startsWith('400:')), 'the refusal');
    expect(socket.received).toHaveLength(1);
  },
);
