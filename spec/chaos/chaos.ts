/** Rounds of seeded histories on one cluster, until one finds something wrong. */
import { Announcements } from './announcements.js';
import { Cluster } from './cluster.js';
import { type FaultKind, makeHistory, type Timed } from './history.js';
import { Oracle } from './oracle.js';
import { Random } from './random.js';
import { type Outcome, Round, seconds, type Told } from './round.js';
import type { NodeOptions } from './wire.js';

export interface ChaosOptions {
  seed: number;
  /** The first round to play; the rounds of a seed are the same whichever is the first. Default 0. */
  first?: number;
  rounds: number;
  faults: readonly FaultKind[];
  /** Milliseconds over which the steps of a round are spread. */
  lasts: number;
  engine?: NodeOptions['engine'];
  /** Whether Redis is a Cluster. Default false. */
  isRedisCluster?: boolean;
  /** Whether the nodes' logs tell each step. */
  traced?: boolean;
  /** Whether to play the other rounds after one that found something wrong. Default false. */
  goesOn?: boolean;
  log(line: string): void;
}

export interface Failure {
  round: number;
  violations: string[];
  history: readonly Timed[];
  told: readonly Told[];
  /** When it began, ms since 1970. */
  began: number;
  /** The last lines of each node. */
  logs: Record<string, string[]>;
}

export interface Summary {
  /** Of rounds that found nothing wrong. */
  outcomes: Outcome[];
  failures: Failure[];
}

/** Resolves after the first round that found something wrong, unless it is to go on. */
export async function chaos(options: ChaosOptions): Promise<Summary> {
  const { first = 0, rounds, goesOn = false } = options;
  const summary: Summary = { outcomes: [], failures: [] };
  for (let next = first; next < first + rounds; ) {
    next = await onOneCluster(options, next, summary);
    if (summary.failures.length > 0 && !goesOn) break;
  }
  return summary;
}

/** Plays until the end, or until something is wrong: then the cluster is not fit for another round. Returns the next round. */
async function onOneCluster(options: ChaosOptions, from: number, summary: Summary): Promise<number> {
  const { first = 0, rounds } = options;
  const cluster = await Cluster.start(options);
  const oracle = new Oracle(options);
  const announcements = new Announcements(cluster.servers, (announcement) => oracle.announces(announcement));
  try {
    await announcements.listen();
    for (let number = from; number < first + rounds; number += 1) {
      const failure = await playOne(options, number, cluster, oracle, summary);
      if (!failure) continue;
      summary.failures.push(failure);
      return number + 1;
    }
    return first + rounds;
  } finally {
    announcements.close();
    await cluster.dispose();
  }
}

async function playOne(
  options: ChaosOptions,
  number: number,
  cluster: Cluster,
  oracle: Oracle,
  summary: Summary,
): Promise<Failure | undefined> {
  const random = new Random(options.seed * 1_000_003 + number);
  const history = makeHistory(random, options);
  const round = new Round({ cluster, oracle, history, random });
  const outcome = await round.play();
  const { violations } = oracle;
  if (violations.length > 0)
    return {
      round: number,
      violations,
      history,
      told: round.events,
      began: round.began,
      logs: logsOf(cluster),
    };
  summary.outcomes.push(outcome);
  options.log(line(number, outcome));
  return undefined;
}

const line = (round: number, { faults, rightAfter, emptyAfter, folds }: Outcome): string =>
  `round ${round}: ${faults.join(', ') || 'no faults'}: right after ${seconds(rightAfter).trim()}, empty after ${seconds(emptyAfter).trim()}, ${folds} lists folded`;

const logsOf = ({ places }: Cluster): Record<string, string[]> =>
  Object.fromEntries(places.map(({ name, node, before }) => [name, [...before, ...(node?.log ?? [])]]));
