/**
 * Nodes that die or stand still, and a Redis that goes and comes back. The cases run side by side, each in a namespace of its
 * own or on a Redis of its own, because most of them wait for a lease.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SessionKeys } from '../../src/sessions/redis/session-keys.js';
import { LEASE_MS } from '../../src/timings.js';
import { BayeuxSocket, cutSockets } from '../support/bayeux-socket.js';
import { RedisServer } from '../support/redis-server.js';
import { connectAs, connectMessage, newClientId, say, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';
import { endProcesses, NodeProcess } from './node-process.js';
import {
  closeDoors,
  Door,
  HangingProxy,
  type OneNode,
  saidBy,
  sessionsOf,
  startNode,
  startNodes,
} from './nodes.js';

/** The specs ask again and again. */
const rates = { messagesPerClient: 1_000_000, messagesPerAddress: 1_000_000 };
const TIMES = { grace: 1, timeout: 30, rates };
/** Milliseconds in which the clients of a dead node are gone; more where the machine is busy. */
const DEAD = 25_000;

describe('the faults of nodes and of Redis', { concurrent: true }, () => {
  let redis: RedisServer;
  const servers: RedisServer[] = [];

  async function newRedis(): Promise<RedisServer> {
    const server = await RedisServer.start();
    servers.push(server);
    return server;
  }

  beforeAll(async () => {
    redis = await newRedis();
  });
  // Not after each: the others are still at work.
  afterAll(async () => {
    closeDoors();
    cutSockets();
    await endProcesses();
    await stopAll();
    await Promise.all(servers.map((server) => server.dispose()));
  });

  const inNamespace = () => {
    const namespace = randomUUID();
    return { config: { ...TIMES, redis: redis.url, namespace }, keys: new SessionKeys(namespace), namespace };
  };

  /** Until the node that died is forgotten. */
  const reaped = (keys: SessionKeys) =>
    until(
      () =>
        redis.ask(async (ask) => (await ask.zcard(keys.nodes)) === 1 && (await ask.zcard(keys.dead)) === 0),
      'the dead node to be forgotten',
      DEAD,
    );

  const keysOf = async (namespace: string) =>
    (await redis.keys(`/${namespace}/*`))
      .map((key) => key.slice(namespace.length + 2))
      .filter((key) => !key.startsWith('rates/'));

  const REMAIN = ['epoch', 'nodes', 'nodes/about', 'nodes/terms'];

  async function socketOf(node: { endpoint: string }, clientId: string, ...channels: string[]) {
    for (const subscription of channels)
      await say(node.endpoint, { channel: '/meta/subscribe', clientId, subscription });
    const socket = await BayeuxSocket.open(node.endpoint);
    await socket.connect(clientId);
    return socket;
  }

  describe('a node that is killed', () => {
    it('loses none of those who come back to another', async () => {
      const { config, keys } = inNamespace();
      const [dying, node] = await Promise.all([NodeProcess.start(config), startNode(config)]);
      const door = await Door.open(dying.url);
      const ann = connectAs(door.endpoint, user('ann'));
      const heard: unknown[] = [];
      await ann.client.subscribe('/news', (data) => heard.push(data));
      const clientId = await until(() => ann.clientId(), 'the handshake');
      await until(async () => (await node.server.presence.list('/classes/4')).count === 1, 'ann to be in');
      await dying.kill();
      // At the last moment: they have a while from here on.
      await until(
        () => redis.ask(async (ask) => (await ask.zcard(keys.nodes)) === 1),
        'the lease to be over',
      );
      door.leadTo(node.url);
      await reaped(keys);
      expect(node.has(clientId)).toBe(true);
      node.publish('/news', 1);
      await until(() => heard.length > 0, 'the news');
      expect(ann.clientId()).toBe(clientId);
      expect([...saidBy([node], 'leave'), ...saidBy([node], 'disconnect')]).toEqual([]);
    });

    it('takes with it those who do not, once, and leaves nothing', async () => {
      const { config, keys, namespace } = inNamespace();
      const [dying, node] = await Promise.all([NodeProcess.start(config), startNode(config)]);
      const clientId = await newClientId(dying.endpoint, user('ann'));
      await say(dying.endpoint, connectMessage(clientId, user('ann')));
      await say(dying.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news' });
      const journal = `/${namespace}/journal`;
      await redis.ask((ask) => ask.xgroup('CREATE', journal, 'spec', '$', 'MKSTREAM'));
      await dying.kill();
      await until(() => saidBy([node], 'leave').length > 0, 'ann to be out', DEAD);
      await reaped(keys);
      expect(saidBy([node], 'disconnect')).toEqual([clientId]);
      // With the last sign of life of its node, so that nobody is counted for longer.
      const entries = await redis.ask((ask) => ask.xrange(journal, '-', '+'));
      const outs = entries.filter(([, fields]) => fields.includes('out') && fields.includes(clientId));
      expect(outs.length).toBeGreaterThan(0);
      for (const [, fields] of outs) {
        expect(Number(fields[fields.indexOf('at') + 1])).toBeLessThan(Date.now() - LEASE_MS);
      }
      await redis.ask((ask) => ask.del(journal));
      await until(
        async () => (await keysOf(namespace)).every((key) => REMAIN.includes(key)),
        'nothing to be left',
      );
    });

    it('has what it had begun to end ended by another', async () => {
      const { config, keys, namespace } = inNamespace();
      const [dying, node] = await Promise.all([NodeProcess.start(config), startNode(config)]);
      const clientId = await newClientId(dying.endpoint, user('ann'));
      await say(dying.endpoint, connectMessage(clientId, user('ann')));
      await dying.kill();
      await redis.ask((ask) => ask.hset(keys.client(clientId), 'state', 'ending'));
      expect((await say(node.endpoint, connectMessage(clientId))).error).toMatch(/^401:/);
      await until(() => saidBy([node], 'disconnect').length > 0, 'the end', DEAD);
      await reaped(keys);
      expect(saidBy([node], 'disconnect')).toEqual([clientId]);
      await until(
        async () => (await keysOf(namespace)).every((key) => REMAIN.includes(key)),
        'nothing to be left',
      );
    });
  });

  describe('a node that stood still past its lease', () => {
    it('lets go of who has gone to another, and keeps who is still there', async () => {
      const { config, keys } = inNamespace();
      const [still, node] = await Promise.all([NodeProcess.start(config), startNode(config)]);
      const [moved = '', there = ''] = await Promise.all([1, 2].map(() => newClientId(still.endpoint)));
      const socket = await socketOf(still, there, '/news');
      await say(still.endpoint, connectMessage(moved));
      const names = async () => (await redis.ask((ask) => ask.zrange(keys.nodes, '0', '-1'))).sort();
      const ownerOf = (clientId: string) =>
        redis.ask((ask) => ask.hmget(keys.client(clientId), 'node', 'generation'));
      const [before, owner] = [await names(), await ownerOf(there)];
      still.stop();
      expect((await say(node.endpoint, connectMessage(moved))).error).toBeUndefined();
      await until(
        () => redis.ask(async (ask) => (await ask.zcard(keys.dead)) === 1),
        'the lease to be over',
        DEAD,
      );
      still.goOn();
      await until(async () => !(await still.has(moved)), 'it to let go');
      expect(node.has(moved)).toBe(true);
      await until(
        () =>
          redis.ask(async (ask) => (await ask.zcard(keys.nodes)) === 2 && (await ask.zcard(keys.dead)) === 0),
        'the node to be back',
      );
      node.publish('/news', 1);
      await until(() => socket.heard('/news').length > 0, 'the news');
      expect(await still.has(there)).toBe(true);
      expect(await ownerOf(there)).toEqual(owner);
      expect(await names()).toEqual(before);
      // What the other has begun to judge is over by now.
      await until(() => redis.ask(async (ask) => (await ask.exists(keys.lastSigns)) === 0), 'no dead node');
      expect(saidBy([node], 'disconnect')).toEqual([]);
      expect([await still.ends(moved), await still.ends(there)]).toEqual([0, 0]);
    });

    it('lets go of who has gone to another, and of who was ended, who begins again', async () => {
      const { config, keys, namespace } = inNamespace();
      const [still, node] = await Promise.all([NodeProcess.start(config), startNode(config)]);
      const [moved, there, polling, cut] = await Promise.all(
        [1, 2, 3, 4].map(() => newClientId(still.endpoint)),
      );
      const socket = await socketOf(still, there ?? '', '/news');
      await say(still.endpoint, connectMessage(moved ?? ''));
      await say(still.endpoint, connectMessage(polling ?? ''));
      (await socketOf(still, cut ?? '')).cut();
      still.stop();
      expect((await say(node.endpoint, connectMessage(moved ?? ''))).error).toBeUndefined();
      await reaped(keys);
      still.goOn();
      await until(() => !socket.isOpen, 'the socket of one that was ended to be closed');
      for (const clientId of [there, polling, cut])
        expect((await say(still.endpoint, connectMessage(clientId ?? ''))).error).toMatch(/^401:/);
      expect(node.has(moved ?? '')).toBe(true);
      await until(async () => !(await still.has(moved ?? '')), 'it to let go');
      // They were ended, and stay so.
      expect(saidBy([node], 'disconnect').sort()).toEqual([there, polling, cut].sort());
      await until(async () => (await still.holds()).clients === 0, 'all to be gone');
      // An end that it sees only now has been told by the other.
      await until(async () => (await still.holds()).ending === 0, 'all ends to be known');
      for (const clientId of [moved, there, polling, cut]) expect(await still.ends(clientId ?? '')).toBe(0);
      const records = async () =>
        (await keysOf(namespace)).filter((key) => key.startsWith('engine/clients/'));
      expect(await records()).toEqual([`engine/clients/${moved}`]);
    });
  });

  describe('a node that hears no letters any more', () => {
    it('lets go of who has gone to another, once its connections are made anew', async () => {
      const { config } = inNamespace();
      const proxy = await HangingProxy.start(redis.port);
      const deaf = await startNode({ ...config, redis: proxy.url });
      const node = await startNode(config);
      await until(() => deaf.engine.status.connected, 'the node behind the proxy');
      const clientId = await newClientId(deaf.endpoint);
      await say(deaf.endpoint, connectMessage(clientId));
      proxy.hang();
      expect((await say(node.endpoint, connectMessage(clientId))).error).toBeUndefined();
      expect(node.has(clientId)).toBe(true);
      expect(deaf.has(clientId)).toBe(true);
      await until(() => deaf.engine.registry.size.clients === 0, 'it to let go');
      expect([...saidBy([deaf, node], 'disconnect')]).toEqual([]);
    });
  });

  describe('a Redis that', () => {
    interface Outage {
      own: RedisServer;
      nodes: OneNode[];
      stays: string;
      goes: string;
      namespace: string;
    }

    async function begin(): Promise<Outage> {
      const own = await newRedis();
      const nodes = await startNodes(2, { ...TIMES, redis: own.url });
      const [a] = nodes as [OneNode, OneNode];
      const [stays, goes] = (await Promise.all([1, 2].map(() => newClientId(a.endpoint)))) as [
        string,
        string,
      ];
      for (const clientId of [stays, goes]) {
        await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news' });
        await say(a.endpoint, connectMessage(clientId));
      }
      return { own, nodes, stays, goes, namespace: 'faye' };
    }

    /** Both nodes are as they were, but for the client that has ended meanwhile. */
    async function isAsBefore({ own, nodes, stays, goes }: Outage): Promise<void> {
      const [a, b] = nodes as [OneNode, OneNode];
      const answer = async () => (await say(b.endpoint, connectMessage(stays))).error;
      // Until it is known who is where, clients are told to come back; never that they are unknown.
      const errors: (string | undefined)[] = [];
      await until(async () => {
        errors.push(await answer());
        return errors.at(-1) === undefined;
      }, 'the other node to have the client');
      expect(errors.filter((error) => error !== undefined && !error.startsWith('503:'))).toEqual([]);
      // The letter that tells the other of it may have been lost with Redis: then it is told by what it tries next.
      await until(() => !a.has(stays) && b.has(stays), 'one of them alone to have it');
      await until(() => saidBy(nodes, 'disconnect').length > 0, 'the end to be told');
      expect(saidBy(nodes, 'disconnect')).toEqual([goes]);
      await until(async () => {
        const { error } = await say(b.endpoint, connectMessage(goes));
        return error?.startsWith('401:');
      }, 'the client that has ended to be unknown');
      const left = async () => (await own.keys('/faye/engine/*')).filter((key) => !key.endsWith(`/${stays}`));
      const isOneNode = (keys: string[]) =>
        keys.length === 1 && keys[0]?.startsWith('/faye/engine/clients_of/');
      await until(async () => isOneNode(await left()), 'nothing else to be left').catch(
        async (error: Error) => {
          throw new Error(`${error.message}: ${await left()}`);
        },
      );
      const socket = await socketOf(b, stays);
      await until(() => {
        a.publish('/news', 1);
        return socket.heard('/news').length > 0;
      }, 'the news');
    }

    const holdsLease = (node: OneNode): boolean => sessionsOf(node).leases.all.every(({ holds }) => holds);

    const endOf = ({ nodes, goes }: Outage) => nodes[0]?.engine.destroyClient(goes);

    const away = ({ nodes }: Outage) =>
      until(() => nodes.every(({ engine }) => !engine.status.connected), 'the nodes to notice');

    it('comes back without its data', async () => {
      const outage = await begin();
      await outage.own.stop();
      await away(outage);
      endOf(outage);
      await outage.own.start();
      await isAsBefore(outage);
    });

    it('comes back with its data', async () => {
      const outage = await begin();
      await outage.own.save();
      await outage.own.stop();
      await away(outage);
      endOf(outage);
      await outage.own.start();
      await isAsBefore(outage);
    });

    it('comes back with older data', async () => {
      const own = await newRedis();
      const nodes = await startNodes(2, { ...TIMES, redis: own.url });
      const [a, b] = nodes as [OneNode, OneNode];
      const [stays, goes] = (await Promise.all([1, 2].map(() => newClientId(b.endpoint)))) as [
        string,
        string,
      ];
      for (const clientId of [stays, goes])
        await say(b.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news' });
      await own.save();
      // Which does not know that they have moved since.
      for (const clientId of [stays, goes]) await say(a.endpoint, connectMessage(clientId));
      await own.stop();
      const outage = { own, nodes, stays, goes, namespace: 'faye' };
      await away(outage);
      endOf(outage);
      await own.start();
      await isAsBefore(outage);
    });

    it('stood still for longer than a lease', async () => {
      const outage = await begin();
      const names = () => outage.own.ask((ask) => ask.zrange('/faye/nodes', '0', '-1'));
      const before = await names();
      outage.own.pause();
      const [a] = outage.nodes as [OneNode, OneNode];
      await until(() => !holdsLease(a), 'the lease to be over');
      endOf(outage);
      outage.own.resume();
      await isAsBefore(outage);
      // One that is late, on a busy machine, may have been taken for dead, and be back.
      expect((await names()).sort()).toEqual(before.sort());
    });

    it('is flushed', async () => {
      const outage = await begin();
      await outage.own.flush();
      endOf(outage);
      await isAsBefore(outage);
    });
  });
});
