/** N clients join one room over two nodes, as fast as they can. */
import { medians } from '../measure.js';
import type { Options } from '../options.js';
import { GEM_ON_REDIS, OURS_ON_REDIS, type Peer, SOCKET_IO_ROOMS } from '../peers.js';
import { rounds } from '../processes/rounds.js';
import { figure, type Section } from '../report.js';
import { type Figures, HEAD, LIMIT, measure, row, type Storm, seenIn, TIMEOUT } from './storm.js';

const COUNTS = [100, 500, 1_000];

const ABOUT = `N clients join one room over two nodes as fast as they can, 50 at a time, every other on the other node: handshake,
subscription to the room's user_list, and the connect, which is the join. With socket.io the connect, which is the join as well,
follows engine.io's handshake: the server puts the client into the room, and sends the whole list there at each join and leave.
CPU is that of both server processes together. Commands are counted where the servers send them; what Redis itself counts has
those within scripts, too. The gem's algorithm with 1,000 is run once. It is given up after ${LIMIT} s; figures of what was
given up are lower bounds.`;

export async function stormNodes(options: Options): Promise<Section> {
  /** The slowest once: it would take most of the time. */
  const runsOf = ({ server, count }: Storm) =>
    server === GEM_ON_REDIS.server && count >= 1_000 ? 1 : options.runs;
  const figures = await rounds({
    name: 'storm-nodes',
    options,
    peers: [
      ...storms(OURS_ON_REDIS),
      ...[GEM_ON_REDIS, SOCKET_IO_ROOMS]
        .flatMap(storms)
        .filter(({ count }) => !options.quick || count === 100),
    ],
    runsOf,
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
      .filter(({ each }) => each.server === OURS_ON_REDIS.server && each.count === 1_000)
      .map(({ result }) => seenIn('N = 1,000', result, 1_000, 1)),
    runs: [...figures].map(([{ name, count }, runs]) => ({ name, count, runs })),
  };
}

const storms = (peer: Peer) => COUNTS.map((count): Storm => ({ ...peer, count }));

const ofRedis = ({ count }: Storm, { redisCpu, commands, redisCommands }: Figures) => [
  figure(redisCpu),
  figure(commands / count),
  figure(redisCommands / count),
];
