/** Two nodes move one client in the same moment: the interleavings that src/presence/presence.ts tells of, one by one. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Announcer } from '../../src/presence/announcer.js';
import { Presence } from '../../src/presence/presence.js';
import type { RedisStore } from '../../src/presence/redis-store.js';
import type { Store } from '../../src/presence/store.js';
import { Partitions } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { openStore } from '../support/redis-store.js';
import { until } from '../support/until.js';

const ann = { uid: 1, uname: 'Ann' };
const partitions = new Partitions('faye', 2);
const rooms = Array.from({ length: 20 }, (_, index) => `/rooms/${index}`);
const sameAs = (room: string) => partitions.of(room) === partitions.of('c1');
/** Whose enter sees the record of the client, and whose does not. */
const [seen, seenToo] = rooms.filter(sameAs) as [string, string];
const [unseen, unseenToo] = rooms.filter((room) => !sameAs(room)) as [string, string];

interface Gate {
  reached: Promise<void>;
  open(): void;
}

class Node {
  readonly store: RedisStore;
  readonly presence: Presence;
  readonly told: string[] = [];
  private readonly announcer: Announcer;
  private readonly held = new Map<string, { reach(): void; opened: Promise<void> }>();

  constructor(source: string) {
    const window = { base: 1, perUser: 0, max: 1 };
    this.store = openStore({ source, partitions, window, log: silent });
    const store = this.slowed(this.store);
    this.announcer = new Announcer({ store, node: 'n', log: silent });
    this.presence = new Presence({
      store,
      announcer: this.announcer,
      clientExists: async () => alive,
      has: () => true,
      listLimit: 10,
      log: silent,
    });
    this.store.onMoved((clientId) => {
      this.told.push(clientId);
      this.presence.remembered.doubtChannels(clientId);
    });
  }

  /** The next such step waits: before it is done, or before its answer comes. */
  hold(step: keyof Store, when: 'before' | 'after'): Gate {
    let open = () => {};
    let reach = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const reached = new Promise<void>((resolve) => {
      reach = resolve;
    });
    this.held.set(`${when} ${step}`, { reach, opened });
    return { reached, open };
  }

  async come(...channels: string[]): Promise<boolean> {
    await this.presence.bind('c1', { ...ann });
    return this.presence.enter('c1', channels);
  }

  async close(): Promise<void> {
    await this.announcer.close();
    await this.store.close();
  }

  private slowed(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const method = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return (...args: unknown[]) => {
          if (!this.held.has(`before ${String(name)}`) && !this.held.has(`after ${String(name)}`)) {
            return method.apply(target, args);
          }
          return this.slowly(String(name), () => method.apply(target, args));
        };
      },
    });
  }

  private async slowly(name: string, step: () => unknown): Promise<unknown> {
    await this.pass(`before ${name}`);
    const answer = await step();
    await this.pass(`after ${name}`);
    return answer;
  }

  private async pass(gate: string): Promise<void> {
    const held = this.held.get(gate);
    this.held.delete(gate);
    held?.reach();
    await held?.opened;
  }
}

let redis: RedisServer;
let nodes: Node[] = [];
let alive = true;

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.dispose());
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
  await redis.flush();
});

async function start(): Promise<[Node, Node]> {
  alive = true;
  const [first, second] = [new Node(redis.url), new Node(redis.url)];
  nodes = [first, second];
  for (const { store } of nodes) await store.open();
  return [first, second];
}

async function where({ presence }: Node): Promise<string[]> {
  const counts = await Promise.all(rooms.map(async (room) => (await presence.list(room)).count));
  return rooms.filter((_, index) => counts[index]);
}

async function endsWithoutGhost(node: Node): Promise<void> {
  alive = false;
  await node.presence.end('c1');
  expect(await where(node)).toEqual([]);
  expect(await node.store.read('c1')).toBeNull();
}

it.each([
  ['sees', seen, seenToo],
  ['does not see', unseen, unseenToo],
])(
  'an enter that lands after the move of another, and %s the record, changes nothing',
  async (_, early, late) => {
    const [first, second] = await start();
    const [gate, answer] = [first.hold('enter', 'before'), first.hold('enter', 'after')];
    const entering = first.come(early);
    await gate.reached;
    await second.come(late);
    gate.open();
    await answer.reached;
    // As it stays where the first is killed now.
    expect(await where(second)).toEqual([late]);
    answer.open();
    expect(await entering).toBe(true);
    expect(await where(first)).toEqual([late]);
    expect([first.presence.remembered.isIn('c1', [early]), first.presence.doubtful]).toEqual([false, []]);
    expect(await first.come(early)).toBe(true);
    expect(await where(first)).toEqual([early]);
    await endsWithoutGhost(second);
  },
);

it.each([
  ['sees', seen],
  ['does not see', unseen],
])('an enter that lands after the end, and %s the record, changes nothing', async (_, room) => {
  const [first, second] = await start();
  const [gate, answer] = [first.hold('enter', 'before'), first.hold('enter', 'after')];
  const entering = first.come(room);
  await gate.reached;
  await endsWithoutGhost(second);
  gate.open();
  await answer.reached;
  expect(await where(second)).toEqual([]);
  answer.open();
  expect(await entering).toBe(false);
});

it.each([
  ['sees', seen, seenToo],
  ['does not see', unseen, unseenToo],
])(
  'both in one moment, where an enter %s the record: whoever means it last moves it',
  async (_what, early, late) => {
    const [first, second] = await start();
    const gates = [first.hold('intend', 'before'), second.hold('intend', 'before')];
    const entering = [first.come(early), second.come(late)];
    await Promise.all(gates.map(({ reached }) => reached));
    for (const { open } of gates) open();
    expect(await Promise.all(entering)).toEqual([true, true]);
    expect(await where(first)).toEqual((await first.store.read('c1'))?.channels);
    await second.come('/rooms/0');
    expect(await where(first)).toEqual(['/rooms/0']);
    await endsWithoutGhost(first);
  },
);

it('a node that hears of another’s move within its own enters again', async () => {
  const [first, second] = await start();
  const gate = first.hold('enter', 'after');
  const entering = first.come(seen);
  await gate.reached;
  await second.come(seenToo);
  await until(() => first.told.length > 0, 'the first to be told');
  gate.open();
  expect(await entering).toBe(true);
  expect(first.presence.remembered.isIn('c1', [seen])).toBe(false);
  expect(await first.come(seen)).toBe(true);
  expect(await where(first)).toEqual([seen]);
});

it.each([
  ['sees', seen, seenToo],
  ['does not see', unseen, unseenToo],
])('a late leave that %s the record takes nothing from another’s later move', async (_, room, other) => {
  const [first, second] = await start();
  await first.come(room);
  const [gate, answer] = [first.hold('leave', 'before'), first.hold('leave', 'after')];
  const moving = first.come(other);
  await gate.reached;
  await second.come(room);
  gate.open();
  await answer.reached;
  expect(await where(second)).toEqual([room]);
  answer.open();
  await moving;
  await until(() => second.told.length > 0, 'the second to be told');
  expect(second.presence.remembered.isIn('c1', [room])).toBe(false);
  await second.come(room);
  expect(await where(second)).toEqual([room]);
});

it('what a node that died had not left yet is left by the end', async () => {
  const [first, second] = await start();
  await first.come(seen, unseen);
  const gate = first.hold('leave', 'before');
  const moving = first.come(seenToo);
  await gate.reached;
  await endsWithoutGhost(second);
  gate.open();
  await moving;
});

it('an enter of unknown outcome is taken back where another has moved the client', async () => {
  const [first, second] = await start();
  const enter = first.store.enter.bind(first.store);
  first.store.enter = async (...args) => {
    await enter(...args);
    throw new Error('the answer was lost');
  };
  await second.come(unseenToo);
  const gate = first.hold('enter', 'before');
  const entering = first.come(unseen);
  await gate.reached;
  await second.come(seen);
  gate.open();
  await expect(entering).rejects.toThrow();
  await first.presence.settle('c1');
  expect([await where(first), first.presence.doubtful]).toEqual([[seen], []]);
});
