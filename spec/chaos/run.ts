/** `npm run chaos -- --seed S --rounds N [--first R] [--faults kill,redis-cut] [--engine faye-redis] [--cluster] [--go-on] [--trace]` */
import { parseArgs } from 'node:util';
import { chaos, type Summary } from './chaos.js';
import { FAULTS, type FaultKind } from './history.js';
import { explain } from './report.js';
import { seconds } from './round.js';

/** Milliseconds of steps in a round. */
const LASTS = 12_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    rounds: { type: 'string', default: '10' },
    first: { type: 'string', default: '0' },
    faults: { type: 'string', default: FAULTS.join(',') },
    engine: { type: 'string', default: 'faye-online' },
    cluster: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    'go-on': { type: 'boolean', default: false },
  },
});

function wholeNumber(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new TypeError(`Expected --${name} to be a whole number, got ${text}`);
  return Number(text);
}

/** `none` for none. */
function faultsOf(text: string): FaultKind[] {
  const names = text === 'none' ? [] : text.split(',');
  return names.map((name) => {
    const fault = FAULTS.find((each) => each === name);
    if (!fault) throw new TypeError(`Expected --faults to be none or some of ${FAULTS}, got ${name}`);
    return fault;
  });
}

function engineOf(name: string): 'faye-online' | 'faye-redis' {
  if (name === 'faye-online' || name === 'faye-redis') return name;
  throw new TypeError(`Expected --engine to be faye-online or faye-redis, got ${name}`);
}

/** The middle and the longest time to the right lists, of rounds in which the fault occurred. */
function costs({ outcomes }: Summary): string[] {
  const kinds = [...new Set(outcomes.flatMap(({ faults }) => faults))].sort();
  return kinds.map((kind) => {
    const times = outcomes.filter(({ faults }) => faults.includes(kind)).map(({ rightAfter }) => rightAfter);
    times.sort((one, other) => one - other);
    const middle = times[Math.floor(times.length / 2)] ?? 0;
    return `${kind}: ${times.length} rounds, right after ${seconds(middle).trim()}, at most ${seconds(times.at(-1) ?? 0).trim()}`;
  });
}

const seed = wholeNumber('seed', values.seed);
console.log(`seed ${seed}`);
const summary = await chaos({
  seed,
  first: wholeNumber('first', values.first),
  rounds: wholeNumber('rounds', values.rounds),
  faults: faultsOf(values.faults),
  lasts: LASTS,
  engine: engineOf(values.engine),
  isRedisCluster: values.cluster,
  goesOn: values['go-on'],
  traced: values.trace,
  log: (line) => console.log(line),
});
const { failures, outcomes } = summary;
for (const failure of failures) console.error(explain(failure));
for (const line of costs(summary)) console.log(line);
for (const { round, violations } of failures) console.log(`round ${round}: ${violations.length} violations`);
console.log(`seed ${seed}: ${outcomes.length} rounds without a violation, ${failures.length} with`);
process.exit(failures.length > 0 ? 1 : 0);
