/**
 * Random histories against a simple model: users with many clients move through channels, connect at two nodes at once,
 * close, are ended twice, crash in the middle of entering; two nodes share one store and their steps interleave; the store loses its data, or gets older
 * data back. Once all is quiet and the reaper has been, the lists are the truth, announcements fold to the lists, the
 * journal has one in and one out a stay, and at the end nothing is left.
 */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Announcer } from '../../src/presence/announcer.js';
import { userKey } from '../../src/presence/identity.js';
import type { Journal } from '../../src/presence/journal.js';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { Presence } from '../../src/presence/presence.js';
import { Reaper } from '../../src/presence/reaper.js';
import { resume } from '../../src/presence/resumption.js';
import type { Announcement, Snapshot, Store } from '../../src/presence/store.js';
import { Partitions } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { type OwnStore, openStore } from '../support/redis-store.js';
import { until } from '../support/until.js';
import { expires } from './steps.js';

const WINDOW = { base: 1, perUser: 0, max: 1 };
const CHANNELS = ['/a', '/b', '/a/b'];
const CLIENTS = 6;

/** Clients 0 and 1 are Ann's, 2 and 3 Bob's, and so on; Ann's uid is a number in one tab and text in the other. */
const identityOf = (client: number) => {
  const user = Math.floor(client / 2);
  return { uid: client % 2 ? user : String(user), uname: `user ${user}` };
};

type Step =
  | { do: 'enter'; client: number; node: number; channels: string[] }
  /** Its connects reach both nodes in one moment, with different rooms: the other node's `after` turns later. */
  | { do: 'both'; client: number; node: number; channels: string[]; others: string[]; after: number }
  /** The client says that its page is hidden, or shown, to one of the nodes. */
  | { do: 'show'; client: number; node: number; hidden: boolean }
  /** `after`: where the client is entering on the other node meanwhile, how many turns later. */
  | { do: 'end'; client: number; node: number; after: number }
  /** The client dies in the engine, and the node that should have ended its presence is gone. */
  | { do: 'vanish'; client: number }
  /**
   * The node stands still between what it means and what it enters. The client is ended by the other; then the enter
   * lands, and the node dies before it asks again.
   */
  | { do: 'stall'; client: number; node: number; channels: string[] }
  /** Redis loses all its data. */
  | { do: 'lose' };

interface Faults {
  stalls: boolean;
  losses: boolean;
}

const client = fc.nat(CLIENTS - 1);
const node = fc.nat(1);
const after = fc.nat(60);
const channels = fc.uniqueArray(fc.constantFrom(...CHANNELS), { minLength: 1 });
const doing = <T extends Step['do']>(what: T) => fc.constant(what);

function steps({ stalls, losses }: Faults): fc.Arbitrary<Step[]> {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: doing('enter'), client, node, channels }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: doing('both'), client, node, channels, others: channels, after }),
    },
    { weight: 2, arbitrary: fc.record({ do: doing('show'), client, node, hidden: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: doing('end'), client, node, after }) },
    { weight: 1, arbitrary: fc.record({ do: doing('vanish'), client }) },
    { weight: stalls ? 1 : 0, arbitrary: fc.record({ do: doing('stall'), client, node, channels }) },
    { weight: losses ? 1 : 0, arbitrary: fc.record({ do: doing('lose') }) },
  );
  return fc.array<Step>(step, { maxLength: 40, size: 'max' });
}

/** How long each step on its way to the store and back takes, in turns of the event loop: some much longer than others. */
const delay = fc.oneof({ weight: 4, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(60) });
const delays = fc.array(delay, { minLength: 1, maxLength: 50, size: 'max' });

/** A store over a network of its own: its steps take different times to come, and to be answered. */
function distant(store: Store, turns: number[]): Store {
  let call = 0;
  const next = () => turns[call++ % turns.length] ?? 0;
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== 'function' || String(name).startsWith('on')) return method;
      return async (...args: unknown[]) => {
        await later(next());
        const result = await method.apply(target, args);
        await later(next());
        return result;
      };
    },
  });
}

async function later(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

interface Node {
  presence: Presence;
  announcer: Announcer;
  reaper: Reaper;
  store: Store;
  inTurn(clientId: string, step: () => Promise<void>): Promise<void>;
}

/** One step of a client after the other. */
function turns(): Node['inTurn'] {
  const last = new Map<string, Promise<void>>();
  return (clientId, step) => {
    const done = (last.get(clientId) ?? Promise.resolve()).then(step);
    last.set(
      clientId,
      done.catch(() => {}),
    );
    return done;
  };
}

/** A cluster of two nodes over stores of one data, and an engine that is a set of living clients. */
class Cluster {
  readonly nodes: Node[];
  readonly heard: Announcement[] = [];
  private readonly alive = new Map<string, number>();
  /** Which node has a client. */
  private readonly owners = new Map<string, number>();
  private generation = 0;
  /** How often a node has said again what it knows. */
  resumptions = 0;

  constructor(stores: [Store, Store]) {
    this.nodes = stores.map((store, index) => this.node(store, index));
    stores[0].onAnnouncement((announcement) => this.heard.push(announcement));
  }

  private node(store: Store, index: number): Node {
    const node = `node${index}`;
    const announcer = new Announcer({ store, node, log: silent });
    const clientExists = async (clientId: string) => this.alive.has(clientId);
    const has = (clientId: string) => this.owners.get(clientId) === index;
    const presence = new Presence({ store, announcer, clientExists, has, listLimit: 100, log: silent });
    const inTurn = turns();
    store.onMoved((clientId) => presence.remembered.doubtChannels(clientId));
    store.onVisibility((clientId, visibility) => presence.remembered.heardVisibility(clientId, visibility));
    store.onEpoch(async (concerns) => {
      await resume(concerns, { presence, has, inTurn });
      this.resumptions += 1;
    });
    const reaper = new Reaper({
      store,
      presence,
      clientsExist: async (clientIds) => new Set(clientIds.filter((clientId) => this.alive.has(clientId))),
      inTurn,
      node,
      every: 0,
      forgetAfter: 1e9,
      endClient: () => {},
      expiryGrace: 0,
      log: silent,
    });
    return { presence, announcer, reaper, store, inTurn };
  }

  /** The client is this node's from now on; the other knows nothing of it any more. */
  adopt(clientId: string, node: number): void {
    this.owners.set(clientId, node);
    this.nodes[1 - node]?.presence.remembered.drop(clientId);
  }

  /** What each client has said last of its page. */
  readonly hidden = new Map<string, boolean>();

  /** Of clients that live, and have said it: what the store has not as they did. */
  async wrongVisibility(): Promise<string[]> {
    const [first] = this.nodes;
    const living = [...this.hidden].filter(([id]) => this.alive.has(id));
    const records = await Promise.all(living.map(([id]) => first?.store.read(id)));
    return living
      .filter(([, hidden], index) => records[index]?.visibility?.hidden !== hidden)
      .map(([id]) => id);
  }

  /** A client that ended comes back as another, with a clientId of its own. */
  private readonly ids = new Map<number, string>();
  idOf(client: number): string {
    let id = this.ids.get(client);
    if (!id) {
      this.generation += 1;
      id = `client${client}-${this.generation}`;
      this.ids.set(client, id);
      this.alive.set(id, client);
    }
    return id;
  }

  /** The next step of this client is one of another. */
  renew(client: number): string {
    const id = this.idOf(client);
    this.ids.delete(client);
    return id;
  }

  /** As far as the engine is concerned. */
  kill(id: string): void {
    this.alive.delete(id);
  }

  async quiet(): Promise<void> {
    const [first] = this.nodes;
    if (!first) return;
    for (;;) {
      await first.reaper.tick();
      const waiting = await first.store.unchecked(-1e9, 1000);
      if (waiting.every((id) => this.alive.has(id))) break;
    }
    for (;;) {
      const due = await first.store.overdue(-1e9, 100);
      if (due.length === 0) break;
      for (const channel of due) await first.announcer.announce(channel);
      // In the quiet time of a new epoch nothing is announced.
      await later(1);
    }
  }

  async list(channel: string): Promise<string[]> {
    const snapshot = await this.nodes[1]?.presence.list(channel);
    return (snapshot?.users ?? []).map(({ uid }) => userKey(uid)).sort();
  }

  isOwned(clientId: string): boolean {
    return this.owners.has(clientId);
  }

  /** A client's next connect, of which it has one after the other. */
  async connect(client: number, channels: string[]): Promise<void> {
    const id = this.idOf(client);
    const node = this.nodes[this.owners.get(id) ?? 0];
    await node?.inTurn(id, async () => {
      if (node.presence.remembered.isIn(id, channels)) return;
      if ((await node.presence.bind(id, identityOf(client))) === 'bound')
        await node.presence.enter(id, channels);
    });
  }

  /** The lists that somebody has who only heard the announcements, from the beginning of the epoch. */
  async folded(channel: string): Promise<string[]> {
    const users = new Set<string>();
    const { epoch } = await this.snapshot(channel);
    const ours = this.heard.filter((said) => said.channel === channel && said.epoch === epoch);
    for (const { joins, leaves } of ours) {
      for (const { uid } of joins) {
        expect(users.has(userKey(uid))).toBe(false);
        users.add(userKey(uid));
      }
      for (const { uid } of leaves) expect(users.delete(userKey(uid))).toBe(true);
    }
    return [...users].sort();
  }

  async snapshot(channel: string): Promise<Snapshot> {
    const [first] = this.nodes;
    if (!first) throw new Error('There is no node');
    return first.presence.snapshot(channel);
  }

  async close(): Promise<void> {
    for (const { announcer, reaper } of this.nodes) {
      await reaper.close();
      await announcer.close();
    }
  }
}

/** One connect of a client. */
interface Connect {
  client: number;
  node: number;
  channels: string[];
}

async function enter(cluster: Cluster, id: string, step: Connect): Promise<void> {
  const node = cluster.nodes[step.node];
  await node?.inTurn(id, async () => {
    cluster.adopt(id, step.node);
    if ((await node.presence.bind(id, identityOf(step.client))) !== 'bound') return;
    // What the client is in may have changed on the other node, which tells by ending or not at all.
    node.presence.remembered.drop(id);
    if ((await node.presence.bind(id, identityOf(step.client))) === 'bound') {
      await node.presence.enter(id, step.channels);
    }
  });
}

async function show(
  cluster: Cluster,
  id: string,
  { client, node: number, hidden }: Extract<Step, { do: 'show' }>,
): Promise<void> {
  const node = cluster.nodes[number];
  await node?.inTurn(id, async () => {
    if (!cluster.isOwned(id)) cluster.adopt(id, number);
    // As authenticate does.
    if (
      !node.presence.remembered.identityOf(id) &&
      (await node.presence.bind(id, identityOf(client))) !== 'bound'
    )
      return;
    if (await node.presence.setVisibility(id, hidden)) cluster.hidden.set(id, hidden);
  });
}

async function stall(cluster: Cluster, id: string, step: Extract<Step, { do: 'stall' }>): Promise<void> {
  const { store } = cluster.nodes[step.node] as Node;
  const other = cluster.nodes[1 - step.node] as Node;
  const user = identityOf(step.client);
  await store.bind(id, user);
  const intent = await store.intend(id, step.channels);
  cluster.kill(id);
  await other.presence.end(id);
  if (!intent) return;
  for (const channel of step.channels) await store.enter(channel, user, id, intent.at);
}

interface Doing {
  together: boolean;
  lose?: () => Promise<void>;
}

/** Where the clients are at the end, by what they did. */
type Where = Map<number, string[]>;

async function live(cluster: Cluster, history: Step[], where: Where, doing: Doing): Promise<void> {
  const queues = [new Map<number, Promise<void>>(), new Map<number, Promise<void>>()];
  const work: Promise<void>[] = [];
  const isDone = async (client: number) => {
    await Promise.all(queues.map((queue) => queue.get(client)));
  };
  for (const step of history) {
    if (step.do === 'lose') {
      const done = doing.lose?.() ?? Promise.resolve();
      work.push(done);
      if (!doing.together) await done;
      continue;
    }
    if (step.do === 'both') {
      const { client, channels, others } = step;
      where.set(client, channels);
      const id = cluster.idOf(client);
      const before = isDone(client);
      const late = before.then(() => later(step.after));
      const first = before.then(() => enter(cluster, id, { client, node: step.node, channels }));
      const second = late.then(() => enter(cluster, id, { client, node: 1 - step.node, channels: others }));
      queues[step.node]?.set(client, first);
      queues[1 - step.node]?.set(client, second);
      work.push(first, second);
      if (!doing.together) await Promise.all([first, second]);
      continue;
    }
    let effect: () => Promise<void>;
    if (step.do === 'enter') {
      where.set(step.client, step.channels);
      const id = cluster.idOf(step.client);
      effect = () => enter(cluster, id, step);
    } else if (step.do === 'show') {
      const id = cluster.idOf(step.client);
      effect = () => show(cluster, id, step);
    } else {
      where.delete(step.client);
      const id = cluster.renew(step.client);
      effect = async () => {
        if (step.do === 'stall') return stall(cluster, id, step);
        cluster.kill(id);
        if (step.do === 'end') {
          const node = cluster.nodes[step.node];
          await node?.inTurn(id, () => node.presence.end(id));
        }
      };
    }
    // Steps of one client keep their order on a node; an end may overlap with what the other node is doing for it.
    const at = step.do === 'vanish' ? 0 : step.node;
    const own = queues[at]?.get(step.client);
    const all = isDone(step.client);
    const done = (step.do === 'end' ? Promise.all([own, later(step.after)]) : all).then(effect);
    queues[at]?.set(step.client, done);
    work.push(done);
    if (!doing.together) await done;
  }
  await Promise.all(work);
}

function usersIn(channel: string, where: Where): string[] {
  const there = [...where].filter(([, channels]) => channels.includes(channel));
  return [...new Set(there.map(([client]) => String(Math.floor(client / 2))))].sort();
}

/** The lists are the truth, and what was announced of them. */
async function agrees(cluster: Cluster, where: Where, foldable = true): Promise<void> {
  const isTrue = async () => {
    for (const [client, channels] of where) await cluster.connect(client, channels);
    await cluster.quiet();
    const lists = await Promise.all(CHANNELS.map((channel) => cluster.list(channel)));
    return `${lists.join(';')}` === `${CHANNELS.map((channel) => usersIn(channel, where)).join(';')}`;
  };
  await until(isTrue, `the lists to be those of ${JSON.stringify([...where])}`, 5_000);
  for (const channel of CHANNELS) {
    const expected = usersIn(channel, where);
    const { users, epoch } = await cluster.snapshot(channel);
    expect(users.map(({ uid }) => userKey(uid)).sort()).toEqual(expected);
    const folds = async () => `${await cluster.folded(channel)}` === `${expected}`;
    if (foldable) await until(folds, `the announcements to come to ${expected}`, 5_000);
    const said = cluster.heard.filter((each) => each.channel === channel && each.epoch === epoch);
    const versions = said.map(({ version }) => version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(new Set(versions).size).toBe(versions.length);
  }
}

async function isSeenAsSaid(cluster: Cluster): Promise<void> {
  await until(async () => (await cluster.wrongVisibility()).length === 0, 'visibility to be as said', 5_000);
}

async function allGo(cluster: Cluster, where: Where, foldable = true): Promise<void> {
  for (let client = 0; client < CLIENTS; client += 1) cluster.kill(cluster.renew(client));
  where.clear();
  await agrees(cluster, where, foldable);
}

/** One in and one out a stay, in turns, the first and the last of a user's marked; what is in at the end is nobody. */
async function journalFolds(journal: Journal): Promise<void> {
  const clients = new Map<string, Set<string>>();
  const entries = await journal.read('history', 'reader', 10_000, 0);
  for (const entry of entries) {
    if (entry.type !== 'in' && entry.type !== 'out') continue;
    const { type, channel, uid, clientId, transition } = entry;
    const key = `${channel} ${uid}`;
    const there = clients.get(key) ?? new Set<string>();
    clients.set(key, there);
    expect(there.has(clientId)).toBe(type === 'out');
    if (type === 'out') there.delete(clientId);
    expect(transition).toBe(there.size === 0);
    if (type === 'in') there.add(clientId);
  }
  expect([...clients.values()].filter(({ size }) => size > 0)).toEqual([]);
}

describe('histories on the memory store', () => {
  for (const together of [false, true]) {
    it(together ? 'overlapping' : 'one after the other', async () => {
      await fc.assert(
        fc.asyncProperty(steps({ stalls: true, losses: false }), delays, async (history, turns) => {
          const store = new MemoryStore(WINDOW);
          await store.journal.open('history');
          const cluster = new Cluster([distant(store, turns), distant(store, turns.toReversed())]);
          const where: Where = new Map();
          await live(cluster, history, where, { together });
          await agrees(cluster, where);
          await isSeenAsSaid(cluster);
          await allGo(cluster, where);
          await journalFolds(store.journal);
          await cluster.close();
          expect(store.sizes).toEqual({ clients: 0, rooms: 0 });
        }),
        { numRuns: 150 },
      );
    });
  }
});

describe('histories on Redis', () => {
  let redis: RedisServer;
  let opened: OwnStore[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  async function closeAll(): Promise<void> {
    await Promise.all(opened.map((store) => store.close()));
    opened = [];
    await redis.flush();
  }
  afterEach(closeAll);
  afterAll(() => redis.dispose());

  /** `quiet` in milliseconds: short, as both nodes are told to look. */
  async function open(partitions = new Partitions('faye', null)): Promise<[OwnStore, OwnStore]> {
    const options = { source: redis.url, partitions, window: WINDOW, quiet: 30, log: silent };
    const stores: [OwnStore, OwnStore] = [openStore(options), openStore(options)];
    opened = stores;
    await Promise.all(stores.map((store) => store.open()));
    return stores;
  }

  const distantly = ([first, second]: [OwnStore, OwnStore], turns: number[]) =>
    new Cluster([distant(first, turns), distant(second, turns.toReversed())]);

  async function nothingIsLeft(): Promise<void> {
    const stays = (key: string) => key.endsWith('/epoch') || key.endsWith('/partitions') || expires(key);
    await until(async () => (await redis.keys()).every(stays), 'no key to be left but the epoch');
  }

  for (const count of [null, 3]) {
    // An enter sees the record of its client where there is one partition; else the age of the intent has to do.
    const kinds = steps({ stalls: count === null, losses: false });
    for (const together of [false, true]) {
      it(`${together ? 'overlapping' : 'one after the other'}, ${count ?? 1} partitions`, async () => {
        const stores = await open(new Partitions('faye', count));
        const { journal } = stores[1];
        await fc.assert(
          fc.asyncProperty(kinds, delays, async (history, turns) => {
            await journal.open('history');
            const cluster = distantly(stores, turns);
            const where: Where = new Map();
            await live(cluster, history, where, { together });
            await agrees(cluster, where);
            await isSeenAsSaid(cluster);
            await allGo(cluster, where);
            await journalFolds(journal);
            await journal.closeGroup('history');
            await cluster.close();
            await nothingIsLeft();
          }),
          { numRuns: count === null ? 40 : 15 },
        );
      });
    }
  }

  it('while all data is lost, once and again', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps({ stalls: false, losses: true }),
        delays,
        fc.constantFrom('together', 'apart', 'settled'),
        async (history, turns, how) => {
          // Stores of its own: no other history's clients are resumed, nor its announcements heard.
          const stores = await open();
          const lose = async () => {
            const before = cluster.resumptions;
            await redis.flush();
            await Promise.all(stores.map((store) => store.look()));
            if (how !== 'settled') return;
            await until(() => cluster.resumptions === before + 2, 'both nodes to have said what they know');
          };
          const cluster = distantly(stores, turns);
          const where: Where = new Map();
          await live(cluster, history, where, { together: how === 'together', lose });
          await agrees(cluster, where);
          // Where it is lost as the client goes to another node, nobody knows it.
          if (how === 'settled') await isSeenAsSaid(cluster);
          await allGo(cluster, where);
          await cluster.close();
          await nothingIsLeft();
          await closeAll();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('while Redis comes back with older data', async () => {
    const kinds = steps({ stalls: false, losses: false });
    await fc.assert(
      fc.asyncProperty(kinds, kinds, delays, async (before, after, turns) => {
        const stores = await open();
        const cluster = distantly(stores, turns);
        const where: Where = new Map();
        await live(cluster, before, where, { together: true });
        await redis.save();
        await live(cluster, after, where, { together: true });
        await redis.stop();
        await redis.start();
        await until(() => stores.every(({ connected }) => connected), 'the stores to be connected');
        await Promise.all(stores.map((store) => store.look()));
        // What the announcements began with is the older list.
        await agrees(cluster, where, false);
        await isSeenAsSaid(cluster);
        await allGo(cluster, where, false);
        await cluster.close();
        await nothingIsLeft();
        await closeAll();
      }),
      { numRuns: 8 },
    );
  });
});
