/** How long until a join or a leave is seen, in a quiet room. */
import type { Seen } from '../load/latency.js';
import { medians, quantile } from '../measure.js';
import type { Options } from '../options.js';
import { OURS, type Peer } from '../peers.js';
import { type Run, rounds } from '../processes/rounds.js';
import { atMost, figure, type Section } from '../report.js';

/** Milliseconds that changes are gathered: 50, and 0.2 for each of the at most two users. */
export const WINDOW = 50.4;
export const SLACK = 30;

const ABOUT = `A room with one watcher. A second user connects and is seen, disconnects and is seen, and so on, each in turn:
milliseconds from the connect or disconnect until the watcher has the list. The window, in which changes are gathered, is
50 ms + 0.2 ms a user.`;

export interface Figures {
  joinP50: number;
  joinP99: number;
  leaveP50: number;
  leaveP99: number;
}

export async function latency(options: Options): Promise<Section> {
  const visits = options.quick ? 20 : 100;
  const figures = await rounds({
    name: 'latency',
    options,
    peers: [OURS],
    server: { timeout: 10 },
    load: () => 'latency',
    measure: (run) => measure(run, visits),
  });
  const runs = figures.get(OURS) ?? [];
  const result = medians(runs.map((run) => ({ ...run })));
  return {
    title: 'Join to visible',
    about: ABOUT,
    table: { head: [`${visits} of each a run`, 'p50 ms', 'p99 ms'], rows: rows(result) },
    goals: [
      atMost('Join to visible, p99', result.joinP99, WINDOW + SLACK, 'ms'),
      atMost('Leave to visible, p99', result.leaveP99, WINDOW + SLACK, 'ms'),
    ],
    runs,
  };
}

export const rows = ({ joinP50, joinP99, leaveP50, leaveP99 }: Figures) => [
  ['join', figure(joinP50), figure(joinP99)],
  ['leave', figure(leaveP50), figure(leaveP99)],
];

export async function measure({ served, load }: Run<Peer>, count: number): Promise<Figures> {
  const { joins, leaves } = await load.ask<Seen>('visits', { ports: served.ports, count });
  return {
    joinP50: quantile(joins, 0.5),
    joinP99: quantile(joins, 0.99),
    leaveP50: quantile(leaves, 0.5),
    leaveP99: quantile(leaves, 0.99),
  };
}
