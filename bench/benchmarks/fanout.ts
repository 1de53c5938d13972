/** One publisher, a thousand subscribers: what a delivery costs the server. */
import type { Options } from '../options.js';
import type { Peer } from '../peers.js';
import * as peers from '../peers.js';
import { rounds } from '../processes/rounds.js';
import { atMost, figure, type Goal, type Section } from '../report.js';
import {
  type ByFlight,
  type Figures,
  IN_FLIGHT,
  measure,
  POLLERS,
  SUBSCRIBERS,
  summed,
  type Way,
} from './deliveries.js';

/** Longer than any run. */
const TIMEOUT = 120;

const ABOUT = `${SUBSCRIBERS.toLocaleString('en')} WebSocket subscribers of one channel (${POLLERS} pollers where it says long-polling), data of
127 bytes. The publisher is the subscriber that came last: it keeps 1 or 8 of its messages in flight, and sends the next
when it has received one of its own; it has then gone to everybody. After a warm-up it publishes for some seconds, and
every delivery is counted. CPU is the server process' own, user and system, Redis' beside it.`;

const WAYS: Way[] = [
  peers.OURS,
  peers.OURS_ON_FAYE,
  peers.FAYE,
  peers.FAYE_REDIS,
  peers.SOCKET_IO,
  peers.WS,
  peers.OURS_DEFLATE,
  { ...peers.OURS, name: 'faye-online, long-polling', polling: true },
  { ...peers.FAYE, name: 'faye, memory engine, long-polling', polling: true },
];

export async function fanout(options: Options): Promise<Section> {
  const figures = await rounds({
    name: 'fanout',
    options,
    peers: WAYS,
    server: { timeout: TIMEOUT },
    load: ({ polling }) => (polling ? 'polling' : 'fanout'),
    measure: (run) => measure(run, options.quick ? 1 : 3),
  });
  const results = new Map([...figures].map(([{ name }, runs]) => [name, summed(runs)]));
  return {
    title: 'Fan-out',
    about: ABOUT,
    table: {
      head: ['server', 'in flight', 'µs CPU a delivery', 'Redis µs', 'deliveries/s', 'load, share of a core'],
      rows: [...results].flatMap(([name, each]) => IN_FLIGHT.map((n) => row(name, n, each[n]))),
    },
    goals: goals(results),
    runs: [...figures].map(([{ name }, runs]) => ({ name, runs })),
  };
}

const row = (name: string, inFlight: number, { cpu, redisCpu, rate, load }: Figures) => [
  name,
  inFlight,
  figure(cpu),
  redisCpu > 0 ? figure(redisCpu) : '–',
  figure(rate),
  figure(load),
];

function goals(results: ReadonlyMap<string, ByFlight>): Goal[] {
  const ours = results.get(peers.OURS.name);
  const compared: [Peer, 1 | 8, number][] = [
    [peers.SOCKET_IO, 8, 4],
    [peers.FAYE, 8, 7],
    [peers.FAYE_REDIS, 8, 20],
    [peers.WS, 1, 1],
  ];
  return compared.flatMap(([{ name }, inFlight, part]) => {
    const theirs = results.get(name);
    if (!ours || !theirs) return [];
    const limit = theirs[inFlight].cpu / part;
    const why = part === 1 ? `${name}'s` : `1/${part} of ${name}'s`;
    return [atMost(`CPU a delivery, ${inFlight} in flight`, ours[inFlight].cpu, limit, 'µs', why)];
  });
}
