/** An administrator's disconnect: on plain Faye there is none, and a client that was ended is back at once. */
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { internalsOf } from '../../src/bayeux/internals.js';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { startPlainFaye } from '../support/plain-faye.js';
import { RedisServer } from '../support/redis-server.js';
import {
  connectAs,
  connectMessage,
  handshake,
  join,
  type Reply,
  type Running,
  say,
  sees,
  startServer,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';
import { stopTargets } from './target.js';
import { inBothWorlds } from './worlds.js';

afterEach(stopTargets);

const ROOM = '/classes/4';
const SETTINGS = { timeout: 60, leaveDelay: 0.2 };

/** A client of a user, on a socket, whose connect is waiting. */
async function enter({ endpoint }: Running, uid: string) {
  const socket = await BayeuxSocket.open(endpoint);
  const { clientId = '' } = await socket.ask(HANDSHAKE);
  await socket.connect(clientId, { auth: user(uid) });
  socket.send({ channel: '/meta/connect', clientId, connectionType: 'websocket', id: 'waiting' });
  const answer = (): Reply | undefined => socket.received.find(({ id }) => id === 'waiting');
  return { socket, clientId, answer };
}

const uids = async ({ server }: Running) =>
  (await server.presence.list(ROOM)).users.map(({ uid }) => uid).join();

describe('a client that was ended', () => {
  it('is back at once on plain Faye', async () => {
    const { endpoint, server } = await startPlainFaye();
    const clientIds: string[] = [];
    server.bayeux.on('handshake', (clientId) => clientIds.push(clientId));
    const person = connectAs(endpoint);
    await person.client.subscribe('/chat', () => {});
    internalsOf(server.bayeux).proxy.destroyClient(person.clientId() ?? '');
    await until(() => clientIds.length === 2, 'it to be back');
  });
});

describe('disconnect', () => {
  inBothWorlds((open) => {
    it('of a user ends all clients of it, on whichever node, and keeps it out; not others', async () => {
      const [first, second] = await open(SETTINGS);
      const anns = [await enter(first, 'ann'), await enter(second, 'ann')];
      const bob = await enter(second, 'bob');
      await until(async () => (await uids(first)) === 'ann,bob', 'both to be in');
      await first.server.disconnect({ uid: 'ann' });
      for (const { socket, answer } of anns) {
        await until(answer, 'the last answer');
        expect(answer()?.advice).toMatchObject({ reconnect: 'handshake', interval: 60_000 });
        await socket.closed();
      }
      await until(async () => (await uids(first)) === 'bob', 'ann to be out');
      for (const { endpoint } of [first, second]) {
        const refused = await handshake(endpoint, user('ann'));
        expect(refused.error).toMatch(/^403:\d+:Disconnected by the administrator$/);
        const left = Number(refused.error?.split(':')[1]);
        expect(left).toBeGreaterThan(0);
        expect(left).toBeLessThanOrEqual(60_000);
        expect(refused.advice).toEqual({ reconnect: 'handshake', interval: left });
      }
      expect(await handshake(first.endpoint, user('bob'))).toMatchObject({ successful: true });
      expect(bob.socket.isOpen).toBe(true);
      expect(bob.answer()).toBeUndefined();
    });

    it('keeps a user out who shows who it is only later', async () => {
      const [first, second] = await open(SETTINGS);
      await first.server.disconnect({ uid: 'ann' });
      const { clientId = '' } = await handshake(second.endpoint);
      const refused = await say(second.endpoint, connectMessage(clientId, user('ann')));
      expect(refused.error).toMatch(/^403:\d+:Disconnected/);
      expect(await uids(first)).toBe('');
    });

    it('keeps a user out whose client proves at that very moment who it is', async () => {
      const [first, second] = await open(SETTINGS);
      for (let turns = 0; turns < 60; turns += 1) {
        const auth = user(`user ${turns}`);
        const { clientId = '' } = await handshake(first.endpoint);
        const entering = say(first.endpoint, connectMessage(clientId, auth));
        for (let turn = 0; turn < turns; turn += 1) await setImmediate();
        await second.server.disconnect({ uid: auth.current_user.uid });
        await entering;
      }
      await until(async () => (await uids(first)) === '', 'all of them to be out');
    });

    it('of a client ends that one alone', async () => {
      const [first, second] = await open(SETTINGS);
      const ann = await enter(first, 'ann');
      const other = await enter(first, 'ann');
      await second.server.disconnect({ clientId: ann.clientId }, { awayFor: 7 });
      await until(ann.answer, 'the last answer');
      expect(ann.answer()?.advice).toMatchObject({ reconnect: 'handshake', interval: 7_000 });
      await ann.socket.closed();
      const { error } = await say(first.endpoint, connectMessage(ann.clientId));
      expect(error).toBe(`401:${ann.clientId}:Unknown client`);
      expect(await uids(first)).toBe('ann');
      expect(other.socket.isOpen).toBe(true);
      expect(await handshake(first.endpoint, user('ann'))).toMatchObject({ successful: true });
    });

    it("is over after as long, and npm's client comes back by itself, not earlier", async () => {
      const [first, second] = await open(SETTINGS);
      const ann = await join(first.endpoint, user('ann'));
      const bob = await join(first.endpoint, user('bob'));
      const carol = await join(first.endpoint, user('carol'));
      await sees(ann, ROOM, ['ann', 'bob', 'carol']);
      const before = ann.clientId();
      await second.server.disconnect({ uid: 'ann' }, { awayFor: 1 });
      await second.server.disconnect({ uid: 'bob' });
      await second.server.disconnect({ clientId: carol.clientId() ?? '' });
      await until(async () => (await uids(first)) === '', 'all of them to be out');
      await until(async () => (await uids(first)) !== '', 'ann to be back');
      expect(await uids(first)).toBe('ann');
      expect(ann.clientId()).not.toBe(before);
      expect([...bob.errors, ...carol.errors]).toEqual([]);
    });

    it('of a poller ends its poll', async () => {
      const [first, second] = await open(SETTINGS);
      const { clientId = '' } = await handshake(first.endpoint);
      await say(first.endpoint, connectMessage(clientId, user('ann')));
      const poll = say(first.endpoint, { ...connectMessage(clientId), advice: {} });
      const { proxy } = internalsOf(first.server.bayeux);
      await until(() => proxy.hasConnection(clientId), 'the poll to be held');
      await second.server.disconnect({ uid: 'ann' });
      expect((await poll).advice).toMatchObject({ reconnect: 'handshake', interval: 60_000 });
    });
  });
});

describe('an order that nobody heard', () => {
  it('is made up for: whoever is to stay away is sent away at the next look', async () => {
    const redis = await RedisServer.start();
    try {
      const { server, endpoint, url } = await startServer({ redis: redis.url, gc: 1 });
      await until(async () => (await fetch(`${url}/readyz`)).ok, 'the server to be ready');
      const ann = await enter({ server, endpoint, url }, 'ann');
      // As another node does that bans a user while this one does not listen.
      await redis.ask((commands) => commands.zadd('/faye/banned', Date.now() + 60_000, 'ann'));
      await ann.socket.closed();
      await until(async () => (await server.presence.list(ROOM)).count === 0, 'ann to be out');
    } finally {
      await stopTargets();
      await redis.dispose();
    }
  });
});
