/** The main job, end to end, with npm's own client: one server in memory, and two that share a Redis. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { MemoryChannels } from '../../src/presence/memory-channels.js';
import { Lease } from '../../src/sessions/redis/lease.js';
import { BayeuxSocket, cutSockets } from '../support/bayeux-socket.js';
import { RedisServer } from '../support/redis-server.js';
import {
  connectAs,
  connectMessage,
  join,
  newClientId,
  post,
  type Running,
  say,
  sees,
  startServer,
  stopAll,
  type Transport,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';

const ROOM = '/classes/4';
const TIME = '/courses/5/lessons/1';
const SETTINGS = { leaveDelay: 0.2, timeout: 1, gc: 1 };

interface World {
  /** Two servers; the same one twice in memory. */
  first: Running;
  second: Running;
}

function knowsWhoIsOnline(open: (options?: Partial<typeof SETTINGS>) => Promise<World>): void {
  let world: World;
  const opened = async (options?: Partial<typeof SETTINGS>) => {
    world = await open(options);
    return world;
  };
  const uids = async (channel: string) =>
    (await world.second.server.presence.list(channel)).users.map(({ uid }) => uid);

  for (const transport of ['websocket', 'long-polling'] satisfies Transport[]) {
    describe(`over ${transport}`, () => {
      it('shows a new subscriber who is there, and everybody who comes and goes', async () => {
        const { first, second } = await opened();
        const ann = await join(first.endpoint, user(470700), transport);
        await sees(ann, ROOM, [470700]);
        const bob = await join(second.endpoint, user('bob'), transport);
        await sees(bob, ROOM, [470700, 'bob']);
        await sees(ann, ROOM, [470700, 'bob']);
        expect(ann.lists(ROOM).at(-1)).toMatchObject({ count: 2 });
        await bob.client.disconnect();
        await sees(ann, ROOM, [470700]);
      });

      it('takes two tabs for one user: no join with the second, no leave with the first', async () => {
        const { first, second } = await opened();
        const witness = await join(first.endpoint, user('witness'), transport);
        const tab1 = await join(first.endpoint, user('ann'), transport);
        await sees(witness, ROOM, ['witness', 'ann']);
        const before = witness.lists(ROOM).length;
        const tab2 = await join(second.endpoint, user('ann'), transport);
        await sees(tab2, ROOM, ['witness', 'ann']);
        await tab1.client.disconnect();
        const late = await join(first.endpoint, user('late'), transport);
        await sees(late, ROOM, ['witness', 'ann', 'late']);
        await sees(witness, ROOM, ['witness', 'ann', 'late']);
        for (const { user_list } of witness.lists(ROOM).slice(before)) expect(user_list).toContain('ann');
        await tab2.client.disconnect();
        await sees(witness, ROOM, ['witness', 'late']);
      });

      it("shows a user's new name, of a second tab or of the same one, and sends the list again", async () => {
        const { first, second } = await opened();
        const named = (uname: string) => ({ ...user('zoe'), current_user: { uid: 'zoe', uname } });
        const nameIs = (uname: string) =>
          until(async () => (await world.second.server.presence.list(ROOM)).users[0]?.uname === uname, uname);
        const old = await join(first.endpoint, named('Old'), transport);
        await sees(old, ROOM, ['zoe']);
        const seen = old.lists(ROOM).length;
        const tab = await join(second.endpoint, named('New'), transport);
        await nameIs('New');
        await until(() => old.lists(ROOM).length > seen, 'the list, once more');
        await old.client.disconnect();
        await nameIs('New');
        tab.auth = named('Newest');
        await tab.client.publish('/chat', 1);
        await nameIs('Newest');
        expect(tab.list(ROOM)).toEqual(['zoe']);
      });

      it('enters the time channel as well', async () => {
        const { first } = await opened();
        const ann = await join(first.endpoint, user('ann'), transport);
        await until(async () => (await uids(TIME)).length === 1, 'the time channel');
        await ann.client.disconnect();
        await until(async () => (await uids(TIME)).length === 0, 'the time channel to be left');
      });

      it('moves a client whose auth names another room', async () => {
        const { first, second } = await opened();
        const witness = await join(second.endpoint, user('witness'), transport);
        const ann = await join(first.endpoint, user('ann'), transport);
        await sees(witness, ROOM, ['witness', 'ann']);
        ann.auth = user('ann', '/classes/5');
        await sees(witness, ROOM, ['witness']);
        expect(await uids('/classes/5')).toEqual(['ann']);
        expect(await uids(TIME)).toContain('ann');
      });

      it('ends a client that said before_leave and closed', async () => {
        const { first } = await opened();
        const witness = await join(first.endpoint, user('witness'), transport);
        const clientId = await newClientId(first.endpoint);
        await say(first.endpoint, connectMessage(clientId, user('gone')));
        await sees(witness, ROOM, ['witness', 'gone']);
        const reply = await say(first.endpoint, { channel: '/faye_online/before_leave', clientId, data: {} });
        expect(reply).toMatchObject({ successful: true });
        await sees(witness, ROOM, ['witness']);
      });

      it('keeps a client that said before_leave and stayed, silently', async () => {
        const { first } = await opened();
        const witness = await join(first.endpoint, user('witness'), transport);
        const ann = await join(first.endpoint, user('ann'), transport);
        await sees(witness, ROOM, ['witness', 'ann']);
        const seen = witness.lists(ROOM).length;
        await ann.client.publish('/faye_online/before_leave', {});
        const bob = await join(first.endpoint, user('bob'), transport);
        await sees(bob, ROOM, ['witness', 'ann', 'bob']);
        const clientId = await newClientId(first.endpoint);
        await say(first.endpoint, connectMessage(clientId, user('gone')));
        await say(first.endpoint, { channel: '/faye_online/before_leave', clientId, data: {} });
        // The delay of Ann's before_leave has passed once that of a later one has.
        await sees(witness, ROOM, ['witness', 'ann', 'bob']);
        await until(() => witness.lists(ROOM).length >= seen + 2, 'bob and the one who is gone');
        for (const { user_list } of witness.lists(ROOM).slice(seen)) expect(user_list).toContain('ann');
      });
    });
  }

  it('ends a polling client that aborts its poll after before_leave', async () => {
    const { first } = await opened();
    const witness = await join(first.endpoint, user('witness'));
    const clientId = await newClientId(first.endpoint);
    const poll = new AbortController();
    const held = fetch(first.endpoint, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...connectMessage(clientId, user('poller')), advice: undefined }),
      signal: poll.signal,
    }).catch(() => {});
    await sees(witness, ROOM, ['witness', 'poller']);
    await say(first.endpoint, { channel: '/faye_online/before_leave', clientId, data: {} });
    poll.abort();
    await held;
    await sees(witness, ROOM, ['witness']);
  });

  it('moves a client whose connects reach different servers, back and forth', async () => {
    const { first, second } = await opened();
    const clientId = await newClientId(first.endpoint);
    const rooms = ['/rooms/a', '/rooms/b'];
    for (let move = 0; move < 4; move += 1) {
      const room = rooms[move % 2] ?? '';
      const { endpoint } = move % 2 ? second : first;
      await until(async () => {
        await say(endpoint, connectMessage(clientId, user('ann', room)));
        const lists = await Promise.all(rooms.map((each) => uids(each)));
        return `${lists}` === `${rooms.map((each) => (each === room ? ['ann'] : []))}`;
      }, `ann to be in ${room} alone`);
    }
  });

  it('leaves everybody with the right list where people come and go within a window', async () => {
    const { first, second } = await opened();
    const there = await join(first.endpoint, user('there'));
    await sees(there, ROOM, ['there']);
    const watchers = [];
    for (let round = 0; round < 8; round += 1) {
      const { endpoint } = round % 2 ? first : second;
      const clientId = await newClientId(endpoint);
      await say(endpoint, connectMessage(clientId, user(`brief${round}`)));
      const watcher = connectAs(endpoint, {});
      await watcher.client.subscribe(`${ROOM}/user_list`, () => {});
      await say(endpoint, { channel: '/meta/disconnect', clientId });
      watchers.push(watcher);
    }
    for (const watcher of [there, ...watchers]) await sees(watcher, ROOM, ['there']);
  });

  it('gives no list to those who subscribe with a wildcard', async () => {
    const { first, second } = await opened();
    const spy = connectAs(second.endpoint, user('spy'));
    const heard: string[] = [];
    for (const pattern of ['/**', '/classes/**', '/classes/4/*']) {
      await spy.client.subscribe(pattern).withChannel((channel) => heard.push(channel));
    }
    const ann = await join(first.endpoint, user('ann'));
    await sees(ann, ROOM, ['spy', 'ann']);
    await ann.client.publish('/faye_online/before_leave', {});
    await ann.client.publish('/chat', 'hello');
    await until(() => heard.length > 0, 'the chat');
    expect(new Set(heard)).toEqual(new Set(['/chat']));
  });

  it('shows its lists again to a client on a new socket', async () => {
    const { first } = await opened();
    const clientId = await newClientId(first.endpoint);
    const auth = user('ann');
    const socket = await BayeuxSocket.open(first.endpoint);
    await socket.connect(clientId, { auth });
    await socket.ask({ channel: '/meta/subscribe', clientId, subscription: `${ROOM}/user_list`, auth });
    const isListed = () => JSON.stringify(socket.heard(`${ROOM}/user_list`)).includes('ann');
    await until(isListed, 'the list with Ann');
    socket.cut();
    const again = await BayeuxSocket.open(first.endpoint);
    await again.connect(clientId, { auth });
    const [list] = await until(() => {
      const lists = again.heard(`${ROOM}/user_list`);
      return lists.length > 0 && lists;
    }, 'the list, on the new socket');
    expect(list).toMatchObject({ count: 1, user_list: ['ann'] });
    cutSockets();
  });

  it('lets nobody but the server publish on a user list', async () => {
    const { first } = await opened();
    const ann = await join(first.endpoint, user('ann'));
    await sees(ann, ROOM, ['ann']);
    await expect(ann.client.publish(`${ROOM}/user_list`, { count: 0, user_list: [] })).rejects.toMatchObject({
      code: 403,
    });
    expect(ann.list(ROOM)).toEqual(['ann']);
  });

  it('hands a publish on without auth, ext and advice', async () => {
    const { first, second } = await opened();
    const ann = connectAs(first.endpoint, user('ann'));
    const received: unknown[] = [];
    ann.client.addExtension({
      incoming(message, callback) {
        if (message.channel === '/chat' && message.successful === undefined) received.push(message);
        callback(message);
      },
    });
    await ann.client.subscribe('/chat', () => {});
    const clientId = await newClientId(second.endpoint);
    const sent = {
      channel: '/chat',
      clientId,
      id: 'm1',
      data: { text: 'hello' },
      auth: user('bob'),
      ext: { auth: { token: 'secret' } },
      advice: { reconnect: 'none' },
      extra: 1,
    };
    expect(await say(second.endpoint, sent)).toMatchObject({ successful: true });
    await until(() => received.length > 0, 'the message');
    expect(received).toEqual([{ channel: '/chat', id: 'm1', data: { text: 'hello' } }]);
  });

  it('enters nothing for a clientId that nobody has', async () => {
    const { first } = await opened();
    const reply = await say(first.endpoint, connectMessage('bogus', user('ghost')));
    expect(reply).toMatchObject({
      successful: false,
      error: '401:bogus:Unknown client',
      advice: { reconnect: 'handshake' },
    });
    expect(await uids(ROOM)).toEqual([]);
  });

  it('refuses another user on a client that is somebody’s', async () => {
    const { first, second } = await opened();
    const clientId = await newClientId(first.endpoint);
    await say(first.endpoint, connectMessage(clientId, user('ann')));
    const reply = await say(second.endpoint, connectMessage(clientId, user('eve')));
    expect(reply.error).toBe('403::This client belongs to another user');
    const leave = await say(second.endpoint, { channel: '/meta/disconnect', clientId, auth: user('eve') });
    expect(leave.successful).toBe(false);
    expect(await uids(ROOM)).toEqual(['ann']);
  });

  it('disconnects once, however often a batch says so', async () => {
    const { first } = await opened();
    const witness = await join(first.endpoint, user('witness'));
    const clientId = await newClientId(first.endpoint);
    await say(first.endpoint, connectMessage(clientId, user('ann')));
    await sees(witness, ROOM, ['witness', 'ann']);
    const leaves: string[] = [];
    first.server.presence.on('leave', (channel) => leaves.push(channel));
    const bye = { channel: '/meta/disconnect', clientId };
    await post(first.endpoint, [bye, bye, bye]);
    await sees(witness, ROOM, ['witness']);
    expect(leaves.sort()).toEqual([ROOM, TIME]);
  });

  it('leaves no ghost where connect and disconnect come in one batch', async () => {
    const { first } = await opened();
    for (let round = 0; round < 20; round += 1) {
      const clientId = await newClientId(first.endpoint);
      await post(first.endpoint, [
        connectMessage(clientId, user('ann')),
        { channel: '/meta/disconnect', clientId },
      ]);
    }
    await until(async () => (await uids(ROOM)).length === 0, 'the room to be empty');
  });

  it('ends a client that says nothing any more', async () => {
    const { first } = await opened();
    const witness = await join(first.endpoint, user('witness'));
    const clientId = await newClientId(first.endpoint);
    await say(first.endpoint, connectMessage(clientId, user('silent')));
    await sees(witness, ROOM, ['witness', 'silent']);
    await sees(witness, ROOM, ['witness']);
  });

  it('loses none of a hundred tabs opened at once', async () => {
    // Nobody ends of silence, however long the others take.
    const { first, second } = await opened({ timeout: 10 });
    const witness = await join(first.endpoint, user('witness'));
    await sees(witness, ROOM, ['witness']);
    const last = join(second.endpoint, user('ann'));
    const tabs = await Promise.all(
      Array.from({ length: 99 }, async (_, index) => {
        const { endpoint } = index % 2 ? first : second;
        const clientId = await newClientId(endpoint);
        await say(endpoint, connectMessage(clientId, user('ann')));
        return { endpoint, clientId };
      }),
    );
    await sees(witness, ROOM, ['witness', 'ann']);
    await Promise.all(
      tabs.map(({ endpoint, clientId }) => say(endpoint, { channel: '/meta/disconnect', clientId })),
    );
    await sees(await last, ROOM, ['witness', 'ann']);
    expect(await uids(ROOM)).toContain('ann');
    await (await last).client.disconnect();
    await sees(witness, ROOM, ['witness']);
  });
}

describe('one server, in memory', () => {
  afterEach(stopAll);
  knowsWhoIsOnline(async (options) => {
    const running = await startServer({ ...SETTINGS, ...options });
    return { first: running, second: running };
  });

  it('shows all who share a read of a list that list, where the read fails', async () => {
    const { endpoint } = await startServer(SETTINGS);
    const ann = await join(endpoint, user('ann'));
    await sees(ann, ROOM, ['ann']);
    const late = Array.from({ length: 4 }, () => connectAs(endpoint, {}));
    let fail: (error: Error) => void = () => {};
    const failing = new Promise<never>((_resolve, reject) => {
      fail = reject;
    });
    // The first has a read of its own; the others ask meanwhile, and share the next.
    const snapshot = vi.spyOn(MemoryChannels.prototype, 'snapshot');
    snapshot.mockReturnValueOnce(failing).mockRejectedValueOnce(new UnavailableError('the list'));
    await Promise.all(late.map(({ client }) => client.subscribe(`${ROOM}/user_list`, () => {})));
    fail(new UnavailableError('the list'));
    for (const person of late) await sees(person, ROOM, ['ann']);
    snapshot.mockRestore();
  });

  it.each([
    ['a few', 0],
    ['so many that some are forgotten', 21],
  ])(
    'shows a list once to who asks for it as it is announced, and to all others (%s rooms)',
    async (_, many) => {
      const limits = { subscriptions: 1_000, messageBytes: 1_000_000, batchLength: 1_000 };
      const rates = { messagesPerClient: 1_000_000, messagesPerAddress: 1_000_000 };
      const { endpoint } = await startServer({ ...SETTINGS, timeout: 60, limits, rates });
      const ann = await join(endpoint, user('ann'));
      await sees(ann, ROOM, ['ann']);
      for (let other = 0; other < many; other += 1) {
        const clientId = await newClientId(endpoint);
        const rooms = Array.from({ length: 1_000 }, (_room, room) => `/others/${other}/${room}/user_list`);
        const subscribe = (subscription: string) => ({ channel: '/meta/subscribe', clientId, subscription });
        const { replies } = await post(endpoint, rooms.map(subscribe));
        expect(replies.filter(({ successful }) => successful)).toHaveLength(rooms.length);
      }
      const { snapshot } = MemoryChannels.prototype;
      const reading = vi.spyOn(MemoryChannels.prototype, 'snapshot').mockImplementationOnce(async function (
        this: MemoryChannels,
        ...asked
      ) {
        return until(async () => {
          const list = await snapshot.apply(this, asked);
          return list.count === 2 && list;
        }, 'bob to be announced');
      });
      const late = connectAs(endpoint, {});
      await late.client.subscribe(`${ROOM}/user_list`, () => {});
      const bob = await join(endpoint, user('bob'));
      for (const person of [ann, bob, late]) await sees(person, ROOM, ['ann', 'bob']);
      const carl = await join(endpoint, user('carl'));
      for (const person of [ann, bob, late, carl]) await sees(person, ROOM, ['ann', 'bob', 'carl']);
      for (const person of [ann, bob, late, carl]) {
        const versions = person.lists(ROOM).map(({ version }) => version);
        expect(versions).toEqual([...new Set(versions)]);
      }
      reading.mockRestore();
    },
  );
});

describe.each(['faye-online', 'faye-redis'] as const)('two servers on one Redis, engine %s', (engine) => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.dispose());
  afterEach(async () => {
    await stopAll();
    await redis.flush();
  });

  const two = async (options?: Partial<typeof SETTINGS>) => {
    const settings = { ...SETTINGS, ...options, engine, redis: redis.url };
    const [first, second] = await Promise.all([startServer(settings), startServer(settings)]);
    for (const running of [first, second]) await until(() => isReady(running), 'a server to be ready');
    return { first, second };
  };
  const isReady = async ({ url }: Running) => (await fetch(`${url}/readyz`)).status === 200;

  knowsWhoIsOnline(two);

  // faye-redis asks for no lease.
  it.skipIf(engine === 'faye-redis')('is not ready before it has a lease', async () => {
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const { renew } = Lease.prototype;
    const renewing = vi.spyOn(Lease.prototype, 'renew').mockImplementation(async function (this: Lease) {
      await held;
      return renew.call(this);
    });
    const running = await startServer({ ...SETTINGS, engine, redis: redis.url });
    try {
      await until(() => renewing.mock.calls.length > 0, 'the lease to be asked for');
      await until(async () => {
        const { degraded } = (await (await fetch(`${running.url}/healthz`)).json()) as {
          degraded?: string[];
        };
        return degraded?.length === 1 && /^engine: /.test(degraded[0] ?? '');
      }, 'nothing but the engine to be away');
      expect(await isReady(running)).toBe(false);
    } finally {
      letGo();
    }
    await until(() => isReady(running), 'it to be ready');
    renewing.mockRestore();
    const reply = await say(running.endpoint, connectMessage('bogus', user('ghost')));
    expect(reply.error).toBe('401:bogus:Unknown client');
  });

  it('leaves no key once everybody has gone, but the epoch and the leases of the nodes', async () => {
    const { first, second } = await two();
    const people = await Promise.all(
      Array.from({ length: 20 }, (_, index) => join((index % 2 ? first : second).endpoint, user(index % 7))),
    );
    const [ann] = people;
    await until(() => ann?.list(ROOM)?.length === 7, 'all to be there');
    await Promise.all(people.map(({ client }) => client.disconnect()));
    await until(
      async () => (await redis.keys()).every((key) => key === '/faye/epoch' || key.startsWith('/faye/nodes')),
      'no key to be left but the epoch and the leases',
    );
  });

  // faye-redis has lost its clients then: they shake hands anew.
  it.skipIf(engine === 'faye-redis')(
    'goes on where Redis loses all its data: nobody leaves, or joins again',
    async () => {
      const { first, second } = await two();
      const ann = await join(first.endpoint, user('ann'));
      const bob = await join(second.endpoint, user('bob'), 'long-polling');
      await sees(ann, ROOM, ['ann', 'bob']);
      await sees(bob, ROOM, ['ann', 'bob']);
      const events: string[] = [];
      for (const { server } of [first, second]) {
        server.presence.on('join', (_channel, { uid }) => events.push(`${uid} joins`));
        server.presence.on('leave', (_channel, { uid }) => events.push(`${uid} leaves`));
      }
      const seen = new Map([ann, bob].map((person) => [person, person.lists(ROOM).length]));
      await redis.flush();
      // A list that is asked for now is a whole one.
      const late = connectAs(second.endpoint, {});
      await late.client.subscribe(`${ROOM}/user_list`, () => {});
      await sees(late, ROOM, ['ann', 'bob']);
      const carl = await join(first.endpoint, user('carl'));
      for (const person of [ann, bob, late, carl]) await sees(person, ROOM, ['ann', 'bob', 'carl']);
      for (const person of [ann, bob, late]) {
        for (const { user_list } of person.lists(ROOM).slice(seen.get(person))) {
          expect(user_list).toEqual(expect.arrayContaining(['ann', 'bob']));
        }
      }
      // Each list once.
      for (const person of [ann, bob]) expect(person.lists(ROOM).slice(seen.get(person))).toHaveLength(2);
      expect(new Set(events)).toEqual(new Set(['carl joins']));
      expect([...ann.errors, ...bob.errors]).toEqual([]);
    },
  );

  it('keeps what a killed Redis loses out of harm: it works again, empty or not', async () => {
    const { first, second } = await two();
    for (const withData of [true, false]) {
      const ann = await join(first.endpoint, user('ann'));
      const bob = await join(second.endpoint, user('bob'));
      await sees(ann, ROOM, ['ann', 'bob']);
      await sees(bob, ROOM, ['ann', 'bob']);
      if (withData) await redis.save();
      redis.pause();
      const held = say(first.endpoint, { channel: '/chat', clientId: ann.clientId(), data: 1 }).catch(
        () => {},
      );
      await redis.stop();
      await until(async () => (await fetch(`${first.url}/readyz`)).status === 503, 'it to be not ready');
      expect((await fetch(`${first.url}/healthz`)).status).toBe(200);
      expect(await (await fetch(`${first.url}/healthz`)).json()).toMatchObject({ status: 'degraded' });
      await redis.start();
      for (const running of [first, second]) await until(() => isReady(running), 'it to be ready again');
      await held;
      const carl = await join(second.endpoint, user('carl'));
      await until(() => carl.list(ROOM)?.length === 3, 'all three');
      await until(() => ann.list(ROOM)?.includes('carl'), 'ann to see carl');
      const editions = ann.lists(ROOM).map(({ epoch, version }) => `${epoch} ${version}`);
      if (engine === 'faye-online') expect(editions).toEqual([...new Set(editions)]);
      await Promise.all([ann, bob, carl].map(({ client }) => client.disconnect()));
      await until(async () => (await first.server.presence.list(ROOM)).count === 0, 'the room to be empty');
    }
  });
});
