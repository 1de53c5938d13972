/** What a client has by one proof, and the next one does not allow. */
import { SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { type Rooms, type Running, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { stopTargets } from './target.js';

afterEach(stopTargets);

const SECRET = 'a secret of more than thirty-two characters';
const SETTINGS = { authentication: { jwt: { secret: SECRET } } };

async function tokenFor(...channels: string[]): Promise<string> {
  return new SignJWT({ uid: 'eve', channels })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .sign(new TextEncoder().encode(SECRET));
}

/** A client that has connected by a token for /rooms/secret. */
async function inSecret(
  { endpoint }: Running,
  auth: Rooms,
): Promise<{ socket: BayeuxSocket; clientId: string }> {
  const socket = await BayeuxSocket.open(endpoint);
  const { clientId = '' } = await socket.ask(HANDSHAKE);
  const token = await tokenFor('/rooms/secret', '/rooms/lobby');
  expect(await socket.connect(clientId, { auth: { ...auth, token } })).toMatchObject({ successful: true });
  return { socket, clientId };
}

describe('a newer token that allows less', () => {
  it('takes a client out of the room that it is in, though it names none', async () => {
    const target = await startServer(SETTINGS);
    const { socket, clientId } = await inSecret(target, { room_channel: '/rooms/secret' });
    const { count } = await target.server.presence.list('/rooms/secret');
    expect(count).toBe(1);
    const reply = await socket.connect(clientId, { auth: { token: await tokenFor('/rooms/lobby') } });
    expect(reply).toMatchObject({ successful: false, error: expect.stringContaining('403:/rooms/secret') });
    await until(async () => (await target.server.presence.list('/rooms/secret')).count === 0, 'it to be out');
  });

  it('takes away the list that it heard, though it names another room', async () => {
    const target = await startServer(SETTINGS);
    const { socket, clientId } = await inSecret(target, {});
    const subscription = '/rooms/secret/user_list';
    const token = await tokenFor('/rooms/secret');
    expect(
      await socket.ask({ channel: '/meta/subscribe', clientId, subscription, auth: { token } }),
    ).toMatchObject({ successful: true });
    const lobby = { room_channel: '/rooms/lobby', token: await tokenFor('/rooms/lobby') };
    const reply = await socket.connect(clientId, { auth: lobby });
    expect(reply).toMatchObject({ successful: false, error: expect.stringContaining('403:/rooms/secret') });
    await socket.closed();
  });

  it('leaves in peace whom it allows what they have', async () => {
    const target = await startServer(SETTINGS);
    const { socket, clientId } = await inSecret(target, { room_channel: '/rooms/secret' });
    const token = await tokenFor('/rooms/*', '/more');
    expect(await socket.connect(clientId, { auth: { token } })).toMatchObject({ successful: true });
    expect((await target.server.presence.list('/rooms/secret')).count).toBe(1);
  });
});
