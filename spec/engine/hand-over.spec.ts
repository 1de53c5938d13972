/** What a client had on the node before, where that could not say it as the client went: it was cut off from Redis. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Doubts } from '../../src/engine/redis/doubts.js';
import { HandOvers } from '../../src/engine/redis/hand-overs.js';
import { HeardSince } from '../../src/engine/redis/heard-of.js';
import { EngineKeys } from '../../src/engine/redis/keys.js';
import { Lease } from '../../src/engine/redis/lease.js';
import { write } from '../../src/engine/redis/letter.js';
import { Listening } from '../../src/engine/redis/listening.js';
import { Mail } from '../../src/engine/redis/mail.js';
import { Records } from '../../src/engine/redis/records.js';
import { heldBy } from '../chaos/held.js';
import { BayeuxSocket, cutSockets } from '../support/bayeux-socket.js';
import { RedisServer } from '../support/redis-server.js';
import { connectMessage, newClientId, post, type Reply, say, stopAll } from '../support/server.js';
import { until } from '../support/until.js';
import { closeDoors, Door, FENCED, fence, type OneNode, startNode, startNodes } from './nodes.js';

/** Who is known is not asked for, and may subscribe while Redis is away. */
const auth = { room_channel: '/r', time_channel: '/t', current_user: { uid: 1, uname: 'Ann' } };
interface Subscribing {
  subscribe(this: unknown, line: unknown, ears: readonly { name: string }[]): Promise<void>;
}

const NOWHERE = 'redis://127.0.0.1:1';

describe('a node that is cut off from Redis', () => {
  let redis: RedisServer;
  let door: Door;
  let a: OneNode;
  let b: OneNode;

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());
  afterEach(async () => {
    vi.restoreAllMocks();
    closeDoors();
    cutSockets();
    await stopAll();
    await redis.flush();
  });

  /** Two nodes, the first behind a door. */
  async function start(namespace: string): Promise<void> {
    door = await Door.open(redis.url);
    a = await startNode({ redis: redis.url.replace(/:\d+$/, `:${new URL(door.endpoint).port}`), namespace });
    [b] = (await startNodes(1, { redis: redis.url, namespace })) as [OneNode];
    await until(() => a.engine.connected, 'the node behind the door');
    await until(async () => (await b.server.status()).nodes.length === 2, 'both nodes');
  }

  async function cut(): Promise<void> {
    door.leadTo(NOWHERE);
    await until(() => !a.engine.connected, 'the node to notice');
  }

  async function subscriber(...channels: string[]): Promise<string> {
    const clientId = await newClientId(a.endpoint);
    for (const subscription of [...channels, FENCED])
      await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription });
    return clientId;
  }

  async function socketAt(node: OneNode, clientId: string): Promise<BayeuxSocket> {
    const socket = await BayeuxSocket.open(node.endpoint);
    expect((await socket.connect(clientId, { auth })).successful).toBe(true);
    return socket;
  }

  it('tells the node that has its clients what they had, before it says anything to all', async () => {
    await start('cut');
    const [connected, waiting] = [await subscriber('/news'), await subscriber('/news')];
    const before = await socketAt(a, connected);
    await cut();
    a.publish('/news', 1);
    await until(() => before.heard('/news').length > 0, 'the news');
    const [one, other] = [await socketAt(b, connected), await socketAt(b, waiting)];
    door.leadTo(redis.url);
    await until(() => !a.has(connected) && !a.has(waiting), 'the node to let go');
    a.publish('/news', 2);
    await fence([a, b], [() => one.received, () => other.received]);
    expect(one.heard('/news')).toEqual([2]);
    expect(other.heard('/news')).toEqual([1, 2]);
  });

  it('tells it also of a client that has ended here since it went', async () => {
    await start('ended');
    const clientId = await subscriber('/news');
    const before = await socketAt(a, clientId);
    await cut();
    a.publish('/news', 1);
    await until(() => before.heard('/news').length > 0, 'the news');
    const after = await socketAt(b, clientId);
    a.engine.destroyClient(clientId);
    expect(a.has(clientId)).toBe(false);
    door.leadTo(redis.url);
    await until(() => a.engine.connected, 'the node to be back');
    a.publish('/news', 2);
    await fence([a, b], [() => after.received]);
    expect(after.heard('/news')).toEqual([2]);
    expect(b.has(clientId)).toBe(true);
  });

  it('gives nobody twice what it says before it has told whose clients have had it, wherever they have gone by then', async () => {
    await start('on');
    const [c] = (await startNodes(1, { redis: redis.url, namespace: 'on' })) as [OneNode];
    const [connected, late] = [await subscriber('/news'), await subscriber()];
    const [before] = [await socketAt(a, connected), await socketAt(a, late)];
    const keys = new EngineKeys('on');
    const node = String(await redis.ask((ask) => ask.hget(keys.client(connected), 'node')));
    await cut();
    a.publish('/news', 1);
    await until(() => before.heard('/news').length > 0, 'the news');
    const [one, other] = [await socketAt(b, connected), await socketAt(b, late)];
    await other.ask({ channel: '/meta/subscribe', clientId: late, subscription: '/news', auth });
    // As if it had been under way as the node was cut.
    const json = JSON.stringify({ channel: '/news', data: 1 });
    const said = write({ node, number: 1, exact: false, except: [], channel: '/news', json });
    await redis.ask((ask) => ask.publish(keys.messages('/news'), said));
    b.publish('/news', 2);
    await until(
      () => one.heard('/news').length > 0 && other.heard('/news').length > 0,
      'what comes after it',
    );
    const [two, three] = [await socketAt(c, connected), await socketAt(c, late)];
    door.leadTo(redis.url);
    await until(() => !a.has(connected) && !a.has(late), 'the node to let go');
    a.publish('/news', 3);
    await fence([a, b, c], [() => two.received, () => three.received]);
    expect([...before.heard('/news'), ...one.heard('/news'), ...two.heard('/news')]).toEqual([1, 2, 3]);
    expect([...other.heard('/news'), ...three.heard('/news')]).toEqual([2, 1, 3]);
  });

  it('gives nobody once more what it has yet to say, where the client comes back by a node that does not know of it', async () => {
    await start('round');
    const [c] = (await startNodes(1, { redis: redis.url, namespace: 'round' })) as [OneNode];
    const clientId = await newClientId(c.endpoint);
    for (const subscription of ['/news', FENCED])
      await say(c.endpoint, { channel: '/meta/subscribe', clientId, subscription });
    const { backplane } = c.engine as unknown as {
      backplane: { hold(): void; releaseSoon(): Promise<void>; waiting: number };
    };
    const first = await socketAt(c, clientId);
    // As after an outage.
    backplane.hold();
    c.publish('/news', 1);
    await until(() => first.heard('/news').length > 0, 'the news');
    await socketAt(a, clientId);
    await cut();
    await socketAt(b, clientId);
    const last = await socketAt(c, clientId);
    expect(backplane.waiting).toBe(1);
    c.publish('/news', 2);
    void backplane.releaseSoon();
    await fence([b, c], [() => last.received]);
    expect([first.heard('/news'), last.heard('/news')]).toEqual([[1], [2]]);
  });

  it('gives a client that comes back what has waited for it here', async () => {
    await start('again');
    const clientId = await subscriber('/news');
    b.publish('/news', 1);
    await until(() => a.engine.get(clientId)?.waiting, 'the news to wait');
    await cut();
    const there = await socketAt(b, clientId);
    let isBack = false;
    const { tellAll } = HandOvers.prototype;
    vi.spyOn(HandOvers.prototype, 'tellAll').mockImplementation(async function (this: HandOvers) {
      if (isBack) await tellAll.call(this);
    });
    door.leadTo(redis.url);
    await until(() => !a.has(clientId), 'the node to let go');
    const here = await socketAt(a, clientId);
    isBack = true;
    await fence([a, b], [() => here.received]);
    await until(() => here.heard('/news').length > 0, 'the news');
    expect([there.heard('/news'), here.heard('/news')]).toEqual([[], [1]]);
  });

  it('gives it also to one that has come back and gone again, before it could be told', async () => {
    await start('gone-again');
    const clientId = await subscriber('/news');
    b.publish('/news', 1);
    await until(() => a.engine.get(clientId)?.waiting, 'the news to wait');
    await cut();
    const there = await socketAt(b, clientId);
    const tell = vi.spyOn(HandOvers.prototype, 'tellAll').mockResolvedValue();
    door.leadTo(redis.url);
    await until(() => !a.has(clientId), 'the node to let go');
    expect(await a.engine.adopt(clientId)).toBe(true);
    const again = await socketAt(b, clientId);
    tell.mockRestore();
    await fence([a, b], [() => again.received]);
    expect([there.heard('/news'), again.heard('/news')]).toEqual([[], [1]]);
  });

  it('keeps it where another node has asked for a client that this one has had only since', async () => {
    await start('early');
    const clientId = await subscriber('/news');
    const { client } = new EngineKeys('early');
    const node = Lease.nodeOf(String(await redis.ask((ask) => ask.hget(client(clientId), 'node'))));
    b.publish('/news', 1);
    await until(() => a.engine.get(clientId)?.waiting, 'the news to wait');
    await cut();
    const after = await socketAt(b, clientId);
    const tell = vi.spyOn(HandOvers.prototype, 'tellAll').mockResolvedValue();
    door.leadTo(redis.url);
    await until(() => !a.has(clientId), 'the node to let go');
    const { residence } = b.engine as unknown as { residence: { mail: Mail } };
    expect(await residence.mail.ask(node, 'hand-over', { clientId, generation: 1 })).toBe(null);
    tell.mockRestore();
    await fence([a, b], [() => after.received]);
    expect(after.heard('/news')).toEqual([1]);
  });

  it('keeps no list for later, which its client may have been told newer elsewhere by then', async () => {
    await start('older');
    const clientId = await subscriber('/news');
    await say(a.endpoint, { ...connectMessage(clientId), auth });
    await say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/r/user_list', auth });
    await until(() => a.engine.get(clientId)?.waiting, 'the list to wait');
    a.publish('/news', 1);
    await cut();
    const { replies } = await post(a.endpoint, { ...connectMessage(clientId), auth });
    expect(replies.map(({ channel }) => channel).filter((channel) => !channel.startsWith('/meta/'))).toEqual([
      '/news',
    ]);
    door.leadTo(redis.url);
    await until(async () => {
      const { replies } = await post(a.endpoint, { ...connectMessage(clientId), auth });
      return replies.some(({ channel }) => channel === '/r/user_list');
    }, 'the list as it is now');
  });

  it('acknowledges a subscription once others can know of it, and serves it until then', async () => {
    await start('acknowledged');
    const clientId = await subscriber();
    const socket = await socketAt(a, clientId);
    await cut();
    const asked = socket.ask({ channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    await until(() => a.engine.get(clientId)?.channels.has('/news'), 'the subscription');
    a.publish('/news', 1);
    await until(() => socket.heard('/news').length > 0, 'the news');
    const replies = socket.received.filter(({ channel }) => channel === '/meta/subscribe');
    expect(replies).toEqual([]);
    door.leadTo(redis.url);
    expect((await asked).successful).toBe(true);
    const subscriptions = new EngineKeys('acknowledged').subscriptions(clientId);
    expect((await redis.ask((ask) => ask.smembers(subscriptions))).sort()).toEqual([FENCED, '/news']);
  });

  it('subscribes a client where it has gone meanwhile, before it is answered', async () => {
    await start('unanswered');
    const clientId = await subscriber();
    await socketAt(a, clientId);
    await cut();
    const asked = say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    await until(() => a.engine.get(clientId)?.channels.has('/news'), 'the subscription');
    await socketAt(b, clientId);
    expect(b.engine.get(clientId)?.channels.has('/news')).toBe(false);
    door.leadTo(redis.url);
    expect((await asked).successful).toBe(true);
    expect(b.engine.get(clientId)?.channels.has('/news')).toBe(true);
  });

  it('subscribes a client where it goes in the same moment, which the other node does not know of', async () => {
    await start('moment');
    const clientId = await subscriber();
    await socketAt(a, clientId);
    const subscribe = Records.prototype.subscribe;
    vi.spyOn(Records.prototype, 'subscribe').mockImplementationOnce(async function (this: Records, ...args) {
      await until(() => b.has(clientId), 'the other node to have it');
      return subscribe.apply(this, args);
    });
    const asked = say(a.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    await until(() => a.engine.get(clientId)?.channels.has('/news'), 'the subscription');
    await socketAt(b, clientId);
    expect((await asked).successful).toBe(true);
    expect(b.engine.get(clientId)?.channels.has('/news')).toBe(true);
  });

  it('keeps what its client subscribes to at another node, which acknowledges it once it has heard of it', async () => {
    await start('elsewhere');
    const clientId = await subscriber();
    await socketAt(a, clientId);
    await cut();
    // As after an outage: it writes down all its clients again.
    const { residence } = a.engine as unknown as { residence: { keeping: { unsaved: Set<unknown> } } };
    const client = a.engine.get(clientId);
    residence.keeping.unsaved.add(client);
    let isAcknowledged = false;
    const asked = say(b.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    const acknowledged = asked.then(({ successful }) => {
      isAcknowledged = successful === true;
    });
    const subscriptions = new EngineKeys('elsewhere').subscriptions(clientId);
    const kept = () => redis.ask((ask) => ask.smembers(subscriptions));
    await until(async () => (await kept()).includes('/news'), 'it to be written down');
    expect(isAcknowledged).toBe(false);
    door.leadTo(redis.url);
    await acknowledged;
    expect(isAcknowledged).toBe(true);
    expect(client?.channels.has('/news')).toBe(true);
    expect((await kept()).sort()).toEqual([FENCED, '/news']);
  });

  it('gives up its client to the node that has it, where Redis has lost who has it', async () => {
    await start('emptied');
    const clientId = await subscriber('/news');
    const before = await socketAt(a, clientId);
    await cut();
    a.publish('/news', 1);
    await until(() => before.heard('/news').length > 0, 'the news');
    const after = await socketAt(b, clientId);
    await redis.flush();
    door.leadTo(redis.url);
    await until(() => !a.has(clientId), 'the node to let go', 20_000);
    expect(b.has(clientId)).toBe(true);
    await fence([a, b], [() => after.received]);
    expect(after.heard('/news')).toEqual([]);
    const owners = async () => (await redis.keys()).filter((key) => key.includes('/clients_of/'));
    await until(async () => (await owners()).length === 1, 'one node to count the client');
  });

  describe('whose clients this node hears of late', () => {
    const NEWS = { node: 'x', number: 1, exact: true, except: [], channel: '/news' };
    const news = (namespace: string, data: number): Promise<number> => {
      const json = JSON.stringify({ channel: '/news', data });
      const text = write({ ...NEWS, number: data, json });
      return redis.ask((ask) => ask.publish(new EngineKeys(namespace).messages('/news'), text));
    };

    /** Nobody finds out where a client is until what this returns is called. */
    function looksWait(): () => void {
      let look = () => {};
      const looked = new Promise<void>((resolve) => {
        look = resolve;
      });
      const lookAt = Records.prototype.look;
      vi.spyOn(Records.prototype, 'look').mockImplementation(async function (this: Records, ...args) {
        await looked;
        return lookAt.apply(this, args);
      });
      return look;
    }

    /** Before the next client is adopted, and once it is. */
    function asItIsAdopted(before: () => Promise<void>, after = async (): Promise<void> => {}): void {
      const adopt = Records.prototype.adopt;
      vi.spyOn(Records.prototype, 'adopt').mockImplementationOnce(async function (this: Records, ...args) {
        await before();
        const adopted = await adopt.apply(this, args);
        await after();
        return adopted;
      });
    }

    it('takes back from what waits what its client has had there', async () => {
      await start('gathered');
      const clientId = await subscriber('/news');
      const before = await socketAt(a, clientId);
      await news('gathered', 1);
      await until(() => before.heard('/news').length > 0, 'the news');
      await cut();
      asItIsAdopted(async () => {
        await news('gathered', 1);
        await news('gathered', 2);
        await until(() => b.engine.get(clientId)?.waiting, 'the news to be gathered');
      });
      expect(await b.engine.adopt(clientId)).toBe(true);
      const hear = vi.spyOn(HandOvers.prototype, 'hear');
      door.leadTo(redis.url);
      await until(() => hear.mock.results.some(({ value }) => value === true), 'the node to say it');
      const after = await socketAt(b, clientId);
      await fence([a, b], [() => after.received]);
      expect([before.heard('/news'), after.heard('/news')]).toEqual([[1], [2]]);
    });

    it('gives its client nothing until then, where Redis was away as it was asked', async () => {
      await start('away');
      const other = await Door.open(redis.url);
      const { port } = new URL(other.endpoint);
      const c = await startNode({ redis: redis.url.replace(/:\d+$/, `:${port}`), namespace: 'away' });
      await until(() => c.engine.connected, 'the node behind the other door');
      const [clientId, another] = [await subscriber('/news'), await newClientId(c.endpoint)];
      await say(c.endpoint, { channel: '/meta/subscribe', clientId: another, subscription: '/other', auth });
      const [before, witness] = [await socketAt(a, clientId), await socketAt(c, another)];
      await news('away', 1);
      await until(() => before.heard('/news').length > 0, 'the news');
      await cut();
      asItIsAdopted(
        async () => {
          await news('away', 1);
          await until(() => c.engine.get(clientId)?.waiting, 'the news to be gathered');
        },
        async () => {
          other.leadTo(NOWHERE);
          await until(() => !c.engine.connected, 'the node to notice');
          other.leadTo(redis.url);
          await until(() => c.engine.connected, 'it to be back');
        },
      );
      const after = await socketAt(c, clientId);
      c.publish('/news', 3);
      c.publish('/other', 4);
      await until(() => witness.heard('/other').length > 0, 'what comes after it');
      expect(after.heard('/news')).toEqual([]);
      door.leadTo(redis.url);
      await until(() => !a.has(clientId), 'the node to let go');
      await fence([b, c], [() => after.received]);
      expect([before.heard('/news'), after.heard('/news')]).toEqual([[1], [3]]);
    });

    it('gives its client in the end what that node had held back', async () => {
      await start('held');
      const clientId = await subscriber('/news');
      const { client } = new EngineKeys('held');
      const node = String(await redis.ask((ask) => ask.hget(client(clientId), 'node')));
      await cut();
      const after = await socketAt(b, clientId);
      const { residence } = b.engine as unknown as { residence: { handOvers: HandOvers } };
      const json = (data: number) => JSON.stringify({ channel: '/news', data });
      const held = [
        { id: `${node} 1`, channel: '/news', json: json(1) },
        { id: `${node} 2`, channel: '/news', json: json(2) },
      ];
      const letter = {
        ...{ generation: 1, waiting: [], position: [{ [node]: 2 }], channels: ['/news'], left: 1_000 },
        since: { silent: node, held, had: [], left: 500 },
      };
      expect(residence.handOvers.hear(clientId, letter)).toBe(true);
      await news('held', 3);
      await until(() => after.heard('/news').length === 3, 'the news');
      expect(after.heard('/news')).toEqual([3, 1, 2]);
    });

    it('keeps for its client what that node has not heard while it was cut off, whatever it has heard since', async () => {
      await start('deaf');
      const [clientId, another] = [await subscriber('/news'), await subscriber('/news')];
      const witness = await socketAt(a, another);
      await news('deaf', 1);
      await until(() => a.engine.get(clientId)?.waiting, 'the news to wait');
      await cut();
      expect(await b.engine.adopt(clientId)).toBe(true);
      for (const data of [2, 3]) await news('deaf', data);
      // It hears again, letters later than the news, and does not know yet who has gone.
      const { residence } = a.engine as unknown as {
        residence: { takeUp(): Promise<void>; doubts: Doubts };
      };
      let listen = () => {};
      const listened = new Promise<void>((resolve) => {
        listen = resolve;
      });
      const { subscribe } = Listening.prototype as unknown as Subscribing;
      vi.spyOn(Listening.prototype as unknown as Subscribing, 'subscribe').mockImplementation(async function (
        this: unknown,
        line,
        ears,
      ) {
        if (ears.some(({ name }) => name.includes('letters'))) await listened;
        return subscribe.call(this, line, ears);
      });
      const lettersHeard = vi.spyOn(residence.doubts, 'doubtAll');
      const look = looksWait();
      const hears = vi.spyOn(a.engine, 'back');
      door.leadTo(redis.url);
      await until(() => hears.mock.calls.length > 0, 'the node to hear again');
      expect(lettersHeard).not.toHaveBeenCalled();
      // As at any look.
      void residence.takeUp();
      listen();
      await until(() => lettersHeard.mock.calls.length > 0, 'it to hear letters again');
      await news('deaf', 4);
      await news('deaf', 5);
      await until(() => a.engine.get(another)?.held?.size === 2, 'it to hear them');
      const hear = vi.spyOn(HandOvers.prototype, 'hear');
      look();
      await until(() => hear.mock.results.some(({ value }) => value === true), 'the node to say it');
      const after = await socketAt(b, clientId);
      await fence([a, b], [() => after.received]);
      expect(after.heard('/news')).toEqual([1, 2, 3, 4, 5]);
      expect(witness.heard('/news')).toEqual([1, 4, 5]);
    });

    it('gives nobody what others say before it knows whose clients are still its own', async () => {
      await start('doubted');
      const [clientId, another] = [await subscriber('/news'), await subscriber('/news')];
      const witness = await socketAt(a, another);
      await say(a.endpoint, { ...connectMessage(clientId), auth });
      await cut();
      const after = await socketAt(b, clientId);
      // Behind a balancer, which does not know that it is cut off: it takes the client for its own.
      const { advice: _, ...connect } = { ...connectMessage(clientId), auth };
      const polled = post(a.endpoint, connect).catch(() => ({ replies: [] as Reply[] }));
      await until(() => heldBy(a.server).polls === 1, 'the poll');
      const look = looksWait();
      const hears = vi.spyOn(a.engine, 'back');
      door.leadTo(redis.url);
      await until(() => hears.mock.calls.length > 0, 'the node to hear again');
      await news('doubted', 1);
      await until(() => a.engine.get(another)?.held?.size === 1, 'it to hear the news');
      look();
      await until(() => !a.has(clientId), 'the node to let go');
      const { replies } = await polled;
      await fence([a, b], [() => after.received, () => witness.received]);
      expect(replies.filter(({ channel }) => channel === '/news')).toEqual([]);
      expect([after.heard('/news'), witness.heard('/news')]).toEqual([[1], [1]]);
    });

    it('hears once what it is told twice', async () => {
      await start('twice');
      const clientId = await subscriber('/news');
      const { backplane } = a.engine as unknown as {
        backplane: { hold(): void; releaseSoon(): Promise<void> };
      };
      // As after an outage.
      backplane.hold();
      a.publish('/news', 1);
      await until(() => a.engine.get(clientId)?.waiting, 'the news to wait');
      const give = vi.spyOn(HandOvers.prototype, 'give');
      expect(await b.engine.adopt(clientId)).toBe(true);
      const [{ value: letter } = { value: null }] = give.mock.results;
      expect(letter.waiting).toHaveLength(1);
      const { residence } = b.engine as unknown as { residence: { handOvers: HandOvers } };
      residence.handOvers.hear(clientId, letter);
      const after = await socketAt(b, clientId);
      await backplane.releaseSoon();
      await fence([a, b], [() => after.received]);
      expect(after.heard('/news')).toEqual([1]);
    });

    it('gives its client on another node what a node says only when it has gone on', async () => {
      await start('forward');
      const [c] = (await startNodes(1, { redis: redis.url, namespace: 'forward' })) as [OneNode];
      const clientId = await subscriber('/news');
      b.publish('/news', 1);
      await until(() => a.engine.get(clientId)?.waiting, 'the news to wait');
      const ask = Mail.prototype.ask;
      let late = async (): Promise<void> => {};
      vi.spyOn(Mail.prototype, 'ask').mockImplementationOnce(async function (
        this: Mail,
        node,
        subject,
        body,
        asking,
      ) {
        const answer = await ask.call(this, node, subject, body, asking);
        late = async () => asking?.late?.(answer);
        return undefined;
      });
      expect(await b.engine.adopt(clientId)).toBe(true);
      expect(await c.engine.adopt(clientId)).toBe(true);
      const there = await socketAt(c, clientId);
      expect(there.heard('/news')).toEqual([]);
      await late();
      await until(() => there.heard('/news').length > 0, 'the news');
      await fence([b, c], [() => there.received]);
      expect(there.heard('/news')).toEqual([1]);
    });

    it('loses nothing of what waits where it has to come back itself', async () => {
      await start('returns');
      const clientId = await subscriber('/news');
      await cut();
      expect(await b.engine.adopt(clientId)).toBe(true);
      for (const data of [1, 2]) b.publish('/news', data);
      await until(() => b.engine.get(clientId)?.waiting, 'the news to wait');
      // Its lease is over.
      const keys = new EngineKeys('returns');
      await redis.ask(async (ask) => {
        const node = await ask.hget(keys.client(clientId), 'node');
        await ask.zrem(keys.nodes, String(node));
      });
      await until(() => b.engine.get(clientId)?.generation === 3, 'the client to be back');
      const after = await socketAt(b, clientId);
      await fence([b], [() => after.received]);
      expect(after.heard('/news')).toEqual([1, 2]);
    });

    it('says what is yet to be said as it stops', async () => {
      await start('stops');
      const clientId = await newClientId(b.endpoint);
      await say(b.endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
      const there = await socketAt(b, clientId);
      const { backplane } = a.engine as unknown as { backplane: { hold(): void } };
      // As after an outage.
      backplane.hold();
      for (const data of [1, 2]) a.publish('/news', data);
      await a.server.stop();
      await until(() => there.heard('/news').length === 2, 'the news');
    });

    it('gives nobody twice what a node said last before it died', async () => {
      await start('died');
      const clientId = await subscriber('/news');
      const before = await socketAt(a, clientId);
      const keys = new EngineKeys('died');
      const node = String(await redis.ask((ask) => ask.hget(keys.client(clientId), 'node')));
      await cut();
      a.publish('/news', 1);
      await until(() => before.heard('/news').length > 0, 'the news');
      vi.spyOn(HeardSince, 'begin').mockImplementation(
        (silent, all) => new HeardSince({ silent, all, held: [], had: [], left: 200 }, []),
      );
      asItIsAdopted(async () => {
        const json = JSON.stringify({ channel: '/news', data: 1 });
        const text = write({ ...NEWS, node, number: 1, json });
        await redis.ask((ask) => ask.publish(keys.messages('/news'), text));
        await until(() => b.engine.get(clientId)?.waiting, 'the news to be gathered');
      });
      const release = vi.spyOn(HeardSince.prototype, 'release');
      const after = await socketAt(b, clientId);
      await redis.ask((ask) => ask.zrem(keys.nodes, node));
      await until(() => release.mock.calls.length > 0, 'what was held to be released');
      await fence([b], [() => after.received]);
      expect(after.heard('/news')).toEqual([]);
    });
  });
});
