/** Little that is sent, and much that comes back. */
import { afterEach, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { startServer } from '../support/server.js';
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
