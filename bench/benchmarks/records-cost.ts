/** What the message path has to do with records: the same load without them and with them. */
import { until } from '../../spec/support/until.js';
import type { Audience, Churn, Heard } from '../load/churn.js';
import { median, medians, quantile } from '../measure.js';
import type { Options } from '../options.js';
import { OURS, type Peer } from '../peers.js';
import { Databases } from '../processes/databases.js';
import { type Run, rounds } from '../processes/rounds.js';
import type { Served } from '../processes/served.js';
import { atMost, figure, type Goal } from '../report.js';
import type { Outcome } from './records-written.js';

/** Seconds that a connect is held, as it is by default. */
const TIMEOUT = 10;
const AUDIENCE: Omit<Audience, 'ports'> = { rooms: 20, subscribers: 200, witnesses: 20 };
const RATES: Pick<Churn, 'visits' | 'publishes'> = { visits: 100, publishes: 50 };
/** Seconds. */
const WARM_UP = 1;

const OFF = 'records off';

const about = (
  seconds: number,
) => `The same server with records off and on, under the same load: ${RATES.visits} users a second come to one of ${AUDIENCE.rooms} rooms, each
with a WebSocket of its own, and go again after a second; beside them ${RATES.publishes} messages a second of some 150 bytes go to ${AUDIENCE.subscribers}
subscribers of one channel. All of it for ${seconds} s, at a fixed rate, whether or not the server keeps up. Join to visible is from the
connect until somebody in the room has the list, the window of 50 ms included; publish to receive is seen by ${AUDIENCE.witnesses} of the
subscribers. CPU is the server process' own, user and system, SQLite's thread included, with all that the users' coming and going costs,
for each message that a subscriber received; the database server's is not in it. In the end all that happened
must be recorded, four entries a visit. In brackets the least and the most of the runs. There is no measurable difference where the medians
differ by no more than the runs with records off do among themselves.`;

const TIMES = [
  ['joinP50', 'Join to visible, p50'],
  ['joinP99', 'Join to visible, p99'],
  ['publishP50', 'Publish to receive, p50'],
  ['publishP99', 'Publish to receive, p99'],
] as const;

type Time = (typeof TIMES)[number][0];

export interface Figures extends Record<Time, number> {
  /** Microseconds of the server's CPU per delivery. */
  cpu: number;
  /** Share of one core. */
  share: number;
  /** Share of one core that the load took. */
  load: number;
}

export async function recordsCost(options: Options): Promise<Outcome> {
  const seconds = options.quick ? 2 : 6;
  const databases = new Databases();
  const peers: Peer[] = [
    { ...OURS, name: OFF },
    { ...OURS, name: 'records in SQLite', database: () => databases.url('SQLite') },
    { ...OURS, name: 'records in PostgreSQL', database: () => databases.url('PostgreSQL') },
  ];
  try {
    const figures = await rounds({
      name: 'records, cost',
      options,
      peers,
      server: { timeout: TIMEOUT },
      load: () => 'churn',
      measure: (run) => measure(run, seconds),
    });
    const results = [...figures].map(([{ name }, runs]) => ({ name, runs }));
    return {
      about: about(seconds),
      table: { head: HEAD, rows: results.map(({ name, runs }) => row(name, runs)) },
      goals: goals(results),
      runs: results,
    };
  } finally {
    await databases.dispose();
  }
}

async function measure({ peer, served, load }: Run<Peer>, seconds: number): Promise<Figures> {
  const { ports } = served;
  await load.ask('connect', { ...AUDIENCE, ports });
  await load.ask<Heard>('churn', { ...RATES, ports, seconds: WARM_UP });
  const before = await served.usage();
  const heard = await load.ask<Heard>('churn', { ...RATES, ports, seconds });
  const after = await served.usage();
  // A figure with records of which some are missing is none.
  if (peer.database) await allWritten(served, entriesOf(WARM_UP + seconds));
  const cpu = after.cpu - before.cpu;
  return {
    joinP50: quantile(heard.joins, 0.5),
    joinP99: quantile(heard.joins, 0.99),
    publishP50: quantile(heard.publishes, 0.5),
    publishP99: quantile(heard.publishes, 0.99),
    cpu: cpu / heard.deliveries,
    share: cpu / 1e6 / heard.seconds,
    load: heard.loadCpu / 1e6 / heard.seconds,
  };
}

/** Everybody comes to a room and a time channel; those who watch the rooms stay. */
const entriesOf = (seconds: number): number => 2 * (2 * RATES.visits * seconds + AUDIENCE.rooms);

async function allWritten({ ports: [port] }: Served, expected: number): Promise<void> {
  const written = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^faye_online_records_written_total (\d+)$/m.exec(text)?.[1]);
  };
  await until(async () => (await written()) >= expected, `${expected} entries to be written`);
  if ((await written()) > expected) throw new Error(`Expected ${expected} entries, got ${await written()}`);
}

interface Result {
  name: string;
  runs: Figures[];
}

const HEAD = [
  'server',
  ...TIMES.map(([, what]) => `${what}, ms`),
  'µs CPU a message',
  'CPU, share of a core',
  'load, share of a core',
];

function row(name: string, runs: readonly Figures[]) {
  const { cpu, share, load } = medians(runs.map((run) => ({ ...run })));
  return [
    name,
    ...TIMES.map(([time]) => spread(runs.map((run) => run[time]))),
    figure(cpu),
    figure(share),
    figure(load),
  ];
}

const spread = (values: readonly number[]): string =>
  `${figure(median(values))} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;

function goals(results: readonly Result[]): Goal[] {
  const off = results.find(({ name }) => name === OFF);
  if (!off) return [];
  return results
    .filter((result) => result !== off)
    .flatMap(({ name, runs }) => TIMES.map((time) => noDifference(time, name, runs, off.runs)));
}

function noDifference(
  [time, what]: (typeof TIMES)[number],
  name: string,
  on: readonly Figures[],
  off: readonly Figures[],
): Goal {
  const without = off.map((run) => run[time]);
  const limit = median(without) + Math.max(...without) - Math.min(...without);
  return atMost(
    `${what}, ${name}`,
    median(on.map((run) => run[time])),
    limit,
    'ms',
    `${OFF}: the median and its runs' spread`,
  );
}
