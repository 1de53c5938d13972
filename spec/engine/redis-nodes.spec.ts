import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RedisHub } from '../../src/redis/hub.js';
import { Partitions } from '../../src/redis/partitions.js';
import { HandOvers } from '../../src/sessions/redis/hand-overs.js';
import { Lease } from '../../src/sessions/redis/lease.js';
import { NodeRpc } from '../../src/sessions/redis/node-rpc.js';
import { RemoteSessions } from '../../src/sessions/redis/remote-sessions.js';
import { SessionKeys } from '../../src/sessions/redis/session-keys.js';
import { type Location, SessionRecords } from '../../src/sessions/redis/session-records.js';
import { RedisStreamTokens } from '../../src/sessions/redis/stream-tokens.js';
import { BayeuxSocket, cutSockets } from '../support/bayeux-socket.js';
import { epochLook } from '../support/epoch-look.js';
import { cutEventStreams, EventStream } from '../support/event-stream.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { connectMessage, join, newClientId, post, say, sees, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';
import { behavesDistributed } from './distribution-behaviour.js';
import { FENCED, type OneNode, reconnects, rewrite, saidBy, sessionsOf, startNodes } from './nodes.js';

/** Keys that a renewal of a lease touches, and nothing else does. */
const ABOUT_LEASES = ['/faye/nodes/about', '/faye/nodes/terms'];

describe('nodes on one Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());

  behavesDistributed(() => ({ redis: redis.url, keys: () => redis.keys(), flush: () => redis.flush() }));

  describe('one that dies as it has claimed a client', () => {
    afterEach(async () => {
      await stopAll();
      await redis.flush();
    });

    it('leaves it to those that live: it does not leave', async () => {
      const nodes = (await startNodes(2, { redis: redis.url, timeout: 2 })) as [OneNode, OneNode];
      const [{ endpoint }] = nodes;
      const people = [
        await join(endpoint, user('ann'), 'websocket'),
        await join(endpoint, user('bob'), 'long-polling'),
      ];
      for (const person of people) await sees(person, '/classes/4', ['ann', 'bob']);
      const clientIds = people.map((person) => person.clientId() ?? '');
      const partitions = new Partitions('faye', null);
      const hub = new RedisHub({ source: redis.url, partitions: () => partitions, log: silent });
      const { commands } = hub.redis;
      try {
        await until(() => commands.status === 'ready', 'the connection');
        const keys = new SessionKeys('faye');
        const look = epochLook(commands, keys.epoch);
        const third = new Lease(commands, keys, look, 'third', () => ({}));
        const records = new SessionRecords({
          hub,
          node: 'third',
          leaseOf: () => third,
          settings: () => [0, 0, 0, 1],
        });
        await third.renew();
        for (const clientId of clientIds) {
          const seen = (await records.locate(clientId)) as Location;
          expect(await records.claim(clientId, 'adopt', { seen })).toMatchObject({ is: 'mine' });
        }
        for (const clientId of clientIds) {
          await until(async () => {
            const location = await records.locate(clientId);
            return location?.node !== 'third' && location?.isAlive;
          }, 'a node that lives to have it');
        }
        const names = () => redis.ask((ask) => ask.zrange(keys.nodes, '0', '-1'));
        await until(async () => !(await names()).includes('third'), 'the lease to be over');
        const dead = () => redis.ask((ask) => ask.exists(keys.dead));
        await until(async () => (await dead()) === 0, 'the dead node to be forgotten');
      } finally {
        hub.close();
      }
      expect(saidBy(nodes, 'leave')).toEqual([]);
      expect(people.map((person) => person.clientId())).toEqual(clientIds);
      const carl = await join(nodes[1].endpoint, user('carl'));
      for (const person of [...people, carl]) await sees(person, '/classes/4', ['ann', 'bob', 'carl']);
    });
  });

  describe('what they ask of Redis', () => {
    afterEach(async () => {
      vi.restoreAllMocks();
      cutSockets();
      await stopAll();
      await redis.flush();
    });

    async function start(): Promise<[OneNode, OneNode]> {
      // Nothing but what is asked for, for as long as the spec takes.
      return (await startNodes(2, { redis: redis.url, gc: 600, timeout: 120 })) as [OneNode, OneNode];
    }

    async function listener(node: OneNode, ...subscriptions: string[]): Promise<BayeuxSocket> {
      const clientId = await newClientId(node.endpoint);
      for (const subscription of subscriptions)
        await say(node.endpoint, { channel: '/meta/subscribe', clientId, subscription });
      const socket = await BayeuxSocket.open(node.endpoint);
      await socket.connect(clientId);
      return socket;
    }

    /** The arguments of each command that any connection of this process sends from now on. */
    function countCommands(): string[][] {
      const sent: string[][] = [];
      const send = Redis.prototype.sendCommand;
      vi.spyOn(Redis.prototype, 'sendCommand').mockImplementation(function (this: Redis, ...args) {
        sent.push([args[0].name, ...args[0].args.map(String)]);
        return send.apply(this, args);
      });
      return sent;
    }

    const listenedTo = () =>
      redis.ask(async (ask) => ({
        channels: ((await ask.pubsub('CHANNELS', '*/messages/*')) as string[]).sort(),
        patterns: Number(await ask.pubsub('NUMPAT')),
      }));

    it('is to hear what their clients subscribe to, and nothing else', async () => {
      const [a, b] = await start();
      const clientId = await newClientId(a.endpoint);
      const other = await newClientId(b.endpoint);
      const subscribe = (subscription: string, who = clientId, verb = 'subscribe') =>
        say((who === clientId ? a : b).endpoint, { channel: `/meta/${verb}`, clientId: who, subscription });
      for (const channel of ['/x', '/x', '/y/*', '/y/**']) await subscribe(channel);
      await subscribe('/x', other);
      expect(await listenedTo()).toEqual({ channels: ['/faye/engine/messages/x'], patterns: 1 });
      for (const channel of ['/x', '/y/*']) await subscribe(channel, clientId, 'unsubscribe');
      await until(
        async () =>
          Number((await redis.ask((ask) => ask.pubsub('NUMSUB', '/faye/engine/messages/x')))[1]) === 1 &&
          (await listenedTo()).patterns === 1,
        'the node to hear less',
      );
      for (const [node, who] of [
        [a, clientId],
        [b, other],
      ] as const)
        await say(node.endpoint, { channel: '/meta/disconnect', clientId: who });
      await until(
        async () => JSON.stringify(await listenedTo()) === '{"channels":[],"patterns":0}',
        'the nodes to hear nothing',
      );
    });

    it('is no list of a room that none of its clients subscribes to', async () => {
      const [a, b] = await start();
      const read = vi.spyOn(b.server.presence, 'snapshot');
      const watcher = await newClientId(b.endpoint);
      await say(b.endpoint, {
        channel: '/meta/subscribe',
        clientId: watcher,
        subscription: '/two/user_list',
      });
      for (const room of ['/one', '/two']) {
        const ann = await newClientId(a.endpoint);
        await say(a.endpoint, connectMessage(ann, user('ann', room)));
        await until(async () => (await a.server.presence.snapshot(room)).count === 1, 'its list');
      }
      await until(async () => {
        const { replies } = await post(b.endpoint, connectMessage(watcher));
        return replies.some(({ data }) => (data as { count?: number })?.count === 1);
      }, 'the list of the other room');
      expect(new Set(read.mock.calls.map(([room]) => room))).toEqual(new Set(['/two']));
    });

    it('is one command for a message, whoever hears it', async () => {
      const [a, b] = await start();
      const sockets: BayeuxSocket[] = [];
      for (const node of [a, b, b]) sockets.push(await listener(node, '/x/y', '/x/*', '/**'));
      const sent = countCommands();
      for (let n = 0; n < 5; n += 1) {
        a.publish('/x/y', n);
        await until(() => sockets.every((socket) => socket.heard('/x/y').length === n + 1), 'the message');
      }
      expect(sent.filter((command) => command.some((arg) => arg.includes('/engine/messages')))).toHaveLength(
        5,
      );
    });

    it('is one command for all that is said in one turn, in order', async () => {
      const [a, b] = await start();
      const socket = await listener(b, '/x', FENCED);
      const sent = countCommands();
      for (let n = 0; n < 100; n += 1) a.publish('/x', n);
      await until(() => socket.heard('/x').length === 100, 'the messages');
      const published = sent.filter((command) => command.some((arg) => arg.includes('/engine/messages')));
      expect(published).toHaveLength(1);
      expect(socket.heard('/x')).toEqual(Array.from({ length: 100 }, (_, n) => n));
    });

    it('is one command for which of many clients exist, and none for its own', async () => {
      const [a, b] = await start();
      const own = await newClientId(a.endpoint);
      const others = [await newClientId(b.endpoint), await newClientId(b.endpoint)];
      const sent = countCommands();
      expect(await a.engine.ownership.existing([own])).toEqual(new Set([own]));
      const asked = () => sent.filter((command) => command.some((arg) => arg.includes('/engine/clients/')));
      expect(asked()).toEqual([]);
      expect(await a.engine.ownership.existing([own, 'nobody', ...others])).toEqual(
        new Set([own, ...others]),
      );
      expect(asked()).toHaveLength(1);
    });

    it('takes no client for gone that goes to another node meanwhile', async () => {
      const [a, b] = await start();
      const [own, other] = [await newClientId(a.endpoint), await newClientId(b.endpoint)];
      const { existing } = RemoteSessions.prototype;
      vi.spyOn(RemoteSessions.prototype, 'existing').mockImplementation(async function (
        this: RemoteSessions,
        clientIds,
      ) {
        await say(b.endpoint, connectMessage(own));
        return existing.call(this, clientIds);
      });
      expect(await a.engine.ownership.existing([own, other])).toEqual(new Set([own, other]));
      expect(a.has(own)).toBe(false);
    });

    it('is nothing for clients that are connected, and idle', async () => {
      const [a, b] = await start();
      const renewals = (sent: string[][]) =>
        sent.filter((command) => ABOUT_LEASES.every((key) => command.includes(key))).length;
      const quiet = countCommands();
      await until(() => renewals(quiet) >= 4, 'some looks without a client');
      vi.restoreAllMocks();
      await Promise.all(Array.from({ length: 50 }, (_, n) => listener(n % 2 ? a : b, '/x', `/own/${n}`)));
      const sent = countCommands();
      await until(() => renewals(sent) >= 4, 'some looks with clients');
      const each = (commands: string[][]) =>
        commands.filter(([name]) => name !== 'ping').length / renewals(commands);
      // Both were counted from within a round of looks: by so much they may differ.
      expect(each(sent)).toBeLessThanOrEqual(each(quiet) + 2);
    });
  });

  describe('an EventSource that comes back to another node again and again', () => {
    afterEach(async () => {
      cutEventStreams();
      await stopAll();
      await redis.flush();
    });

    it('gets nothing where it came after another, though the word that one is wanted comes late', async () => {
      const [a, b, c] = (await startNodes(3, { redis: redis.url })) as [OneNode, OneNode, OneNode];
      const clientId = await newClientId(a.endpoint);
      await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news' });
      const stream = await EventStream.open(b.endpoint, clientId);
      const send = vi.spyOn(NodeRpc.prototype, 'send');
      const asks = { ...connectMessage(clientId), connectionType: 'eventsource' };
      await say(c.endpoint, asks);
      await until(() => stream.lastEventId, 'its word');
      const letters = send.mock.calls.map(
        (args, index) => [send.mock.contexts[index] as NodeRpc, args] as const,
      );
      vi.restoreAllMocks();
      const stranger = await EventStream.open(a.endpoint, clientId);
      const late = letters.filter(([, [, subject]]) => subject === 'stream');
      for (const [rpc, args] of late) rpc.send(...args);
      expect(late.length).toBeGreaterThan(0);
      // What is told is heard in order.
      expect((await say(a.endpoint, asks)).error).toBeUndefined();
      expect((await say(c.endpoint, asks)).error).toBeUndefined();
      b.publish('/news', 1);
      await until(() => stream.heard('/news').length > 0, 'the news');
      expect([stranger.received, stranger.lastEventId]).toEqual([[], undefined]);
    });

    it('is told to ask again where Redis is away, and not that its client is unknown', async () => {
      const [a, b] = (await startNodes(2, { redis: redis.url })) as [OneNode, OneNode];
      const clientId = await newClientId(a.endpoint);
      vi.spyOn(RedisStreamTokens.prototype, 'get').mockRejectedValue(new Error('Redis is away'));
      expect((await EventStream.open(b.endpoint, clientId)).status).toBe(503);
      vi.restoreAllMocks();
      expect((await EventStream.open(b.endpoint, clientId)).status).toBe(200);
      expect((await EventStream.open(b.endpoint, 'nobody')).status).toBe(404);
    });

    it('keeps its client no longer than twice the timeout after the last connect', async () => {
      const rates = { messagesPerClient: 1_000_000, messagesPerAddress: 1_000_000 };
      const times = { timeout: 1, grace: 5, rates };
      const nodes = await startNodes(2, { redis: redis.url, namespace: 'silent', ...times });
      const [{ endpoint }] = nodes as [OneNode];
      const clientId = await newClientId(endpoint);
      const endpoints = nodes.map((node) => node.endpoint);
      await reconnects(endpoints, clientId, () => saidBy(nodes, 'disconnect').length > 0);
      expect(saidBy(nodes, 'disconnect')).toEqual([clientId]);
    });
  });

  describe('a client that comes back in a new epoch', () => {
    afterEach(async () => {
      vi.restoreAllMocks();
      await stopAll();
      await redis.flush();
    });

    it.each(['claimed', 'handed over'])('is written where the data was lost as it was %s', async (when) => {
      const namespace = 'way';
      const [a, b] = (await startNodes(2, { redis: redis.url, namespace })) as [OneNode, OneNode];
      const clientId = await newClientId(a.endpoint);
      const keys = new SessionKeys(namespace);
      const losesAll = async () => {
        await redis.flush();
        // Both have begun the new epoch.
        const renewed = async () => (await redis.ask((raw) => raw.zcard(keys.nodes))) === 2;
        await until(renewed, 'the nodes to renew their leases');
      };
      const { receive } = HandOvers.prototype;
      vi.spyOn(HandOvers.prototype, 'receive').mockImplementation(async function (this: HandOvers, ...args) {
        const answer = await receive.apply(this, args);
        if (when === 'handed over') await losesAll();
        return answer;
      });
      const { claim } = SessionRecords.prototype;
      vi.spyOn(SessionRecords.prototype, 'claim').mockImplementation(async function (
        this: SessionRecords,
        ...args
      ) {
        const claimed = await claim.apply(this, args);
        if (when === 'claimed') await losesAll();
        return claimed;
      });
      expect((await say(b.endpoint, connectMessage(clientId))).successful).toBe(true);
      await until(async () => (await redis.keys()).includes(keys.client(clientId)), 'its record');
      expect(b.has(clientId)).toBe(true);
    });

    it('enters again where others had taken it for gone before its node wrote it down', async () => {
      const namespace = 'gone';
      const [a, b] = (await startNodes(2, { redis: redis.url, namespace })) as [OneNode, OneNode];
      const clientId = await newClientId(a.endpoint);
      const auth = { room_channel: '/r', time_channel: '/t', current_user: { uid: 1, uname: 'Ann' } };
      await say(a.endpoint, connectMessage(clientId, auth));
      const count = async () => (await b.server.presence.list('/r')).count;
      expect(await count()).toBe(1);
      const client = a.engine.registry.get(clientId);
      const session = sessionsOf(a).reconciler.get(clientId);
      if (!session) throw new Error('there is no session');
      const keys = new SessionKeys(namespace);
      await redis.ask((ask) => ask.del(keys.client(clientId)));
      const user = { uid: 1, uname: 'Ann' };
      await b.server.presence.sweep({ channel: '/r', user, clientId, row: '' });
      expect(await count()).toBe(0);
      // As where a new epoch has settled before its node was back.
      session.written = 'an earlier epoch';
      await rewrite(a, clientId);
      await until(async () => (await count()) === 1, 'it to be in again');
      expect(a.engine.registry.get(clientId)).toBe(client);
      expect(await redis.keys()).toContain(keys.client(clientId));
    });

    it('is unknown where it had ended in that epoch before its node came to write it', async () => {
      const namespace = 'ended';
      const [a, b] = (await startNodes(2, { redis: redis.url, namespace })) as [OneNode, OneNode];
      const clientId = await newClientId(a.endpoint);
      const socket = await BayeuxSocket.open(a.endpoint);
      await socket.connect(clientId);
      vi.spyOn(sessionsOf(a).claims, 'noticed').mockImplementation(() => {});
      await say(b.endpoint, { channel: '/meta/disconnect', clientId });
      await until(() => saidBy([b], 'disconnect').length > 0, 'the end');
      expect(a.has(clientId)).toBe(true);
      await rewrite(a, clientId);
      expect(a.has(clientId)).toBe(false);
      await until(() => !socket.isOpen, 'its socket to be closed');
      expect((await say(a.endpoint, connectMessage(clientId))).error).toMatch(/^401:/);
      expect((await redis.keys()).filter((key) => key.includes(clientId))).toEqual([]);
      expect(saidBy([a, b], 'disconnect')).toEqual([clientId]);
    });

    it("stays its node's whose lease and record were lost, without another word", async () => {
      const namespace = 'again';
      const [a, b] = (await startNodes(2, { redis: redis.url, namespace })) as [OneNode, OneNode];
      const clientId = await newClientId(a.endpoint);
      const keys = new SessionKeys(namespace);
      const client = a.engine.registry.get(clientId);
      const { node = '' } = await redis.ask((ask) => ask.hgetall(keys.client(clientId)));
      await redis.ask(async (ask) => {
        await ask.del(keys.client(clientId));
        await ask.zrem(keys.nodes, node);
        await ask.hset(keys.epoch, 'run_id', 'of another Redis');
      });
      const isWritten = async () => (await redis.keys()).includes(keys.client(clientId));
      await until(isWritten, 'its record');
      expect(a.engine.registry.get(clientId)).toBe(client);
      expect(a.has(clientId)).toBe(true);
      // Also for the others, before the new epoch has settled.
      expect(await b.engine.ownership.exists(clientId)).toBe(true);
      expect(saidBy([a, b], 'disconnect')).toEqual([]);
    });
  });

  describe('an answer of Redis that is lost', () => {
    afterEach(async () => {
      vi.restoreAllMocks();
      await stopAll();
      await redis.flush();
    });

    /** Redis does the step, and the node does not hear of it. Once. */
    function loseAnswer(isIt: (args: string[]) => boolean): () => boolean {
      let lost = false;
      const send = Redis.prototype.sendCommand;
      vi.spyOn(Redis.prototype, 'sendCommand').mockImplementation(function (this: Redis, ...args) {
        const answer = send.apply(this, args) as Promise<unknown>;
        if (lost || !isIt(args[0].args.map(String))) return answer;
        lost = true;
        return answer.then(() => Promise.reject(new Error('the answer was lost')));
      });
      return () => lost;
    }

    it('leaves no client without a node: who has claimed it finds that out', async () => {
      const [a, b] = (await startNodes(2, { redis: redis.url })) as [OneNode, OneNode];
      const clientId = await newClientId(a.endpoint);
      await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/x' });
      b.publish('/x', 1);
      const isLost = loseAnswer((args) => args.includes('adopt') && args.includes(clientId));
      expect((await say(b.endpoint, connectMessage(clientId))).error).toMatch(/^503:/);
      expect(isLost()).toBe(true);
      expect(b.has(clientId)).toBe(false);
      await until(() => b.has(clientId) && !a.has(clientId), 'the other node to have it');
      const { replies } = await post(b.endpoint, connectMessage(clientId));
      expect(replies.filter(({ channel }) => channel === '/x').map(({ data }) => data)).toEqual([1]);
    });

    it('keeps the process from nothing, where each command fails at once', async () => {
      const [a] = (await startNodes(1, { redis: redis.url })) as [OneNode];
      const send = Redis.prototype.sendCommand;
      let refused = 0;
      vi.spyOn(Redis.prototype, 'sendCommand').mockImplementation(function (this: Redis, ...args) {
        // So many are refused only to one who asks without end.
        if (refused >= 5_000) return send.apply(this, args);
        refused += 1;
        return Promise.reject(new Error("Stream isn't writeable"));
      });
      const clientId = await newClientId(a.endpoint);
      const began = Date.now();
      await until(() => Date.now() - began > 500, 'some looks');
      expect(refused).toBeLessThan(5_000);
      vi.restoreAllMocks();
      await until(
        async () => (await redis.keys()).includes(`/faye/engine/clients/${clientId}`),
        'its record',
      );
    });

    it('hides no new client from the others for long', async () => {
      const [a, b] = (await startNodes(2, { redis: redis.url })) as [OneNode, OneNode];
      const isLost = loseAnswer((args) => args.includes('/faye/nodes/terms') && args.includes('PUBLISH'));
      const clientId = await newClientId(a.endpoint);
      expect(isLost()).toBe(true);
      await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/x' });
      const key = `/faye/engine/clients/${clientId}`;
      const subscribed = () => redis.ask((ask) => ask.hget(key, 'channels'));
      await until(async () => (await subscribed()) === '["/x"]', 'its record to be whole');
      expect((await say(b.endpoint, connectMessage(clientId))).error).toBeUndefined();
      expect([a.has(clientId), b.has(clientId)]).toEqual([false, true]);
    });
  });
});
