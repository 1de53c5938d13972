/** What is to be run: `npm run bench [-- fanout|fanout-nodes … ] [--quick] [--runs N] [--only …] [--profile]`. */
import { parseArgs } from 'node:util';

/** In the order in which their figures are shown. */
export const BENCHMARKS = [
  'fanout',
  'storm',
  'latency',
  'idle',
  'fanout-nodes',
  'storm-nodes',
  'latency-nodes',
  'idle-nodes',
  'death',
  'records',
] as const;
export type BenchmarkName = (typeof BENCHMARKS)[number];

export interface Options {
  names: BenchmarkName[];
  /** One run of each, shorter: to see that all works, not to be quoted. */
  quick: boolean;
  /** How often each is run; the figures are medians. */
  runs: number;
  /** A CPU profile of each server in bench/results/profiles. It slows them down. */
  profile: boolean;
  /** Only servers whose name matches this regular expression. */
  only: string;
}

export function readOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      runs: { type: 'string' },
      only: { type: 'string', default: '' },
    },
  });
  const { quick, profile, only } = values;
  const runs = Number(values.runs ?? (quick ? 1 : 5));
  if (!Number.isInteger(runs) || runs < 1)
    throw new Error(`Option --runs: expected a whole number from 1, got ${values.runs}`);
  const names = positionals.map(nameOf);
  return { names: names.length > 0 ? names : [...BENCHMARKS], quick, profile, runs, only };
}

function nameOf(text: string): BenchmarkName {
  const name = BENCHMARKS.find((each) => each === text);
  if (!name) throw new Error(`Expected some of ${BENCHMARKS.join(', ')}, got ${text}`);
  return name;
}
