/** How long until a join or a leave on one node is seen on another. */
import { medians } from '../measure.js';
import type { Options } from '../options.js';
import { OURS_ON_REDIS } from '../peers.js';
import { rounds } from '../processes/rounds.js';
import { atMost, type Section } from '../report.js';
import { measure, rows, SLACK, WINDOW } from './latency.js';

const ABOUT = `A room with one watcher, on one of two nodes. A second user connects to the other node and is seen, disconnects and is
seen, and so on, each in turn: milliseconds from the connect or disconnect until the watcher has the list. The window is
50 ms + 0.2 ms a user.`;

export async function latencyNodes(options: Options): Promise<Section> {
  const visits = options.quick ? 20 : 100;
  const figures = await rounds({
    name: 'latency-nodes',
    options,
    peers: [OURS_ON_REDIS],
    server: { timeout: 10 },
    nodes: 2,
    load: () => 'latency',
    measure: (run) => measure(run, visits),
  });
  const runs = figures.get(OURS_ON_REDIS) ?? [];
  const result = medians(runs.map((run) => ({ ...run })));
  return {
    title: 'Join to visible on the other node',
    about: ABOUT,
    table: { head: [`${visits} of each a run`, 'p50 ms', 'p99 ms'], rows: rows(result) },
    goals: [
      atMost('Join to visible, p99', result.joinP99, WINDOW + SLACK, 'ms'),
      atMost('Leave to visible, p99', result.leaveP99, WINDOW + SLACK, 'ms'),
    ],
    runs,
  };
}
