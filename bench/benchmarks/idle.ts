/** What clients cost that do nothing. */
import { setTimeout as wait } from 'node:timers/promises';
import { medians } from '../measure.js';
import type { Options } from '../options.js';
import { FAYE, OURS, type Peer, SOCKET_IO, WS } from '../peers.js';
import { type Run, rounds } from '../processes/rounds.js';
import type { Memory } from '../processes/served.js';
import { atMost, figure, type Section } from '../report.js';

const CLIENTS = 5_000;
/** Seconds that a connect is held, as it is by default. */
const TIMEOUT = 10;

const ABOUT = `${CLIENTS.toLocaleString('en')} WebSocket clients, each subscribed to one channel, that do nothing but what keeps them alive
(Bayeux: a connect every ${TIMEOUT} s). Memory is what the server has grown by since it started, after garbage collection, per client:
what the process needs once it does anything at all is in it, and what it had left over from its start is not. The
larger of memory (on Linux without what is mapped from files) and heap counts. The whole process is beside it. CPU is while they idle.`;

export interface Figures {
  /** Bytes a client. */
  rss: number;
  /** Bytes a client. */
  heap: number;
  /** Bytes of the whole process with all its clients. */
  whole: number;
  /** Share of one core. */
  cpu: number;
}

export async function idle(options: Options): Promise<Section> {
  const seconds = options.quick ? 10 : 60;
  const figures = await rounds({
    name: 'idle',
    options,
    peers: [OURS, FAYE, SOCKET_IO, WS],
    server: { timeout: TIMEOUT },
    load: () => 'idle',
    measure: (run) => measure(run, seconds),
  });
  const results = [...figures].map(([peer, runs]) => ({ peer, ...medians(runs.map((run) => ({ ...run }))) }));
  const ours = results.find(({ peer }) => peer === OURS);
  return {
    title: 'Idle',
    about: ABOUT,
    table: {
      head: [
        'server',
        'KB a client (memory)',
        'KB a client (heap)',
        'whole process MB',
        `CPU % of a core over ${seconds} s`,
      ],
      rows: results.map(({ peer, rss, heap, whole, cpu }) => [
        peer.name,
        figure(rss / 1024),
        figure(heap / 1024),
        figure(whole / 2 ** 20),
        figure(cpu * 100),
      ]),
    },
    goals: ours ? [atMost('Memory a client', Math.max(ours.rss, ours.heap) / 1024, 30, 'KB')] : [],
    runs: [...figures].map(([{ name }, runs]) => ({ name, runs })),
  };
}

async function measure({ peer: { dialect }, served, load }: Run<Peer>, seconds: number): Promise<Figures> {
  const where = { ports: served.ports, dialect };
  const none = await served.memory();
  await load.ask('connect', { ...where, count: CLIENTS });
  const before = await served.usage();
  await wait(seconds * 1_000);
  const after = await served.usage();
  const many = await served.memory();
  const each = (field: keyof Memory) => (many[field] - none[field]) / CLIENTS;
  return {
    rss: each('rss'),
    heap: each('heap'),
    whole: many.rss,
    cpu: (after.cpu - before.cpu) / 1e6 / seconds,
  };
}
