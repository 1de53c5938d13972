/** Little that is sent, and much that comes back. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { newClientId, post, startServer } from '../support/server.js';
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

it('a request with two connects of one client is not held for ever', async () => {
  const { endpoint } = await startServer();
  const clientId = await newClientId(endpoint);
  const message = { channel: '/meta/connect', clientId, connectionType: 'long-polling' };
  await expect(post(endpoint, [message, message])).rejects.toThrow();
});
