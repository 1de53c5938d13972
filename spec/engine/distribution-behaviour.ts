/**
 * What nodes that share one Redis must do together, whatever that Redis is. The spec of a kind of Redis is a few lines that
 * start it.
 */
import { randomUUID } from 'node:crypto';
import type { Message } from 'faye';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RedisConfig } from '../../src/config/index.js';
import { Outboxes } from '../../src/engine/redis/outboxes.js';
import type { UserList } from '../../src/views/user-list.js';
import { heldBy } from '../chaos/held.js';
import { BayeuxSocket, cutSockets } from '../support/bayeux-socket.js';
import { cutEventStreams, EventStream } from '../support/event-stream.js';
import {
  connectAs,
  connectMessage,
  newClientId,
  post,
  type Reply,
  say,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';
import { closeDoors, Door, FENCED, fence, type OneNode, Roamer, saidBy, startNodes } from './nodes.js';

export interface Source {
  /** The `redis` of each node's config. */
  redis: RedisConfig;
  /** All keys, of whichever server. */
  keys(): Promise<string[]>;
  /** Removes all of them. */
  flush(): Promise<void>;
}

const count = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

/** `fences`: of each partition a channel, where there are several; order is kept within a partition. */
export function behavesDistributed(
  source: () => Source,
  { fences = [FENCED] }: { fences?: readonly string[] } = {},
): void {
  const ordered = fences.length === 1;
  let nodes: OneNode[];
  let a: OneNode;
  let b: OneNode;
  let c: OneNode;
  const roamers: Roamer[] = [];

  beforeEach(async () => {
    nodes = await startNodes(3, { redis: source().redis, grace: 1, timeout: 5, leaveDelay: 0.2 });
    [a, b, c] = nodes as [OneNode, OneNode, OneNode];
  });
  afterEach(async () => {
    await Promise.all(roamers.splice(0).map((roamer) => roamer.stop()));
    closeDoors();
    cutSockets();
    cutEventStreams();
    await stopAll();
    await source().flush();
  });

  const endpoints = () => nodes.map(({ endpoint }) => endpoint);

  function roam(clientId: string, auth?: ReturnType<typeof user>): Roamer {
    const roamer = new Roamer(endpoints(), clientId, auth);
    roamers.push(roamer);
    return roamer;
  }

  async function subscribe(node: OneNode, clientId: string, ...subscriptions: string[]): Promise<void> {
    for (const subscription of subscriptions) {
      const reply = await say(node.endpoint, { channel: '/meta/subscribe', clientId, subscription });
      expect(reply.error).toBeUndefined();
    }
  }

  /** A client of the node's with a WebSocket there. */
  async function listener(node: OneNode, ...subscriptions: string[]) {
    const clientId = await newClientId(node.endpoint);
    await subscribe(node, clientId, ...subscriptions, ...fences);
    const socket = await BayeuxSocket.open(node.endpoint);
    await socket.connect(clientId);
    return { clientId, socket, heard: () => socket.received };
  }

  const owners = (clientId: string) => nodes.filter((node) => node.has(clientId));

  /** Everybody has gone: nothing is left of them, in Redis or on a node. */
  async function leavesNothing(): Promise<void> {
    const left = async () =>
      (await source().keys()).filter(
        (key) => !/\/(?:epoch|nodes|nodes\/about|nodes\/terms|rates\/.*|left\/.*)$/.test(key),
      );
    await until(async () => (await left()).length === 0, 'all keys to be gone').catch(
      async (error: Error) => {
        throw new Error(`${error.message}: ${await left()}`);
      },
    );
    for (const { server } of nodes) {
      const held = () => Object.entries(heldBy(server)).filter(([, size]) => size > 0);
      await until(() => held().length === 0, 'nothing to be held').catch((error: Error) => {
        throw new Error(`${error.message}: ${held()}`);
      });
    }
  }

  describe('what is published on one node', () => {
    it('reaches those of the channel and of its patterns on the others, once each, in order', async () => {
      const exact = await listener(b, '/a/b');
      const many = await listener(b, '/a/b', '/a/*', '/a/**', '/**');
      const star = await listener(c, '/a/*');
      const other = await listener(c, '/a/c', '/a');
      const all = count(0, 200);
      for (const n of all) a.publish('/a/b', n);
      await fence(
        [a],
        [exact, many, star, other].map(({ heard }) => heard),
        fences,
      );
      for (const { socket } of [exact, many, star]) expect(socket.heard('/a/b')).toEqual(all);
      expect(other.socket.heard('/a/b')).toEqual([]);
    });

    it.runIf(ordered)('keeps its order over channels', async () => {
      const one = await listener(b, '/a', '/b/*', '/c/d');
      const all = count(0, 150);
      const channels = ['/a', '/b/c', '/c/d'];
      for (const n of all) a.publish(channels[n % 3] ?? '', n);
      await fence([a], [one.heard], fences);
      const heard = one.socket.received.filter(({ channel }) => channels.includes(channel));
      expect(heard.map(({ data }) => data)).toEqual(all);
    });

    it('reaches no subscriber of a pattern where it is for exact ones', async () => {
      const [exact, star] = [await listener(b, '/a/b'), await listener(b, '/a/*')];
      a.engine.publish({ channel: '/a/b', data: 'exactly' }, ['/a/b']);
      await fence([a], [exact.heard, star.heard], fences);
      expect(exact.socket.heard('/a/b')).toEqual(['exactly']);
      expect(star.socket.heard('/a/b')).toEqual([]);
    });
  });

  it('a node none of whose clients subscribes any more hears what other nodes ask of it', async () => {
    const [clientId, last] = [await newClientId(a.endpoint), await newClientId(a.endpoint)];
    await subscribe(a, last, ...fences);
    for (const subscription of fences)
      await say(a.endpoint, { channel: '/meta/unsubscribe', clientId: last, subscription });
    await say(b.endpoint, connectMessage(clientId));
    expect(owners(clientId)).toEqual([b]);
  });

  describe('a client whose polls reach another node each time', () => {
    it('hears all that is published meanwhile, by whichever node, once and in order, and stays', async () => {
      const ann = user('ann');
      const clientId = await newClientId(a.endpoint, ann);
      await subscribe(a, clientId, '/news', '/deep/**', ...fences);
      // Each node listens all the time: it may hear late what the client has had from another.
      for (const node of nodes) await listener(node, '/news', '/deep/**');
      const roamer = roam(clientId, ann);
      const all = count(0, 60);
      for (const n of all) {
        for (const [index, node] of nodes.entries()) node.publish(n % 2 ? '/news' : '/deep/er', [index, n]);
        const polls = roamer.polls;
        if (n % 3 === 0) await until(() => roamer.polls > polls, 'another poll');
      }
      await fence(nodes, [() => roamer.heard], fences);
      const heard = roamer.heard.map(({ data }) => data).filter((data) => Array.isArray(data)) as [
        number,
        number,
      ][];
      for (const index of nodes.keys()) {
        const its = heard.filter(([from]) => from === index).map(([, n]) => n);
        for (const channel of [0, 1]) {
          expect(its.filter((n) => n % 2 === channel)).toEqual(all.filter((n) => n % 2 === channel));
        }
        if (ordered) expect(its).toEqual(all);
      }
      expect(roamer.errors).toEqual([]);
      expect(new Set(saidBy(nodes, 'join'))).toEqual(new Set(['ann']));
      expect(saidBy(nodes, 'leave')).toEqual([]);
      expect(saidBy(nodes, 'disconnect')).toEqual([]);
    });

    it('is told each list once: a poll that brings nothing new is not answered for it', async () => {
      const [ann, bob] = [user('ann'), user('bob')];
      const list = `${ann.room_channel}/user_list`;
      const clientId = await newClientId(a.endpoint, ann);
      await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: list, auth: ann });
      const roamer = roam(clientId, ann);
      const lists = () => roamer.on(list) as UserList[];
      const shows = (...uids: string[]) =>
        until(() => String(lists().at(-1)?.user_list) === String(uids), `${uids} to be shown`);
      const around = async () => {
        const { polls } = roamer;
        await until(() => roamer.polls > polls + 2 * nodes.length, 'it to go around twice');
      };
      await shows('ann');
      await around();
      const other = await BayeuxSocket.open(c.endpoint);
      await other.connect(await newClientId(c.endpoint, bob), { auth: bob });
      await shows('ann', 'bob');
      await around();
      const editions = lists().map(({ epoch, version }) => `${epoch} ${version}`);
      expect(editions).toEqual([...new Set(editions)]);
      expect(roamer.errors).toEqual([]);
    });

    it('is told once of an empty room, however many others end', async () => {
      const list = '/empty/user_list';
      const clientId = await newClientId(a.endpoint);
      await subscribe(a, clientId, list);
      const roamer = roam(clientId);
      await until(() => roamer.on(list).length > 0, 'the empty list');
      for (const room of count(0, 6)) {
        const ann = await newClientId(b.endpoint);
        await say(b.endpoint, connectMessage(ann, user('ann', `/rooms/${room}`)));
        await until(async () => (await c.server.presence.snapshot(`/rooms/${room}`)).count === 1, 'its list');
        await say(b.endpoint, { channel: '/meta/disconnect', clientId: ann });
        const { polls } = roamer;
        await until(() => roamer.polls > polls + nodes.length, 'it to go around');
      }
      expect(roamer.on(list)).toHaveLength(1);
    });

    it('is told a list again that its last poll brought when it was at another node already', async () => {
      const ann = user('ann');
      const list = `${ann.room_channel}/user_list`;
      const clientId = await newClientId(a.endpoint, ann);
      await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: list, auth: ann });
      const poll = async ({ endpoint }: OneNode, timeout: number) => {
        const advice = { timeout };
        const { replies } = await post(endpoint, {
          ...connectMessage(clientId, ann),
          id: randomUUID(),
          advice,
        });
        return replies
          .filter(({ channel }) => channel === list)
          .map(({ data }) => (data as UserList).user_list);
      };
      const isShown = async (node: OneNode) => String((await poll(node, 100)).at(-1)) === 'ann';
      await until(() => isShown(a), 'ann to be shown');
      const unread = poll(a, 10_000);
      await until(() => heldBy(a.server).polls === 1, 'the poll');
      const { flushed } = Outboxes.prototype;
      // The client is at the other node, which has yet to claim it.
      const claiming = vi.spyOn(Outboxes.prototype, 'flushed').mockImplementationOnce(async function (
        this: Outboxes,
      ) {
        await say(c.endpoint, connectMessage(await newClientId(c.endpoint, user('bob')), user('bob')));
        await unread;
        return flushed.call(this);
      });
      const lists = [...(await poll(b, 100)), ...(await poll(b, 100))];
      expect(claiming).toHaveBeenCalled();
      claiming.mockRestore();
      expect((await unread).map(String)).toEqual(['ann,bob']);
      expect(lists.map(String)).toEqual(['ann,bob']);
    });

    it('is told a list again where its last poll was given up, and as it subscribes again', async () => {
      const ann = user('ann');
      const list = `${ann.room_channel}/user_list`;
      const clientId = await newClientId(a.endpoint, ann);
      const subscribeAt = ({ endpoint }: OneNode) =>
        say(endpoint, { channel: '/meta/subscribe', clientId, subscription: list, auth: ann });
      /** What a poll brings that is answered after 100 ms. */
      const shownBy = async ({ endpoint }: OneNode) => {
        const { replies } = await post(endpoint, {
          ...connectMessage(clientId, ann),
          advice: { timeout: 100 },
        });
        return replies.filter(({ channel }) => channel === list).length;
      };
      await subscribeAt(a);
      await until(async () => (await shownBy(b)) === 0 && (await shownBy(c)) === 0, 'nothing new');
      const poll = new AbortController();
      const { advice: _, ...held } = connectMessage(clientId, ann);
      const [method, body] = ['POST', JSON.stringify(held)];
      const headers = { 'Content-Type': 'application/json' };
      fetch(a.endpoint, { method, headers, body, signal: poll.signal }).catch(() => {});
      await until(() => heldBy(a.server).polls === 1, 'the poll');
      poll.abort();
      await until(() => heldBy(a.server).polls === 0, 'the close to be seen');
      await until(async () => (await shownBy(b)) === 1, 'the list');
      expect(await shownBy(c)).toBe(0);
      await subscribeAt(c);
      await until(async () => (await shownBy(a)) === 1, 'the list');
    });

    it('has one node at a time', async () => {
      const clientId = await newClientId(a.endpoint);
      expect(owners(clientId)).toEqual([a]);
      for (const node of [b, c, b, a]) {
        expect((await say(node.endpoint, connectMessage(clientId))).error).toBeUndefined();
        await until(() => owners(clientId).length === 1, 'the node that had it to let go');
        expect(owners(clientId)).toEqual([node]);
      }
    });

    it('keeps one node where several are asked at once, and is known to all', async () => {
      const clientId = await newClientId(a.endpoint);
      for (let time = 0; time < 10; time += 1) {
        const replies = await Promise.all(
          nodes.map(({ endpoint }) => say(endpoint, connectMessage(clientId))),
        );
        expect(replies.map(({ error }) => error).filter((error) => error?.startsWith('401'))).toEqual([]);
        await until(() => owners(clientId).length === 1, 'one node to have it');
      }
    });

    it('subscribes and unsubscribes on whichever node', async () => {
      const clientId = await newClientId(a.endpoint);
      await subscribe(a, clientId, ...fences);
      const socket = await BayeuxSocket.open(a.endpoint);
      await socket.connect(clientId);
      await subscribe(b, clientId, '/news');
      c.publish('/news', 1);
      await fence([c], [() => socket.received], fences);
      expect(socket.heard('/news')).toEqual([1]);
      expect(owners(clientId)).toEqual([a]);
      await say(c.endpoint, { channel: '/meta/unsubscribe', clientId, subscription: '/news' });
      b.publish('/news', 2);
      await fence([b], [() => socket.received], fences);
      expect(socket.heard('/news')).toEqual([1]);
      // And its next node knows no more of it either.
      const again = await BayeuxSocket.open(c.endpoint);
      await again.connect(clientId);
      b.publish('/news', 3);
      await fence([b], [() => again.received], fences);
      expect(again.heard('/news')).toEqual([]);
    });

    it('is subscribed, and answered, where a connect moves it to another node in the same moment', async () => {
      const auth = user('ann');
      for (const subscribesAt of [a, b]) {
        for (const connectsAt of [a, b]) {
          for (let time = 0; time < 10; time += 1) {
            const clientId = await newClientId(a.endpoint);
            const connect = { ...connectMessage(clientId, auth), id: 'connect' };
            const [subscribed] = await Promise.all([
              post(subscribesAt.endpoint, {
                channel: '/meta/subscribe',
                clientId,
                subscription: ['/news', '/sport'],
                auth,
              }),
              post(connectsAt.endpoint, connect),
            ]);
            expect(subscribed.replies).toMatchObject([
              { successful: true, subscription: ['/news', '/sport'] },
            ]);
            // Its next node, which reads what the client's record has, knows of it as well.
            await say(c.endpoint, connectMessage(clientId, auth));
            a.publish('/sport', time);
            const poll = { channel: '/meta/connect', clientId, connectionType: 'long-polling', auth };
            const received = await until(async () => {
              const { replies } = await post(c.endpoint, { ...poll, advice: { timeout: 1_000 } });
              return replies.find(({ channel }) => channel === '/sport');
            }, 'what it subscribed to');
            expect(received.data).toBe(time);
            await say(c.endpoint, { channel: '/meta/disconnect', clientId });
          }
        }
      }
    });

    it('is told that it is unknown where it ends while its subscription is on its way', async () => {
      const clientId = await newClientId(a.endpoint);
      b.server.bayeux.addExtension({
        incoming(message: Message, callback: (message: Message) => void) {
          if (message.channel !== '/meta/subscribe') callback(message);
          else
            void say(a.endpoint, { channel: '/meta/disconnect', clientId }).then(() =>
              until(async () => !(await b.engine.ownership.exists(clientId)), 'its end').then(() =>
                callback(message),
              ),
            );
        },
      });
      const { error, successful } = await say(b.endpoint, {
        channel: '/meta/subscribe',
        clientId,
        subscription: '/news',
      });
      expect([successful, error]).toEqual([false, `401:${clientId}:Unknown client`]);
    });

    it('leaves nothing where it goes to another node while it connects to one', async () => {
      const clientId = await newClientId(a.endpoint);
      await subscribe(a, clientId, '/news');
      let goes = true;
      a.server.bayeux.addExtension({
        incoming(message: Message, callback: (message: Message) => void) {
          const moves = goes && message.channel === '/meta/connect';
          goes &&= !moves;
          if (moves) say(b.endpoint, connectMessage(clientId)).then(() => callback(message));
          else callback(message);
        },
      });
      const socket = await BayeuxSocket.open(a.endpoint);
      socket.send(connectMessage(clientId));
      await until(() => !socket.isOpen, 'the socket to be closed: its client is elsewhere');
      expect(owners(clientId)).toEqual([b]);
      await say(b.endpoint, { channel: '/meta/disconnect', clientId });
      await leavesNothing();
    });

    it('leaves nothing when it has gone', async () => {
      const ann = user('ann');
      const clientId = await newClientId(a.endpoint, ann);
      await subscribe(a, clientId, '/news', '/deep/**');
      const roamer = roam(clientId, ann);
      await until(() => roamer.polls > 7, 'some polls');
      await roamer.stop();
      const gone = nodes[(roamer.polls + 1) % 3] as OneNode;
      await say(gone.endpoint, { channel: '/meta/disconnect', clientId });
      await until(() => saidBy(nodes, 'disconnect').length > 0, 'the end');
      await leavesNothing();
      expect(saidBy(nodes, 'disconnect')).toEqual([clientId]);
      for (const { endpoint } of nodes) {
        expect((await say(endpoint, connectMessage(clientId))).error).toMatch(/^401:/);
      }
    });
  });

  describe("npm's client", () => {
    it('keeps its clientId and its subscriptions where it comes back to another node', async () => {
      const door = await Door.open(a.url);
      const ann = connectAs(door.endpoint, user('ann'));
      const heard: unknown[] = [];
      await ann.client.subscribe('/news', (data) => heard.push(data));
      await until(() => saidBy(nodes, 'join').length > 0, 'ann to be in');
      const clientId = ann.clientId() ?? '';
      door.leadTo(b.url);
      await until(() => b.has(clientId), 'the client to come to the other node');
      c.publish('/news', 'there');
      await until(() => heard.length > 0, 'the news');
      expect(heard).toEqual(['there']);
      expect(ann.clientId()).toBe(clientId);
      expect(owners(clientId)).toEqual([b]);
      expect(saidBy(nodes, 'leave')).toEqual([]);
      expect(saidBy(nodes, 'disconnect')).toEqual([]);
    });

    it('leaves once, where it leaves on another node', async () => {
      const door = await Door.open(a.url);
      const ann = connectAs(door.endpoint, user('ann'));
      await ann.client.subscribe('/news', () => {});
      await until(() => saidBy(nodes, 'join').length > 0, 'ann to be in');
      door.leadTo(b.url);
      await until(() => b.has(ann.clientId() ?? ''), 'the client to come to the other node');
      ann.client.disconnect();
      await until(() => saidBy(nodes, 'leave').length > 0, 'ann to be out');
      await leavesNothing();
      expect(saidBy(nodes, 'disconnect')).toEqual([ann.clientId()]);
    });
  });

  describe('before_leave on another node', () => {
    const leaving = (clientId: string) => ({ channel: '/faye_online/before_leave', clientId, data: {} });

    it('ends a client that polls no more', async () => {
      const clientId = await newClientId(a.endpoint, user('ann'));
      await say(a.endpoint, connectMessage(clientId, user('ann')));
      await say(b.endpoint, leaving(clientId));
      await until(() => saidBy(nodes, 'disconnect').length > 0, 'the end', 3_000);
      expect(saidBy(nodes, 'disconnect')).toEqual([clientId]);
      expect(saidBy(nodes, 'leave')).toEqual(['ann', 'ann']);
    });

    it('spares one that is connected where it is', async () => {
      const { clientId, socket } = await listener(a);
      const other = await newClientId(a.endpoint);
      await say(b.endpoint, leaving(clientId));
      await say(b.endpoint, leaving(other));
      await until(() => saidBy(nodes, 'disconnect').includes(other), 'the other to be ended');
      expect(a.has(clientId)).toBe(true);
      expect(socket.isOpen).toBe(true);
    });
  });

  it("obeys an administrator's disconnect that another node was told", async () => {
    const ann = connectAs(a.endpoint, user('ann'));
    await ann.client.subscribe('/news', () => {});
    await until(() => saidBy(nodes, 'join').length > 0, 'ann to be in');
    await b.server.disconnect({ uid: 'ann' });
    await until(() => saidBy(nodes, 'leave').length > 0, 'ann to be out', 5_000);
    await until(() => saidBy(nodes, 'disconnect').length > 0, 'her client to be ended');
    expect(saidBy(nodes, 'disconnect')).toEqual([ann.clientId()]);
  });

  describe('an EventSource', () => {
    const asks = (clientId: string) => ({
      channel: '/meta/connect',
      clientId,
      connectionType: 'eventsource',
    });

    async function poller(node: OneNode): Promise<string> {
      const clientId = await newClientId(node.endpoint);
      await subscribe(node, clientId, '/news');
      return clientId;
    }

    it('may be on another node than its client, and its connects on a third', async () => {
      const clientId = await poller(a);
      const stream = await EventStream.open(b.endpoint, clientId);
      expect(stream.status).toBe(200);
      expect((await say(c.endpoint, asks(clientId))).error).toBeUndefined();
      await until(() => b.has(clientId), 'the node of the stream to have the client');
      a.publish('/news', 1);
      await until(() => stream.heard('/news').length > 0, 'the news');
      // Its next connects move nothing.
      for (const node of [c, a]) expect((await say(node.endpoint, asks(clientId))).error).toBeUndefined();
      expect(owners(clientId)).toEqual([b]);
      c.publish('/news', 2);
      await until(() => stream.heard('/news').length > 1, 'more news');
      expect(stream.heard('/news')).toEqual([1, 2]);
    });

    it('may open before the first connect of its client reaches another node', async () => {
      const clientId = await poller(a);
      const stream = await EventStream.open(a.endpoint, clientId);
      expect((await say(b.endpoint, connectMessage(clientId))).error).toBeUndefined();
      await until(() => !a.has(clientId), 'the node that had the client to let go');
      expect((await say(b.endpoint, asks(clientId))).error).toBeUndefined();
      await until(() => a.has(clientId), 'the node of the stream to have the client');
      b.publish('/news', 1);
      await until(() => stream.heard('/news').length > 0, 'the news');
    });

    it('that waits for a client is closed as the client ends', async () => {
      const clientId = await poller(a);
      const stream = await EventStream.open(a.endpoint, clientId);
      await say(a.endpoint, { channel: '/meta/disconnect', clientId });
      await until(() => stream.isClosed, 'the stream to be closed');
    });

    it('comes back to another node at once, what came meanwhile too', async () => {
      const clientId = await poller(a);
      const stream = await EventStream.open(b.endpoint, clientId);
      await say(c.endpoint, asks(clientId));
      const word = await until(() => stream.lastEventId, 'its word');
      // Half-open: the node does not see that it has gone.
      const again = await EventStream.open(c.endpoint, clientId, { 'Last-Event-ID': word });
      expect(again.status).toBe(200);
      await until(() => c.has(clientId), 'the other node to have the client');
      a.publish('/news', 1);
      await until(() => again.heard('/news').length > 0, 'the news');
      expect(stream.heard('/news')).toEqual([]);
      await until(() => stream.isClosed, 'the stream before to be closed');
    });

    it('that nobody asked for gets nothing, on whichever node', async () => {
      const clientId = await poller(a);
      const stream = await EventStream.open(b.endpoint, clientId);
      await say(c.endpoint, asks(clientId));
      await until(() => stream.lastEventId, 'its word');
      const strangers = [
        await EventStream.open(a.endpoint, clientId),
        await EventStream.open(c.endpoint, clientId, { 'Last-Event-ID': 'guessed' }),
      ];
      // Also where the client's own connects reach the node at which they wait.
      for (const node of [a, c, b]) await say(node.endpoint, asks(clientId));
      b.publish('/news', 1);
      await until(() => stream.heard('/news').length > 0, 'the news');
      expect(owners(clientId)).toEqual([b]);
      for (const { received } of strangers) expect(received as Reply[]).toEqual([]);
    });
  });
}
