/** N clients join one room over two nodes, as fast as they can. */
import { medians } from '../measure.js';
import type { Options } from '../options.js';
import { OURS_ON_REDIS } from '../peers.js';
import { rounds } from '../processes/rounds.js';
import { figure, type Section } from '../report.js';
import { type Figures, HEAD, LIMIT, measure, row, type Storm, seenIn, TIMEOUT } from './storm.js';

const COUNTS = [100, 500, 1_000];

const ABOUT = `N clients join one room over two nodes as fast as they can, 50 at a time, every other on the other node: handshake,
subscription to the room's user_list, and the connect, which is the join. CPU is that of both server processes
together. Commands are counted where the servers send them; what Redis itself counts has those within scripts, too. It is
given up after ${LIMIT} s; figures of what was given up are lower bounds.`;

export async function stormNodes(options: Options): Promise<Section> {
  const figures = await rounds({
    name: 'storm-nodes',
    options,
    peers: COUNTS.map((count): Storm => ({ ...OURS_ON_REDIS, count })),
    server: { timeout: TIMEOUT },
    nodes: 2,
    load: () => 'storm',
    measure,
  });
  const results = [...figures].map(([each, runs]) => ({
    each,
    result: medians(runs.map((run) => ({ ...run }))),
  }));
  return {
    title: 'Join storm over two nodes',
    about: ABOUT,
    table: {
      head: [...HEAD, 'Redis s', 'commands a join', 'as Redis counts'],
      rows: results.map(({ each, result }) => [...row(each, result), ...ofRedis(each, result)]),
    },
    goals: results
      .filter(({ each }) => each.count === 1_000)
      .map(({ result }) => seenIn('N = 1,000', result, 1_000, 1)),
    runs: [...figures].map(([{ name, count }, runs]) => ({ name, count, runs })),
  };
}

const ofRedis = ({ count }: Storm, { redisCpu, commands, redisCommands }: Figures) => [
  figure(redisCpu),
  figure(commands / count),
  figure(redisCommands / count),
];
