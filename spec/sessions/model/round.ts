/** One random history, which follows from its seed, and what is wrong at its end. */
import { Client, type ClientContext } from './client.js';
import { Cluster } from './cluster.js';
import { Faults } from './faults.js';
import { FOREIGN, HOME, Layout } from './layout.js';
import { Network } from './network.js';
import { Notices } from './notices.js';
import type { ModelOptions } from './options.js';
import { judge } from './oracle.js';
import { RoundRandom } from './random.js';
import { RedisPartition } from './redis-partition.js';
import { Rules } from './rules.js';
import { Snapshots } from './snapshots.js';
import { FAULTS_UNTIL, ROUND_END } from './timings.js';
import { Trace } from './trace.js';
import { VirtualTime } from './virtual-time.js';

export interface Round {
  seed: number;
  violations: string[];
  /** What happened, line by line. */
  trace: readonly string[];
}

const CLIENTS = 4;
const ACTIONS = 14;
const FIRST_ACTION_AT = 3_000;
/** With no other fault than kills, a client that was connected this long ago is not told to handshake again. */
const KNOWN_FOR = 2_500;

export async function playRound(seed: number, options: ModelOptions): Promise<Round> {
  const world = build(seed, options);
  await world.time.runUntil(ROUND_END);
  const { time, faults, toldUnknown, trace, ...end } = world;
  const violations = [...toldUnknown, ...judge({ ...end, now: time.now, hasLostData: faults.hasLostData })];
  return { seed, violations, trace: trace.lines };
}

/** The order counts: each part draws its random numbers from the same sequence. */
function build(seed: number, options: ModelOptions) {
  const basis = startBasis(seed, options);
  const { time, random, trace, layout } = basis;
  const partitions = startPartitions(basis, options);
  const network = new Network(time, random, options);
  const cluster = new Cluster({ ...basis, partitions, network, noticeChance: options.noticeChance });
  const toldUnknown: string[] = [];
  const onUnknown = (id: string, since: number) => {
    if (faults.areOnlyKills && since < KNOWN_FOR)
      toldUnknown.push(`${id} was told it is unknown ${since.toFixed(0)} ms after it was connected`);
  };
  const clients = startClients({ ...basis, cluster, onUnknown });
  const snapshots = new Snapshots(time, partitions);
  const faults = new Faults({ ...basis, cluster, partitions, snapshots, options });
  return { time, trace, layout, partitions, cluster, clients, faults, toldUnknown };
}

function startBasis(seed: number, { off, isSingle }: ModelOptions) {
  const random = new RoundRandom(seed);
  const time = new VirtualTime();
  const notices = new Notices(time, random);
  return {
    random,
    time,
    notices,
    trace: new Trace(time),
    rules: new Rules(off),
    layout: new Layout(isSingle),
  };
}

function startPartitions(
  basis: ReturnType<typeof startBasis>,
  { tombstone }: ModelOptions,
): [RedisPartition, RedisPartition] {
  let epochs = 1;
  const nextEpoch = () => {
    epochs += 1;
    return `e${epochs}`;
  };
  const context = { ...basis, tombstone, nextEpoch };
  return [new RedisPartition(HOME, context), new RedisPartition(FOREIGN, context)];
}

function startClients(context: ClientContext): Client[] {
  const { time, random } = context;
  const clients = Array.from({ length: CLIENTS }, (_, number) => new Client(number, context));
  for (let action = 0; action < ACTIONS; action += 1)
    time.at(random.within(FIRST_ACTION_AT, FAULTS_UNTIL), () => random.pick(clients).act());
  return clients;
}
