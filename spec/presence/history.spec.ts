/**
 * Random histories against a simple model: users with many clients move through channels, close, are ended twice, crash
 * in the middle of entering; two nodes share one store and their steps interleave. Once all is quiet and the reaper
 * has been, the lists are the truth, announcements fold to the lists, and at the end nothing is left.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Announcer } from '../../src/presence/announcer.js';
import { userKey } from '../../src/presence/identity.js';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { Presence } from '../../src/presence/presence.js';
import { Reaper } from '../../src/presence/reaper.js';
import { RedisStore } from '../../src/presence/redis-store.js';
import type { Announcement, Store } from '../../src/presence/store.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

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
  /** `after`: where the client is entering on the other node meanwhile, how many turns later. */
  | { do: 'end'; client: number; node: number; after: number }
  /** The client dies in the engine, and the node that should have ended its presence is gone. */
  | { do: 'vanish'; client: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('enter' as const),
        client: fc.nat(CLIENTS - 1),
        node: fc.nat(1),
        channels: fc.uniqueArray(fc.constantFrom(...CHANNELS), { minLength: 1 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        client: fc.nat(CLIENTS - 1),
        node: fc.nat(1),
        after: fc.nat(60),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('vanish' as const), client: fc.nat(CLIENTS - 1) }),
    },
  ),
  { maxLength: 40, size: 'max' },
);

/** How long each step on its way to the store and back takes, in turns of the event loop. */
const delays = fc.array(fc.nat(6), { minLength: 1, maxLength: 50, size: 'max' });

/** A store over a network of its own: its steps take different times to come, and to be answered. */
function distant(store: Store, turns: number[]): Store {
  let call = 0;
  const next = () => turns[call++ % turns.length] ?? 0;
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== 'function' || name === 'onAnnouncement') return method;
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

/** A cluster of two nodes over stores of one data, and an engine that is a set of living clients. */
class Cluster {
  readonly nodes: { presence: Presence; announcer: Announcer; reaper: Reaper; store: Store }[];
  readonly heard: Announcement[] = [];
  private readonly alive = new Map<string, number>();
  private generation = 0;

  constructor(stores: [Store, Store]) {
    this.nodes = stores.map((store, index) => this.node(store, `node${index}`));
    stores[0].onAnnouncement((announcement) => this.heard.push(announcement));
  }

  private node(store: Store, node: string) {
    const announcer = new Announcer({ store, node, log: silent });
    const clientExists = async (clientId: string) => this.alive.has(clientId);
    const presence = new Presence({ store, announcer, clientExists, listLimit: 100, log: silent });
    const inTurn = (_clientId: string, step: () => Promise<void>) => step();
    const reaper = new Reaper({
      store,
      presence,
      clientExists,
      inTurn,
      node,
      every: 0,
      forgetAfter: 1e9,
      endClient: () => {},
      expiryGrace: 0,
      log: silent,
    });
    return { presence, announcer, reaper, store };
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
    }
  }

  async list(channel: string): Promise<string[]> {
    const snapshot = await this.nodes[1]?.presence.list(channel);
    return (snapshot?.users ?? []).map(({ uid }) => userKey(uid)).sort();
  }

  /** The lists that somebody has who only heard the announcements. */
  folded(channel: string): string[] {
    const users = new Set<string>();
    for (const { joins, leaves } of this.heard.filter((said) => said.channel === channel)) {
      for (const { uid } of joins) {
        expect(users.has(userKey(uid))).toBe(false);
        users.add(userKey(uid));
      }
      for (const { uid } of leaves) expect(users.delete(userKey(uid))).toBe(true);
    }
    return [...users].sort();
  }

  async close(): Promise<void> {
    for (const { announcer, reaper } of this.nodes) {
      await reaper.close();
      await announcer.close();
    }
  }
}

async function enter(cluster: Cluster, id: string, step: Extract<Step, { do: 'enter' }>): Promise<void> {
  const presence = cluster.nodes[step.node]?.presence;
  if ((await presence?.bind(id, identityOf(step.client))) !== 'bound') return;
  // What the client is in may have changed on the other node, which tells by ending or not at all.
  presence?.drop(id);
  if ((await presence?.bind(id, identityOf(step.client))) === 'bound')
    await presence?.enter(id, step.channels);
}

async function run(cluster: Cluster, history: Step[], together: boolean): Promise<void> {
  const where = new Map<number, string[]>();
  const queues = [new Map<number, Promise<void>>(), new Map<number, Promise<void>>()];
  const work: Promise<void>[] = [];
  for (const step of history) {
    let effect: () => Promise<void>;
    if (step.do === 'enter') {
      where.set(step.client, step.channels);
      const id = cluster.idOf(step.client);
      effect = () => enter(cluster, id, step);
    } else {
      where.delete(step.client);
      const id = cluster.renew(step.client);
      effect = async () => {
        cluster.kill(id);
        if (step.do === 'end') await cluster.nodes[step.node]?.presence.end(id);
      };
    }
    // Steps of one client keep their order on a node; an end may overlap with what the other node is doing for it.
    const own = queues[step.do === 'vanish' ? 0 : step.node]?.get(step.client);
    const all = Promise.all(queues.map((queue) => queue.get(step.client)));
    const done = (step.do === 'end' ? Promise.all([own, later(step.after)]) : all).then(effect);
    queues[step.do === 'vanish' ? 0 : step.node]?.set(step.client, done);
    work.push(done);
    if (!together) await done;
  }
  await Promise.all(work);
  await cluster.quiet();

  for (const channel of CHANNELS) {
    const expected = new Set(
      [...where]
        .filter(([, channels]) => channels.includes(channel))
        .map(([client]) => String(Math.floor(client / 2))),
    );
    expect(await cluster.list(channel)).toEqual([...expected].sort());
    const folds = () => `${cluster.folded(channel)}` === `${[...expected].sort()}`;
    await until(folds, `the announcements to come to ${[...expected]}`, 5_000);
    const versions = cluster.heard.filter((said) => said.channel === channel).map(({ version }) => version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(new Set(versions).size).toBe(versions.length);
  }

  for (let client = 0; client < CLIENTS; client += 1) cluster.kill(cluster.renew(client));
  await cluster.quiet();
  for (const channel of CHANNELS) {
    expect(await cluster.list(channel)).toEqual([]);
    await until(() => cluster.folded(channel).length === 0, 'all leaves to be heard', 5_000);
  }
}

describe('histories on the memory store', () => {
  for (const together of [false, true]) {
    it(together ? 'overlapping' : 'one after the other', async () => {
      await fc.assert(
        fc.asyncProperty(steps, delays, async (history, turns) => {
          const store = new MemoryStore(WINDOW);
          const cluster = new Cluster([distant(store, turns), distant(store, turns.toReversed())]);
          await run(cluster, history, together);
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
  let stores: [RedisStore, RedisStore];

  beforeAll(async () => {
    redis = await RedisServer.start();
    const open = () => new RedisStore({ source: redis.url, namespace: 'faye', window: WINDOW, log: silent });
    stores = [open(), open()];
    await Promise.all(stores.map((store) => store.open()));
  });
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await redis.dispose();
  });

  for (const together of [false, true]) {
    it(together ? 'overlapping, on two nodes' : 'one after the other, on two nodes', async () => {
      await fc.assert(
        fc.asyncProperty(steps, delays, async (history, turns) => {
          const [first, second] = stores;
          const cluster = new Cluster([distant(first, turns), distant(second, turns.toReversed())]);
          await run(cluster, history, together);
          await cluster.close();
          await until(
            async () => (await redis.keys()).every((key) => key === '/faye/epoch'),
            'no key to be left but the epoch',
          );
        }),
        { numRuns: 40 },
      );
    });
  }
});
