/** What a client entered with a token that has expired since. */
import { SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { connectMessage, type Rooms, type Running, say } from '../support/server.js';
import { until } from '../support/until.js';
import { stopTargets } from './target.js';
import { inBothWorlds } from './worlds.js';

const SECRET = 'a secret of more than thirty-two characters';
const ROOM = '/classes/4';
const SETTINGS = {
  authentication: { jwt: { secret: SECRET } },
  expiryGrace: 0,
  gc: 1,
  // So that silence alone ends nobody.
  timeout: 60,
};

/** A token that expires in as many seconds. */
async function auth(uid: string, seconds: number): Promise<Rooms> {
  const token = await new SignJWT({ uid, channels: ['/classes/*'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(new TextEncoder().encode(SECRET));
  return { room_channel: ROOM, token };
}

async function enter({ endpoint }: Running, uid: string, seconds: number) {
  const socket = await BayeuxSocket.open(endpoint);
  const { clientId = '' } = await socket.ask(HANDSHAKE);
  expect(await socket.connect(clientId, { auth: await auth(uid, seconds) })).toMatchObject({
    successful: true,
  });
  return { socket, clientId };
}

const uids = async ({ server }: Running) =>
  (await server.presence.list(ROOM)).users.map(({ uid }) => uid).join();

describe('a client whose token has expired', () => {
  inBothWorlds((open) => {
    afterEach(stopTargets);

    it('is ended without a word of its own, unless it has brought another, to whichever node', async () => {
      const [first, second] = await open(SETTINGS);
      const ann = await enter(first, 'ann', 2);
      const bob = await enter(first, 'bob', 2);
      await enter(first, 'carol', 4);
      await until(async () => (await uids(second)) === 'ann,bob,carol', 'all of them to be in');
      const renewed = { channel: '/chat', clientId: bob.clientId, data: 1, auth: await auth('bob', 3600) };
      expect(await say(second.endpoint, renewed)).toMatchObject({ successful: true });
      await until(async () => (await uids(second)) === 'bob,carol', 'ann to be ended');
      await ann.socket.closed();
      await until(async () => (await uids(second)) === 'bob', 'carol to be ended');
      expect(bob.socket.isOpen).toBe(true);
      const { error } = await say(first.endpoint, connectMessage(ann.clientId));
      expect(error).toBe(`401:${ann.clientId}:Unknown client`);
    });

    it('stays for the tolerance of clocks, and is ended after it', async () => {
      const authentication = { jwt: { secret: SECRET, clockTolerance: 60 } };
      const [first, second] = await open({ ...SETTINGS, authentication });
      await enter(first, 'ann', -30);
      await enter(first, 'bob', -56);
      await until(async () => (await uids(second)) === 'ann,bob', 'both to be in');
      await until(async () => (await uids(second)) === 'ann', 'bob to be ended');
    });

    it('stays for as long as the grace', async () => {
      const [first] = await open({ ...SETTINGS, expiryGrace: 3600 });
      const ann = await enter(first, 'ann', 1);
      const message = { channel: '/chat', clientId: ann.clientId, data: 1 };
      await until(async () => (await ann.socket.ask(message)).error === '401::Token expired', 'the expiry');
      expect(await uids(first)).toBe('ann');
    });
  });
});
