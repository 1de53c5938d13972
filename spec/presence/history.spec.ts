/**
 * Random histories against a simple model: users with many clients move through channels, connect at two nodes at once,
 * close, are ended twice, crash in the middle of entering; two nodes share one store and their steps interleave; the store loses its data, or gets older
 * data back. Once all is quiet and the reaper has been, the lists are the truth, announcements fold to the lists, the
 * journal has one in and one out a stay, and at the end nothing is left.
 */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { Announcer } from '../../src/presence/announcer.js';
import type { MembershipChange } from '../../src/presence/clients.js';
import { userKey } from '../../src/presence/identity.js';
import type { Journal } from '../../src/presence/journal.js';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { Presence } from '../../src/presence/presence.js';
import { Reaper } from '../../src/presence/reaper.js';
import type { Announcement, Snapshot } from '../../src/presence/store.js';
import { Partitions } from '../../src/redis/partitions.js';
import { STABLE_MS } from '../../src/timings.js';
import { silent } from '../support/log.js';
import { LivingClients, memoryNode, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { distant, later, type Way } from './distant.js';

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
   * A node stands still as it binds the client, or enters it: all of it, or only in other partitions. The client is ended by another;
   * then what it sent lands, and it dies before it asks again.
   */
  | { do: 'stall'; client: number; node: number; channels: string[]; at: 'bind' | 'enter' | 'elsewhere' }
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
    {
      weight: stalls ? 1 : 0,
      arbitrary: fc.record({
        do: doing('stall'),
        client,
        node,
        channels,
        at: fc.constantFrom('bind', 'enter', 'elsewhere'),
      }),
    },
    { weight: losses ? 1 : 0, arbitrary: fc.record({ do: doing('lose') }) },
  );
  return fc.array<Step>(step, { maxLength: 40, size: 'max' });
}

/** How long each step on its way to the store and back takes, in turns of the event loop: some much longer than others. */
const delay = fc.oneof(
  { weight: 8, arbitrary: fc.nat(4) },
  { weight: 2, arbitrary: fc.nat(60) },
  { weight: 1, arbitrary: fc.nat(600) },
);
const delays = fc.array(delay, { minLength: 1, maxLength: 50, size: 'max' });

interface Lease {
  goodSince: number | undefined;
  keys: { nodes: string };
  node: string;
}

/** What this spec needs of the inside of a node's sessions. */
interface Inside {
  leases: { renewals: Map<Lease, { run(): Promise<void> }>; all: Lease[]; stop(): void };
  reconciler: { dirty: Set<object>; sessions: Map<object, Map<string, object>> };
  records: { locate(clientId: string): Promise<{ visibility: { hidden: boolean } | null } | null> };
}

const inside = ({ sessions }: PresenceNode) => sessions as unknown as Inside | undefined;

/** Renews its leases now, and looks in which epoch Redis is. */
async function renew(node: PresenceNode): Promise<void> {
  const renewals = [...(inside(node)?.leases.renewals.values() ?? [])];
  // One that is under way may have looked before.
  for (let time = 0; time < 2; time += 1) await Promise.all(renewals.map((renewal) => renewal.run()));
}

const isStable = (node: PresenceNode) =>
  inside(node)?.leases.all.every(({ goodSince = Infinity }) => performance.now() - goodSince >= STABLE_MS);

interface Node {
  node: PresenceNode;
  presence: Presence;
  announcer: Announcer;
  reaper: Reaper;
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

type Changed = (change: MembershipChange) => void;

/** A node whose changes are announced by the announcer that is made for it. */
function made(name: string, make: (changed: Changed) => PresenceNode): Node {
  let listener: Changed = () => {};
  const node = make((change) => listener(change));
  const { engine, store, clients, sessions } = node;
  const announcer = new Announcer({ channels: store.channels, node: name, log: silent });
  const presence = new Presence({ store, announcer, listLimit: 100, log: silent }, (changed) => {
    listener = changed;
    return clients;
  });
  const inTurn = turns();
  const reaper = new Reaper({
    upkeep: store.upkeep,
    presence,
    clientsExist: engine.existing,
    staysOf: async (clientIds) => sessions?.staysOf(clientIds) ?? new Map(),
    inTurn,
    node: name,
    every: 0,
    endClient: () => {},
    expiryGrace: 0,
    log: silent,
  });
  return { node, presence, announcer, reaper, inTurn };
}

/** What is left over is done later. */
async function tried(step: Promise<unknown>): Promise<boolean> {
  try {
    await step;
    return true;
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    return false;
  }
}

/** Nodes over one data, and an engine that is a set of living clients. The memory store has one node. */
class Cluster {
  readonly heard: Announcement[] = [];
  /** The node that each client's last connect has reached. */
  private readonly owners = new Map<string, number>();
  private generation = 0;

  constructor(
    private readonly engine: LivingClients,
    readonly nodes: readonly [Node, Node],
    /** Whether a client is moved to the node that its connect reaches, as our engine does; else its node is asked. */
    private readonly moves: boolean,
    /** A node that is about to die. */
    readonly doomed?: () => Promise<Doomed>,
  ) {
    nodes[0].node.store.channels.onAnnouncement((announcement) => this.heard.push(announcement));
  }

  private get all(): Node[] {
    return [...new Set(this.nodes)];
  }

  isAlive(clientId: string): boolean {
    return this.engine.has(clientId);
  }

  /** A connect of a client. */
  async enter(clientId: string, { client, node: index, channels }: Connect): Promise<void> {
    const { node, inTurn } = this.nodes[index] as Node;
    await inTurn(clientId, async () => {
      this.owners.set(clientId, index);
      await tried(this.enterAt(node, clientId, client, channels));
    });
  }

  private async enterAt(node: PresenceNode, id: string, client: number, channels: string[]): Promise<void> {
    if (this.moves) await node.sessions?.claim(id);
    if ((await node.clients.bind(id, identityOf(client))) === 'bound') await node.clients.enter(id, channels);
  }

  /** Says it until it is known. */
  async show(clientId: string, step: Extract<Step, { do: 'show' }>): Promise<void> {
    const { node, inTurn } = this.nodes[step.node] as Node;
    if (!this.owners.has(clientId)) this.owners.set(clientId, step.node);
    const say = async () => {
      // As authenticate does.
      const isKnown = node.clients.identityOf(clientId) !== undefined;
      if (!isKnown && (await node.clients.bind(clientId, identityOf(step.client))) !== 'bound') return;
      if (await node.clients.setVisibility(clientId, step.hidden)) this.hidden.set(clientId, step.hidden);
    };
    await inTurn(clientId, async () => {
      await until(() => !this.isAlive(clientId) || tried(say()), `${clientId} to say so`, 10_000);
    });
  }

  /** The engine tells a node that the client has ended. */
  async end(clientId: string, index: number): Promise<void> {
    const { node, inTurn } = this.nodes[index] as Node;
    await inTurn(clientId, async () => {
      await tried(node.clients.end(clientId));
    });
  }

  /** What each client has said last of its page. */
  readonly hidden = new Map<string, boolean>();

  /** Of clients that live, and have said it: what the record, or its node, has not as they did. */
  async wrongVisibility(): Promise<string[]> {
    const records = inside(this.nodes[0].node)?.records;
    const held = this.all.flatMap(({ node }) => node.clients.held(() => true));
    const wrong: string[] = [];
    for (const [id, hidden] of this.hidden) {
      if (!this.isAlive(id)) continue;
      const isWrong = held.some((each) => each.clientId === id && each.visibility?.hidden !== hidden);
      if (isWrong || (records && (await records.locate(id))?.visibility?.hidden !== hidden)) wrong.push(id);
    }
    return wrong;
  }

  /** A client that ended comes back as another, with a clientId of its own. */
  private readonly ids = new Map<number, string>();
  idOf(client: number): string {
    let id = this.ids.get(client);
    if (!id) {
      this.generation += 1;
      id = `client${client}-${this.generation}`;
      this.ids.set(client, id);
      this.engine.add(id);
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
    this.engine.kill(id);
  }

  /** Until no node has anything to do. */
  async quiet(): Promise<void> {
    await until(() => this.isSettled(), 'the nodes to have done all that they have to', 10_000);
    const [{ node, announcer }] = this.nodes;
    for (;;) {
      const due = await node.store.channels.overdue(-1e9, 100);
      if (due.length === 0) break;
      for (const channel of due) await announcer.announce(channel);
      // In the quiet time of a new epoch nothing is announced.
      await later(1);
    }
  }

  private async isSettled(): Promise<boolean> {
    for (const { node, reaper } of this.all) {
      await renew(node);
      await reaper.tick();
    }
    return this.all.every(({ node }) => this.isClean(node));
  }

  private isClean(node: PresenceNode): boolean {
    const { reconciler } = inside(node) ?? {};
    const had = [...(reconciler?.sessions.values() ?? [])].flatMap((sessions) => [...sessions.keys()]);
    const bound = [...node.clients.bound()].map(({ clientId }) => clientId);
    return (reconciler?.dirty.size ?? 0) === 0 && [...had, ...bound].every((id) => this.isAlive(id));
  }

  async list(channel: string): Promise<string[]> {
    const { users } = await this.nodes[1].presence.list(channel);
    return users.map(({ uid }) => userKey(uid)).sort();
  }

  /** A client's next connect, of which it has one after the other. */
  async connect(client: number, channels: string[]): Promise<void> {
    const id = this.idOf(client);
    const index = this.owners.get(id) ?? 0;
    const { node } = this.nodes[index] as Node;
    if (!node.clients.isIn(id, channels)) await this.enter(id, { client, node: index, channels });
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

  snapshot(channel: string): Promise<Snapshot> {
    return this.nodes[0].presence.snapshot(channel);
  }

  async close(): Promise<void> {
    for (const { announcer, reaper } of this.all) {
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

interface Doomed {
  node: PresenceNode;
  way: Way;
  /** The namespace of the client's partition. */
  namespaceOf(clientId: string): string;
  /** It dies without a word, and is known to be dead. */
  die(): Promise<void>;
}

/** Another node has the client meanwhile, and ends it. */
async function stall(cluster: Cluster, id: string, step: Extract<Step, { do: 'stall' }>): Promise<void> {
  const { node: index, client, channels, at } = step;
  const doomed = await cluster.doomed?.();
  if (!doomed) {
    // One process: the client ends between two steps of its enter, and nobody says so.
    const entering = cluster.enter(id, step);
    cluster.kill(id);
    return entering;
  }
  const { node, way } = doomed;
  await tried(node.sessions?.claim(id) ?? Promise.resolve());
  if (at === 'bind') way.hold();
  const binding = tried(node.clients.bind(id, identityOf(client)));
  if (at !== 'bind') await binding;
  if (at !== 'bind') way.hold(at === 'elsewhere' ? doomed.namespaceOf(id) : undefined);
  const entering = binding.then(() => tried(node.clients.enter(id, channels)));
  if (at === 'elsewhere') await later(500);
  cluster.kill(id);
  await cluster.end(id, 1 - index);
  await way.release();
  await doomed.die();
  await entering;
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
      const first = before.then(() => cluster.enter(id, { client, node: step.node, channels }));
      const second = late.then(() => cluster.enter(id, { client, node: 1 - step.node, channels: others }));
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
      effect = () => cluster.enter(id, step);
    } else if (step.do === 'show') {
      const id = cluster.idOf(step.client);
      effect = () => cluster.show(id, step);
    } else {
      where.delete(step.client);
      const id = cluster.renew(step.client);
      effect = async () => {
        if (step.do === 'stall') return stall(cluster, id, step);
        cluster.kill(id);
        if (step.do === 'end') await cluster.end(id, step.node);
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
  // What was left to a node that is dead may have been done only now.
  await cluster.quiet();
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

/** In an epoch no stay begins twice, or ends twice. One that goes on from the epoch before has no beginning. */
async function journalAlternates(journal: Journal): Promise<void> {
  const last = new Map<string, string>();
  for (const entry of await journal.read('history', 'reader', 10_000, 0)) {
    if (entry.type !== 'in' && entry.type !== 'out') continue;
    const { epoch, type, channel, clientId } = entry;
    const key = `${epoch} ${channel} ${clientId}`;
    expect([key, last.get(key)]).not.toEqual([key, type]);
    last.set(key, type);
  }
}

describe('histories on the memory store', () => {
  for (const together of [false, true]) {
    it(together ? 'overlapping' : 'one after the other', async () => {
      await fc.assert(
        fc.asyncProperty(steps({ stalls: true, losses: false }), delays, async (history, turns) => {
          const store = new MemoryStore(WINDOW);
          await store.journal.open('history');
          const engine = new LivingClients();
          const { existing } = engine;
          let call = 0;
          engine.existing = async (clientIds) => {
            await later(turns[call++ % turns.length] ?? 0);
            const found = await existing(clientIds);
            await later(turns[call++ % turns.length] ?? 0);
            return found;
          };
          const node = made('node0', (changed) => memoryNode(engine, store, changed));
          const cluster = new Cluster(engine, [node, node], false);
          const where: Where = new Map();
          await live(cluster, history, where, { together });
          await agrees(cluster, where);
          await isSeenAsSaid(cluster);
          await allGo(cluster, where);
          await journalFolds(store.journal);
          await cluster.close();
          expect([store.channels.size, [...node.node.clients.bound()]]).toEqual([0, []]);
        }),
        { numRuns: 150 },
      );
    });
  }
});

describe('histories on Redis', () => {
  let redis: RedisServer;
  let engine: LivingClients;
  let opened: PresenceNode[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  beforeEach(() => {
    engine = new LivingClients();
  });
  async function closeAll(): Promise<void> {
    await Promise.all(opened.map((node) => node.close()));
    opened = [];
    await redis.flush();
  }
  afterEach(closeAll);
  afterAll(() => redis.dispose());

  const start = (partitions: Partitions, changed: Changed = () => {}) =>
    // Milliseconds of quiet: short, as both nodes are told to look.
    redisNode(engine, { source: redis.url, partitions, window: WINDOW, quiet: 50, changed });

  async function open(partitions = new Partitions('faye', null)): Promise<[Node, Node]> {
    const nodes: [Node, Node] = [
      made('node0', (changed) => start(partitions, changed)),
      made('node1', (changed) => start(partitions, changed)),
    ];
    opened = nodes.map(({ node }) => node);
    await Promise.all(opened.map((node) => node.store.open()));
    return nodes;
  }

  async function openDoomed(partitions: Partitions): Promise<Doomed> {
    const node = start(partitions);
    const { hub } = node;
    if (!hub) throw new Error('Expected a node of many');
    await node.store.open();
    const way = distant(hub, [0]);
    const { leases } = inside(node) as Inside;
    return {
      node,
      way,
      namespaceOf: (clientId) => partitions.namespaces[partitions.of(clientId)] as string,
      async die() {
        leases.stop();
        await node.store.close();
        hub.close();
        await redis.ask(async (raw) => {
          for (const { keys, node: name } of leases.all) await raw.zadd(keys.nodes, 'XX', 1, name);
        });
      },
    };
  }

  /** Each has a network of its own: its steps take different times to come, and to be answered. */
  function distantly(nodes: [Node, Node], turns: number[]): void {
    nodes.forEach(({ node }, index) => {
      if (node.hub) distant(node.hub, index === 0 ? turns : turns.toReversed());
    });
  }

  async function nothingIsLeft(cluster: Cluster): Promise<void> {
    const stays = /\/(epoch|partitions|nodes|nodes\/about|nodes\/terms)$|\}\/left\//;
    const left = async () => (await redis.keys()).filter((key) => !stays.test(key));
    const isNothingLeft = async () => {
      await cluster.quiet();
      return (await left()).length === 0;
    };
    await until(isNothingLeft, 'no key to be left but of the epoch and of nodes', 10_000).catch(
      async (error: Error) => {
        throw new Error(`${error.message}; there is ${await left()}`);
      },
    );
  }

  /** Nodes judge others only after a while in which all went well. */
  const areStable = (nodes: readonly Node[]) =>
    until(async () => {
      for (const { node } of nodes) await renew(node);
      return nodes.every(({ node }) => isStable(node));
    }, 'the nodes to be stable');

  for (const count of [null, 4]) {
    const kinds = steps({ stalls: true, losses: false });
    for (const together of [false, true]) {
      it(`${together ? 'overlapping' : 'one after the other'}, ${count ?? 1} partitions`, async () => {
        const partitions = new Partitions('faye', count);
        const nodes = await open(partitions);
        await areStable(nodes);
        const { journal } = nodes[1].node.store;
        await fc.assert(
          fc.asyncProperty(kinds, delays, fc.boolean(), async (history, turns, moves) => {
            await journal.open('history');
            distantly(nodes, turns);
            const cluster = new Cluster(engine, nodes, moves, () => openDoomed(partitions));
            const where: Where = new Map();
            await live(cluster, history, where, { together });
            await agrees(cluster, where);
            await isSeenAsSaid(cluster);
            await allGo(cluster, where);
            await journalFolds(journal);
            await journal.closeGroup('history');
            await nothingIsLeft(cluster);
          }),
          // A history that fails leaves the nodes as they are.
          { numRuns: count === null ? 40 : 15, endOnFailure: true },
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
        fc.boolean(),
        async (history, turns, how, moves) => {
          // Nodes of its own: it has no other history's announcements.
          await closeAll();
          const nodes = await open();
          const { journal } = nodes[1].node.store;
          await journal.open('history');
          distantly(nodes, turns);
          const cluster = new Cluster(engine, nodes, moves);
          const lose = async () => {
            await redis.flush();
            await Promise.all(nodes.map(({ node }) => renew(node)));
            if (how === 'settled') await cluster.quiet();
          };
          const where: Where = new Map();
          await live(cluster, history, where, { together: how === 'together', lose });
          await agrees(cluster, where);
          await isSeenAsSaid(cluster);
          await allGo(cluster, where);
          await cluster.close();
          await journalAlternates(journal);
          await journal.closeGroup('history');
          await nothingIsLeft(cluster);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('while Redis comes back with older data', async () => {
    const kinds = steps({ stalls: false, losses: false });
    await fc.assert(
      fc.asyncProperty(kinds, kinds, delays, fc.boolean(), async (before, after, turns, moves) => {
        await closeAll();
        const nodes = await open();
        distantly(nodes, turns);
        const cluster = new Cluster(engine, nodes, moves);
        const where: Where = new Map();
        await live(cluster, before, where, { together: true });
        await redis.save();
        await live(cluster, after, where, { together: true });
        await redis.stop();
        await redis.start();
        await until(
          () => nodes.every(({ node }) => node.store.status.connected),
          'the nodes to be connected',
        );
        await Promise.all(nodes.map(({ node }) => renew(node)));
        // What the announcements began with is the older list.
        await agrees(cluster, where, false);
        await isSeenAsSaid(cluster);
        await allGo(cluster, where, false);
        await cluster.close();
        await nothingIsLeft(cluster);
      }),
      { numRuns: 8 },
    );
  });
});
