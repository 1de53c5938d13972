/** One publisher, a thousand subscribers on two nodes: what a delivery costs the servers, and Redis. */
import type { Options } from '../options.js';
import * as peers from '../peers.js';
import { rounds } from '../processes/rounds.js';
import { atMost, figure, type Goal, type Section, small } from '../report.js';
import { type ByFlight, type Figures, IN_FLIGHT, measure, SUBSCRIBERS, summed } from './deliveries.js';

const NODES = 2;
/** Seconds; longer than any run. */
const TIMEOUT = 120;
const MOST_COMMANDS = 0.01;

const ABOUT = `Two nodes of each server and one redis-server. ${SUBSCRIBERS / NODES} WebSocket subscribers of one channel on each node, data of 127
bytes. The publisher is a subscriber of one node: it keeps 1 or 8 of its messages in flight, and sends the next when the
last subscriber of each node has received one; it has then gone to everybody. CPU is that of both server processes
together. Commands are counted where the servers send them; what Redis itself counts has those within scripts, too.`;

export async function fanoutNodes(options: Options): Promise<Section> {
  const figures = await rounds({
    name: 'fanout-nodes',
    options,
    peers: [peers.OURS_ON_REDIS, peers.FAYE_REDIS, peers.SOCKET_IO_REDIS],
    server: { timeout: TIMEOUT },
    nodes: NODES,
    load: () => 'fanout',
    measure: (run) => measure(run, options.quick ? 1 : 3),
  });
  const results = new Map([...figures].map(([{ name }, runs]) => [name, summed(runs)]));
  return {
    title: 'Fan-out over two nodes',
    about: ABOUT,
    table: {
      head: [
        'servers',
        'in flight',
        'µs CPU a delivery',
        'Redis µs',
        'commands a delivery',
        'as Redis counts',
        'deliveries/s',
        'load, share of a core',
      ],
      rows: [...results].flatMap(([name, each]) => IN_FLIGHT.map((n) => row(name, n, each[n]))),
    },
    goals: goals(results),
    runs: [...figures].map(([{ name }, runs]) => ({ name, runs })),
  };
}

const row = (name: string, inFlight: number, each: Figures) => [
  name,
  inFlight,
  figure(each.cpu),
  figure(each.redisCpu),
  small(each.commands),
  small(each.redisCommands),
  figure(each.rate),
  figure(each.load),
];

function goals(results: ReadonlyMap<string, ByFlight>): Goal[] {
  const ours = results.get(peers.OURS_ON_REDIS.name);
  const theirs = results.get(peers.SOCKET_IO_REDIS.name);
  if (!ours) return [];
  const commands = IN_FLIGHT.map((inFlight) => ({
    what: `Redis commands a delivery, ${inFlight} in flight`,
    goal: `< ${MOST_COMMANDS}`,
    got: small(ours[inFlight].commands),
    reached: ours[inFlight].commands < MOST_COMMANDS,
  }));
  if (!theirs) return commands;
  const why = `1/4 of ${peers.SOCKET_IO_REDIS.name}'s`;
  return [...commands, atMost('CPU a delivery, 8 in flight', ours[8].cpu, theirs[8].cpu / 4, 'µs', why)];
}
