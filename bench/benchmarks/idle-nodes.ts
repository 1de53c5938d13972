/** What clients of two nodes cost Redis that do nothing. */
import { setTimeout as wait } from 'node:timers/promises';
import { medians } from '../measure.js';
import type { Options } from '../options.js';
import { OURS_ON_REDIS, type Peer } from '../peers.js';
import { type Run, rounds } from '../processes/rounds.js';
import type { Served, Usage } from '../processes/served.js';
import { figure, type Goal, type Section, small } from '../report.js';

const CLIENTS = 1_000;
const PER_ROOM = 10;
const NODES = 2;
/** Seconds that a connect is held, as it is by default. */
const TIMEOUT = 10;
/** Commands a client that the nodes' own clocks may add or take away at the ends of the time. */
const NOISE = 0.01;

const RESTING: Peer = { ...OURS_ON_REDIS, name: 'the reaper at rest', options: { gc: 3_600 } };
const REAPING: Peer = { ...OURS_ON_REDIS, name: 'with the reaper, every 5 s' };

export interface Figures {
  /** Redis commands of both nodes without a client. */
  own: number;
  /** With all clients. */
  all: number;
  /** What Redis counted with all clients, those of scripts included. */
  redisCommands: number;
  /** Share of one core, both nodes together, with all clients. */
  cpu: number;
  /** Share of one core. */
  redisCpu: number;
}

export async function idleNodes(options: Options): Promise<Section> {
  const seconds = options.quick ? 10 : 30;
  const figures = await rounds({
    name: 'idle-nodes',
    options,
    peers: [RESTING, REAPING],
    // Beside the point, and no goal.
    runsOf: (peer) => (peer === REAPING ? 1 : options.runs),
    server: { timeout: TIMEOUT },
    nodes: NODES,
    load: () => 'idle',
    measure: (run) => measure(run, seconds),
  });
  const results = [...figures].map(([peer, runs]) => ({ peer, ...medians(runs.map((run) => ({ ...run }))) }));
  return {
    title: 'Idle on two nodes',
    about: about(seconds),
    table: {
      head: [
        `over ${seconds} s`,
        'commands a client',
        "commands without clients: the nodes' own",
        'of a node, a second',
        `with ${CLIENTS.toLocaleString('en')} clients`,
        'as Redis counts',
        'CPU % of a core',
        'Redis %',
      ],
      rows: results.map(({ peer, own, all, redisCommands, cpu, redisCpu }) => [
        peer.name,
        small((all - own) / CLIENTS),
        figure(own),
        figure(own / NODES / seconds),
        figure(all),
        figure(redisCommands),
        figure(cpu * 100),
        figure(redisCpu * 100),
      ]),
    },
    goals: results
      .filter(({ peer }) => peer === RESTING)
      .map(({ own, all }) => none(seconds, (all - own) / CLIENTS)),
    runs: [...figures].map(([{ name }, runs]) => ({ name, runs })),
  };
}

const about = (seconds: number) =>
  `${CLIENTS.toLocaleString('en')} users on two nodes, each present in a room of ${PER_ROOM} and subscribed to its list, who do nothing but what keeps them alive
(a connect every ${TIMEOUT} s), for ${seconds} s. Commands are counted where the servers send them. What a client costs is by how much they
are more than without any client: then there are the nodes' own, for leases and for what is overdue. The reaper is shown by
itself: it asks after clients of the other node, a bounded number at a time.`;

async function measure({ served, load }: Run<Peer>, seconds: number): Promise<Figures> {
  const nobody = await during(served, seconds);
  await load.ask('enter', { ports: served.ports, count: CLIENTS, perRoom: PER_ROOM });
  const everybody = await during(served, seconds);
  return {
    own: nobody.commands,
    all: everybody.commands,
    redisCommands: everybody.redisCommands,
    cpu: everybody.cpu / 1e6 / seconds,
    redisCpu: everybody.redisCpu / 1e6 / seconds,
  };
}

async function during(served: Served, seconds: number): Promise<Usage> {
  const before = await served.usage();
  await wait(seconds * 1_000);
  const after = await served.usage();
  const spent = (field: keyof Usage) => after[field] - before[field];
  return {
    cpu: spent('cpu'),
    commands: spent('commands'),
    redisCpu: spent('redisCpu'),
    redisCommands: spent('redisCommands'),
  };
}

const none = (seconds: number, got: number): Goal => ({
  what: `Redis commands a client in ${seconds} s`,
  goal: `0 (± ${NOISE})`,
  got: small(got),
  reached: Math.abs(got) <= NOISE,
});
