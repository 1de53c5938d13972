/** N clients join one room as fast as they can. */
import type { Stormed } from '../load/storm.js';
import { medians } from '../measure.js';
import type { Options } from '../options.js';
import { GEM, OURS, type Peer } from '../peers.js';
import { type Run, rounds } from '../processes/rounds.js';
import { atMost, figure, type Goal, type Section } from '../report.js';

/** Seconds after which it is given up. */
export const LIMIT = 60;
/** Seconds; longer than any run, so that no client of a server that is behind is given up. */
export const TIMEOUT = 90;

const ABOUT = `N clients join one room as fast as they can, 50 at a time. Each opens a WebSocket, shakes hands, subscribes to the
room's user_list, and then connects with its auth, which is the join. Messages and bytes are what the clients received,
lists counted singly. The last join is when the last connect was sent. It is given up after ${LIMIT} s; figures of what was
given up are lower bounds.`;

export type Storm = Peer & { count: number };

export interface Figures {
  saw: number;
  messages: number;
  /** Received by all. */
  megabytes: number;
  /** Seconds of the servers' CPU. */
  cpu: number;
  /** Seconds of Redis' CPU. */
  redisCpu: number;
  /** Redis commands that the servers sent. */
  commands: number;
  /** Those that Redis counted, with those of scripts. */
  redisCommands: number;
  joinSeconds: number;
  seenSeconds: number;
  /** Share of one core that the load took. */
  load: number;
}

export const HEAD = [
  'server',
  'N',
  'saw the final count',
  'messages a client',
  'kB a client',
  'CPU s',
  'CPU ms a join',
  'joining s',
  'all seen, s after the last join',
  'load, share of a core',
];

export async function storm(options: Options): Promise<Section> {
  const figures = await rounds({
    name: 'storm',
    options,
    peers: storms(options),
    runsOf: (peer) => (peer.server === GEM.server && peer.count >= 1_000 ? 1 : options.runs),
    server: { timeout: TIMEOUT },
    load: () => 'storm',
    measure,
  });
  const results = [...figures].map(([each, runs]) => ({
    each,
    result: medians(runs.map((run) => ({ ...run }))),
  }));
  return {
    title: 'Join storm',
    about: ABOUT,
    table: {
      head: HEAD,
      rows: results.map(({ each, result }) => row(each, result)),
    },
    goals: goals(results),
    runs: [...figures].map(([{ name, count }, runs]) => ({ name, count, runs })),
  };
}

function storms({ quick }: Options): Storm[] {
  const ours = quick ? [100, 500, 1_000] : [100, 500, 1_000, 5_000];
  const gems = quick ? [100] : [100, 500, 1_000];
  const many = (peer: Peer, counts: number[]) =>
    counts.map((count) => ({ ...peer, count, name: `${peer.name}` }));
  return [...many(OURS, ours), ...many(GEM, gems)];
}

export async function measure({ peer: { count, dialect }, served, load }: Run<Storm>): Promise<Figures> {
  const before = await served.usage();
  const stormed = await load.ask<Stormed>('storm', { ports: served.ports, dialect, count, seconds: LIMIT });
  const after = await served.usage();
  const { saw, messages, bytes, joinSeconds, seenSeconds, loadCpu } = stormed;
  return {
    saw,
    messages,
    megabytes: bytes / 1e6,
    cpu: (after.cpu - before.cpu) / 1e6,
    redisCpu: (after.redisCpu - before.redisCpu) / 1e6,
    commands: after.commands - before.commands,
    redisCommands: after.redisCommands - before.redisCommands,
    joinSeconds,
    seenSeconds,
    load: loadCpu / 1e6 / (joinSeconds + seenSeconds),
  };
}

export function row({ name, count }: Storm, result: Figures) {
  const { saw, messages, megabytes, cpu, joinSeconds, seenSeconds, load } = result;
  const all = saw === count;
  const least = all ? '' : '≥ ';
  return [
    name,
    count,
    all ? 'all' : saw,
    least + figure(messages / count),
    least + figure((megabytes * 1_000) / count),
    least + figure(cpu),
    least + figure((cpu * 1_000) / count),
    figure(joinSeconds),
    all ? figure(seenSeconds) : `not within ${LIMIT} s`,
    figure(load),
  ];
}

type Result = { each: Storm; result: Figures };

function goals(results: readonly Result[]): Goal[] {
  const find = (peer: Peer, count: number) =>
    results.find(({ each }) => each.server === peer.server && each.count === count)?.result;
  const thousand = find(OURS, 1_000);
  const gem = find(GEM, 1_000);
  const middle = find(OURS, 500);
  const large = find(OURS, 5_000);
  const list: Goal[] = [];
  if (thousand) {
    list.push(atMost('N = 1,000: messages a client', thousand.messages / 1_000, 40, ''));
    list.push(seenIn('N = 1,000', thousand, 1_000, 1));
  }
  if (thousand && gem)
    list.push(atMost('N = 1,000: CPU', thousand.cpu, gem.cpu / 15, 's', "1/15 of the gem's algorithm"));
  if (large) list.push(seenIn('N = 5,000', large, 5_000, 2));
  if (large && middle)
    list.push(
      atMost('N = 5,000: CPU a join', large.cpu / 5, (middle.cpu / 0.5) * 2, 'ms', 'twice that at 500'),
    );
  return list;
}

export function seenIn(what: string, { saw, seenSeconds }: Figures, count: number, limit: number): Goal {
  const goal = atMost(`${what}: all have seen the final count`, seenSeconds, limit, 's');
  return { ...goal, reached: goal.reached && saw === count };
}
