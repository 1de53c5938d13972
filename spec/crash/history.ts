/** What happens in a round, and when: made from a seed before anything runs, so that it can be told and played again. */
import type { Random } from '../chaos/random.js';
import { POINTS, type Point } from './wire.js';

export const NODES = 3;

export type Fault = {
  /** Which node it strikes; of no meaning where it strikes the database. */
  node: number;
  /** Milliseconds until it is healed. */
  lasts: number;
} & (
  | { kind: 'kill' }
  /** It kills itself as it consumes the journal. */
  | { kind: 'die'; point: Point }
  /** The database is killed, and started again; SQLite, which has no process, is locked by one that is killed. */
  | { kind: 'database' }
  /** The database answers nothing for a while. */
  | { kind: 'hang' }
);

export type Step =
  | { do: 'open'; tab: number; uid: string; room: string }
  | { do: 'move'; tab: number; room: string }
  | { do: 'show'; tab: number; hidden: boolean }
  | { do: 'disconnect'; tab: number }
  | { do: 'vanish'; tab: number }
  | { do: 'fault'; fault: Fault };

/** `at`: milliseconds after the round began. */
export type Timed = Step & { at: number };

const ROOMS = ['/rooms/1', '/rooms/2'];
const ACTIONS = ['show', 'show', 'show', 'move', 'disconnect', 'vanish'] as const;
const FAULTS = ['kill', 'die', 'die', 'database', 'hang'] as const;

/** `lasts`: milliseconds over which the steps are spread. */
export function makeHistory(random: Random, lasts: number): Timed[] {
  const opens = makeOpens(random, lasts);
  const actions = Array.from({ length: random.between(20, 50) }, () =>
    makeAction(random, opens.length, lasts),
  );
  const faults = Array.from({ length: random.between(1, 3) }, () => makeFault(random, lasts));
  return [...opens, ...actions, ...faults].sort((one, other) => one.at - other.at);
}

function makeOpens(random: Random, lasts: number): Timed[] {
  const users = Array.from({ length: random.between(4, 10) }, (_, user) => `u${user}`);
  const uids = users.flatMap((uid) => Array<string>(random.between(1, 4)).fill(uid));
  return uids.map((uid, tab) => ({
    do: 'open',
    at: random.between(0, lasts * 0.7),
    tab,
    uid,
    room: random.pick(ROOMS),
  }));
}

function makeAction(random: Random, tabs: number, lasts: number): Timed {
  const at = random.between(lasts * 0.1, lasts);
  const tab = random.between(0, tabs - 1);
  const action = random.pick(ACTIONS);
  if (action === 'show') return { do: action, at, tab, hidden: random.chance(0.5) };
  return action === 'move' ? { do: action, at, tab, room: random.pick(ROOMS) } : { do: action, at, tab };
}

function makeFault(random: Random, lasts: number): Timed {
  const kind = random.pick(FAULTS);
  const common = { node: random.between(0, NODES - 1), lasts: random.between(300, 4_000) };
  const fault: Fault = kind === 'die' ? { kind, point: random.pick(POINTS), ...common } : { kind, ...common };
  return { do: 'fault', at: random.between(lasts * 0.1, lasts * 0.9), fault };
}
