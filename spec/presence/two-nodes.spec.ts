/** Two nodes change one client in the same moment: a step of the one lands before or after those of the other, case by case. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { UnavailableError } from '../../src/errors.js';
import { Partitions } from '../../src/redis/partitions.js';
import { scripts as membershipScripts } from '../../src/redis/scripts.js';
import { scripts as sessionScripts } from '../../src/sessions/redis/scripts.js';
import { end, LivingClients, type PresenceNode, redisNode } from '../support/presence-node.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { expires } from './steps.js';

const ann = { uid: 1, uname: 'Ann' };
const bob = { uid: 'b', uname: 'Bob' };
const partitions = new Partitions('faye', 2);
const rooms = Array.from({ length: 20 }, (_, index) => `/rooms/${index}`);
const sameAs = (room: string) => partitions.of(room) === partitions.of('c1');
/** In the partition of the client, and in the other one. */
const [here, hereToo] = rooms.filter(sameAs) as [string, string];
const [elsewhere, elsewhereToo] = rooms.filter((room) => !sameAs(room)) as [string, string];

type Step = 'write' | 'members';
// biome-ignore lint/suspicious/noExplicitAny: whichever it is, it is called as it was.
type Script = (...args: any[]) => Promise<any>;

interface Gate {
  reached: Promise<void>;
  open(): void;
}

let redis: RedisServer;
let engine: LivingClients;
let nodes: PresenceNode[] = [];
const undo: (() => void)[] = [];
/** By node and step, what is to be awaited before it is sent, or before its answer comes. */
let held: Map<string, () => Promise<void>>;

beforeAll(async () => {
  redis = await RedisServer.start();
});
beforeEach(() => {
  engine = new LivingClients();
  held = new Map();
  slow(sessionScripts, 'write');
  slow(membershipScripts, 'members');
});
afterAll(() => redis.dispose());
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
  for (const each of undo.splice(0)) each();
  await redis.flush();
});

async function start(): Promise<[PresenceNode, PresenceNode]> {
  const window = { base: 1, perUser: 0, max: 1 };
  nodes = [0, 1].map(() => redisNode(engine, { source: redis.url, partitions, window }));
  for (const { store } of nodes) await store.open();
  return nodes as [PresenceNode, PresenceNode];
}

function slow<T extends Step>(scripts: Record<T, Script>, step: T): void {
  const script = scripts[step];
  scripts[step] = async (...args) => {
    const name = nodes.findIndex(({ hub }) => hub?.redis.commands === args[0]);
    await pass(`${name} before ${step}`);
    const answer = await script(...args);
    await pass(`${name} after ${step}`);
    return answer;
  };
  undo.push(() => {
    scripts[step] = script;
  });
}

async function pass(gate: string): Promise<void> {
  const wait = held.get(gate);
  held.delete(gate);
  await wait?.();
}

/** The next such step of the node waits: before it lands, or before its answer comes. */
function hold(node: PresenceNode, step: Step, when: 'before' | 'after'): Gate {
  let open = () => {};
  let reach = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  held.set(`${nodes.indexOf(node)} ${when} ${step}`, () => {
    reach();
    return opened;
  });
  return { reached, open };
}

/** The answer to the next such step of the node is lost. */
function loseAnswer(node: PresenceNode, step: Step): void {
  held.set(`${nodes.indexOf(node)} after ${step}`, () => Promise.reject(new Error('the answer was lost')));
}

async function bind({ clients }: PresenceNode, identity = ann as typeof ann | typeof bob): Promise<void> {
  engine.add('c1');
  expect(await clients.bind('c1', { ...identity })).toBe('bound');
}

async function come(node: PresenceNode, ...channels: string[]): Promise<void> {
  await bind(node);
  expect(await node.clients.enter('c1', channels)).toBe(true);
}

const claim = async ({ sessions }: PresenceNode) => expect(await sessions?.claim('c1')).toBe(true);

async function where({ store }: PresenceNode): Promise<string[]> {
  const counts = await Promise.all(rooms.map(async (room) => (await store.channels.members(room, 10)).count));
  return rooms.filter((_, index) => counts[index]);
}

const staysOf = async ({ sessions }: PresenceNode) =>
  [...((await sessions?.staysOf(['c1']))?.get('c1') ?? [])].sort();

async function endsWithoutGhost(node: PresenceNode): Promise<void> {
  await end(node, 'c1');
  expect(await where(node)).toEqual([]);
  expect(await node.clients.read('c1')).toBeNull();
}

/** Of the client, but for what tells for a while that it has left. */
const left = async () =>
  (
    await redis.ask(async (raw) => {
      const found = await raw.keys('*');
      return found.filter(
        (key) => key.includes('c1') || key.includes('/rows/') || key.includes('clients_of'),
      );
    })
  ).filter((key) => !expires(key));

const away = (step: Promise<unknown>) => expect(step).rejects.toBeInstanceOf(UnavailableError);

const IN_EACH: [string, Step, string, string][] = [
  ['its own partition', 'write', here, hereToo],
  ['another partition', 'members', elsewhere, elsewhereToo],
];

it.each(IN_EACH)(
  'an enter in %s that lands after another node has claimed and moved the client changes nothing',
  async (_, step, early, late) => {
    const [first, second] = await start();
    await bind(first);
    const [gate, answer] = [hold(first, step, 'before'), hold(first, step, 'after')];
    const entering = away(first.clients.enter('c1', [early]));
    await gate.reached;
    await claim(second);
    expect(await second.clients.enter('c1', [late])).toBe(true);
    gate.open();
    await answer.reached;
    // As it stays where the first is killed now.
    expect(await where(second)).toEqual([late]);
    answer.open();
    await entering;
    expect(await where(first)).toEqual([late]);
    expect(first.clients.isIn('c1', [early])).toBe(false);
    expect(await first.clients.enter('c1', [early])).toBe(true);
    expect(await where(first)).toEqual([early]);
    expect(second.clients.isIn('c1', [early])).toBe(true);
    await endsWithoutGhost(first);
    expect(await left()).toEqual([]);
  },
);

it.each(IN_EACH)('an enter in %s that lands after the end changes nothing', async (_, step, room) => {
  const [first, second] = await start();
  await bind(first);
  const [gate, answer] = [hold(first, step, 'before'), hold(first, step, 'after')];
  const entering = away(first.clients.enter('c1', [room]));
  await gate.reached;
  await endsWithoutGhost(second);
  gate.open();
  await answer.reached;
  expect(await where(second)).toEqual([]);
  answer.open();
  await entering;
  expect(await first.clients.enter('c1', [room])).toBe(false);
  expect(await left()).toEqual([]);
});

it.each(IN_EACH)(
  'an enter in %s whose answer comes after another node has claimed and moved the client is not repeated',
  async (_, step, early, late) => {
    const [first, second] = await start();
    await bind(first);
    const answer = hold(first, step, 'after');
    const entering = away(first.clients.enter('c1', [early]));
    await answer.reached;
    expect(await where(second)).toEqual([early]);
    await claim(second);
    expect(await second.clients.enter('c1', [late])).toBe(true);
    answer.open();
    await entering;
    expect(await where(first)).toEqual([late]);
    expect(first.clients.isIn('c1', [early])).toBe(false);
    await endsWithoutGhost(second);
    expect(await left()).toEqual([]);
  },
);

it('a node whose first record of a client is claimed before its answer comes takes nothing back', async () => {
  const [first, second] = await start();
  engine.add('c1');
  const answer = hold(first, 'write', 'after');
  const binding = first.clients.bind('c1', { ...ann });
  await answer.reached;
  await claim(second);
  expect(await second.clients.enter('c1', [here, elsewhere])).toBe(true);
  answer.open();
  expect(await binding).toBe('bound');
  expect(await where(first)).toEqual([here, elsewhere].sort((a, b) => rooms.indexOf(a) - rooms.indexOf(b)));
  expect(second.clients.isIn('c1', [here, elsewhere])).toBe(true);
});

it.each(IN_EACH)(
  'a leave in %s that lands late takes nothing from a later enter of another node',
  async (_, step, room, other) => {
    const [first, second] = await start();
    await come(first, room);
    const [gate, answer] = [hold(first, step, 'before'), hold(first, step, 'after')];
    const moving = away(first.clients.enter('c1', [other]));
    await gate.reached;
    await claim(second);
    expect(await second.clients.enter('c1', [room])).toBe(true);
    gate.open();
    await answer.reached;
    expect(await where(second)).toEqual([room]);
    answer.open();
    await moving;
    expect(await where(first)).toEqual([room]);
    expect(second.clients.isIn('c1', [room])).toBe(true);
    await endsWithoutGhost(first);
  },
);

it.each(IN_EACH)(
  'in %s a node that claims a client ends what the other had begun',
  async (_, step, room, other) => {
    const [first, second] = await start();
    await come(first, room);
    const gate = hold(first, step, 'before');
    const moving = away(first.clients.enter('c1', [other]));
    await gate.reached;
    await claim(second);
    const [at] = step === 'write' ? [room] : [other];
    await until(() => second.clients.isIn('c1', [at]), 'the client to be where its record says');
    expect(await where(second)).toEqual([at]);
    expect(await staysOf(second)).toEqual([at]);
    gate.open();
    await moving;
    expect(await where(second)).toEqual([at]);
  },
);

it('what a node had not left yet is left by the end', async () => {
  const [first, second] = await start();
  await come(first, here, elsewhere);
  const gate = hold(first, 'members', 'before');
  const moving = away(first.clients.enter('c1', [hereToo]));
  await gate.reached;
  await endsWithoutGhost(second);
  gate.open();
  await moving;
  expect(await where(second)).toEqual([]);
  expect(await left()).toEqual([]);
});

it.each(IN_EACH)('an enter in %s whose answer is lost is done after all', async (_, step, room) => {
  const [first] = await start();
  await bind(first);
  loseAnswer(first, step);
  await expect(first.clients.enter('c1', [room])).rejects.toThrow();
  await until(() => first.clients.isIn('c1', [room]), 'it to be certain');
  expect(await where(first)).toEqual([room]);
  expect(first.changes.filter(({ changed, type }) => changed && type === 'leave')).toEqual([]);
});

it.each(IN_EACH)(
  'an enter in %s whose answer is lost is given up where another node has moved the client',
  async (_, step, early, late) => {
    const [first, second] = await start();
    await bind(first);
    loseAnswer(first, step);
    await expect(first.clients.enter('c1', [early])).rejects.toThrow();
    await claim(second);
    expect(await second.clients.enter('c1', [late])).toBe(true);
    await until(() => !first.clients.channelsOf('c1').length, 'the first to give way');
    expect(await where(first)).toEqual([late]);
    await endsWithoutGhost(second);
    expect(await left()).toEqual([]);
  },
);

it('both claim and move a client at once: it is in the channels of one of the moves, and its record says so', async () => {
  const [first, second] = await start();
  await come(first, here);
  for (let round = 0; round < 15; round += 1) {
    const moves = [first, second].flatMap((node, index) => {
      const to = rooms.slice(2 * index, 2 * index + 4);
      return [claim(node), node.clients.enter('c1', to)];
    });
    const outcomes = await Promise.allSettled(moves);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(UnavailableError);
    const [all, stays] = await until(async () => {
      const owner = nodes.find(({ clients }) => clients.channelsOf('c1').length > 0);
      if (!owner?.clients.isIn('c1', owner.clients.channelsOf('c1'))) return false;
      return [await where(first), await staysOf(owner)] as const;
    }, 'one of them to have it');
    expect([...all].sort()).toEqual(stays);
    expect([rooms.slice(0, 4), rooms.slice(2, 6), [here]]).toContainEqual(all);
  }
  await endsWithoutGhost(second);
  expect(await left()).toEqual([]);
});

it('a client that comes again under its name, in a channel that knows that it has left, is in', async () => {
  const [first, second] = await start();
  await come(first, elsewhere, here);
  await endsWithoutGhost(first);
  await come(second, elsewhere, here);
  expect((await where(first)).sort()).toEqual([elsewhere, here].sort());
  // In a generation above all that the channel knows.
  const [row = ''] = await redis.ask((raw) =>
    raw.hvals(`/${partitions.namespaces[partitions.of(elsewhere)]}/rows${elsewhere}`),
  );
  expect(Number(row.split(' ')[0])).toBeGreaterThan(1);
});

it('of another user is in no channel before that user has left it', async () => {
  const [first, second] = await start();
  await come(first, here, elsewhere);
  const gate = hold(first, 'members', 'before');
  const leaving = away(first.clients.unbind('c1'));
  await gate.reached;
  await claim(second);
  gate.open();
  await leaving;
  expect(await where(second)).toEqual([]);
  // It was not confirmed, so it is repeated.
  await second.clients.unbind('c1');
  expect(await second.clients.bind('c1', { ...bob })).toBe('bound');
  expect(await second.clients.enter('c1', [here, elsewhere])).toBe(true);
  for (const room of [here, elsewhere])
    expect((await first.store.channels.members(room, 10)).users).toEqual([bob]);
});

it('what is said while an earlier word is written counts, and both are put into the journal', async () => {
  const [first] = await start();
  await first.store.journal.open('sql');
  await come(first, here);
  await first.store.journal.read('sql', 'n', 10, 0);
  const answer = hold(first, 'write', 'after');
  const hiding = first.clients.setVisibility('c1', true);
  await answer.reached;
  const showing = first.clients.setVisibility('c1', false);
  answer.open();
  expect(await Promise.all([hiding, showing])).toEqual([true, true]);
  const entries = await first.store.journal.read('sql', 'n', 10, 0);
  expect(entries.map(({ type }) => type)).toEqual(['hidden', 'shown']);
  const [membership] = first.clients.held(() => true);
  expect(membership?.visibility).toEqual({ hidden: false, since: entries[1]?.at });
});
