/** What happens in a round, and when: made from a seed before anything runs, so that it can be told and played again. */
import type { Random } from './random.js';

/** Faults of a node's process, of Redis, and of a node's connections to Redis. */
export const FAULTS = [
  'kill',
  'stop',
  'freeze',
  'redis-restart',
  'redis-loss',
  'redis-older',
  'redis-flush',
  'redis-freeze',
  'redis-cut',
  'redis-delay',
  'redis-one-way',
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface Fault {
  kind: FaultKind;
  /** Which node it strikes; of no meaning where it strikes Redis itself. */
  node: number;
  /** Milliseconds until it is healed. */
  lasts: number;
  /** Of a one-way connection: which direction is held. */
  held: 'to Redis' | 'from Redis';
}

export type TransportKind = 'websocket' | 'long-polling';

export interface Open {
  do: 'open';
  tab: number;
  uid: string;
  transport: TransportKind;
  room: string;
  /** Each of its requests reaches the next node, as behind a balancer that is not sticky. */
  roams?: boolean;
}

export type Step =
  | Open
  | { do: 'move'; tab: number; room: string }
  /** Its stream is closed without a word, and it comes back with its clientId. */
  | { do: 'cut'; tab: number }
  /** Comes back by another stream before the old one has closed. */
  | { do: 'hop'; tab: number }
  /** Its connect reaches many nodes at the same time, as one that was said again on the way does. */
  | { do: 'scatter'; tab: number }
  /** Says before_leave and stays. */
  | { do: 'threaten'; tab: number }
  /** Says before_leave, and closes. */
  | { do: 'leave'; tab: number }
  | { do: 'disconnect'; tab: number }
  | { do: 'vanish'; tab: number }
  /** Reads nothing any more and answers no ping. */
  | { do: 'deafen'; tab: number }
  | { do: 'publish'; tab: number }
  | { do: 'fault'; fault: Fault };

/** `at`: milliseconds after the round began. */
export type Timed = Step & { at: number };

export const ROOMS = ['/rooms/1', '/rooms/2', '/rooms/3'];
/** Everybody's time channel. */
export const TIME = '/time/1';
export const NODES = 3;

export interface HistoryOptions {
  faults: readonly FaultKind[];
  /** Milliseconds over which the steps are spread. */
  lasts: number;
}

/** Milliseconds without Redis after which a node's lease, and the time after it, may be over. */
const AWAY_TOO_LONG = 8_000;

export const faultsOf = (history: readonly Timed[]): Fault[] =>
  history.flatMap((step) => (step.do === 'fault' ? [step.fault] : []));

/**
 * Milliseconds that Redis may be away of some node, all faults of it one after the other. `more`: what each takes longer, where
 * the masters of a Cluster have yet to agree.
 */
export const awayFor = (faults: readonly Fault[], more = 0): number =>
  faults.filter(({ kind }) => kind.startsWith('redis-')).reduce((sum, { lasts }) => sum + lasts + more, 0);

/** Faults in which Redis loses data, or comes back with older. */
export const LOSES_DATA: ReadonlySet<FaultKind> = new Set([
  'redis-restart',
  'redis-loss',
  'redis-older',
  'redis-flush',
]);

/** What Redis has lost, and a node that is dead can't write down again, nobody knows any more. */
const losesWhatANodeKnew = (faults: readonly Fault[]): boolean =>
  faults.some(({ kind }) => LOSES_DATA.has(kind)) &&
  faults.some(({ kind }) => kind === 'kill' || kind === 'stop');

/** Whether a client that is connected, or comes back in time, stays through all of these. */
export const keepsEverybody = (faults: readonly Fault[], more = 0): boolean =>
  awayFor(faults, more) <= AWAY_TOO_LONG &&
  !losesWhatANodeKnew(faults) &&
  faults.every(({ kind }) => kind !== 'freeze');

/** Milliseconds: with what a tab takes to come back it is less than the silence after which a client is over. */
const CUT_TOO_LONG = 2_500;

/** Whether a client that speaks to several nodes may be with one that is cut off for so long that it is silent for the one that has it. */
export const hidesClients = (faults: readonly Fault[]): boolean =>
  faults.some(({ kind, lasts }) => ['redis-cut', 'redis-one-way'].includes(kind) && lasts > CUT_TOO_LONG);

/** Seldom: most ends leave the others somebody to see. */
const ACTIONS = [
  ...[
    'move',
    'move',
    'move',
    'cut',
    'cut',
    'cut',
    'hop',
    'hop',
    'scatter',
    'threaten',
    'publish',
    'publish',
    'publish',
  ],
  ...['disconnect', 'vanish', 'leave', 'deafen'],
] as const;
const MOST_USERS = 25;
const LEAST_USERS = 10;
const MOST_FAULTS = 3;
/** Of the pollers. */
const ROAMS = 0.2;

export function makeHistory(random: Random, options: HistoryOptions): Timed[] {
  const opens = makeOpens(random, options.lasts);
  const actions = makeActions(random, opens.length, options.lasts);
  const faults = options.faults.length === 0 ? [] : makeFaults(random, options);
  // Last, so that the rest of a seed's rounds is what it was before there was roaming.
  for (const open of opens) if (open.transport === 'long-polling' && random.chance(ROAMS)) open.roams = true;
  return [...opens, ...actions, ...faults].sort((one, other) => one.at - other.at);
}

function makeOpens(random: Random, lasts: number): (Open & { at: number })[] {
  const opens: (Open & { at: number })[] = [];
  const users = random.between(LEAST_USERS, MOST_USERS);
  for (let user = 0; user < users; user += 1) {
    const tabs = random.pick([1, 1, 1, 2, 3]);
    for (let count = 0; count < tabs; count += 1) {
      opens.push({
        do: 'open',
        at: random.between(0, lasts * 0.5),
        tab: opens.length,
        uid: `u${user}`,
        transport: random.chance(0.6) ? 'websocket' : 'long-polling',
        room: random.pick(ROOMS),
      });
    }
  }
  return opens;
}

function makeActions(random: Random, tabs: number, lasts: number): Timed[] {
  return Array.from({ length: random.between(12, 35) }, () => {
    const at = random.between(lasts * 0.15, lasts);
    const tab = random.between(0, tabs - 1);
    const action = random.pick(ACTIONS);
    return action === 'move' ? { do: action, at, tab, room: random.pick(ROOMS) } : { do: action, at, tab };
  });
}

function makeFaults(random: Random, { faults, lasts }: HistoryOptions): Timed[] {
  return Array.from({ length: random.between(1, MOST_FAULTS) }, () => {
    const kind = random.pick(faults);
    const fault: Fault = {
      kind,
      node: random.between(0, NODES - 1),
      lasts: durationOf(kind, random),
      held: random.pick(['to Redis', 'from Redis']),
    };
    return { do: 'fault', at: random.between(lasts * 0.2, lasts * 0.9), fault };
  });
}

function durationOf(kind: FaultKind, random: Random): number {
  if (kind === 'freeze') return random.between(2_000, 12_000);
  if (kind === 'redis-freeze') return random.between(1_000, 9_000);
  return random.between(300, 6_000);
}
