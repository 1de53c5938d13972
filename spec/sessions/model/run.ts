/**
 * `npm run model -- --rounds N --seed S [--faults kill,cut] [--off rule,rule] [--late p] [--latemax ms] [--stall p]
 * [--cutmax ms] [--tombstone ms] [--notices p] [--single] [--verbose]`
 */
import { parseArgs } from 'node:util';
import { runModel, type Summary } from './model.js';
import { DEFAULTS, FAULTS } from './options.js';
import { RULE_NAMES } from './rules.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    rounds: { type: 'string', default: '500' },
    faults: { type: 'string', default: FAULTS.join(',') },
    off: { type: 'string', default: 'none' },
    late: { type: 'string', default: String(DEFAULTS.lateChance) },
    latemax: { type: 'string', default: String(DEFAULTS.latest) },
    stall: { type: 'string', default: String(DEFAULTS.stallChance) },
    cutmax: { type: 'string', default: String(DEFAULTS.longestCut) },
    tombstone: { type: 'string', default: String(DEFAULTS.tombstone) },
    notices: { type: 'string', default: String(DEFAULTS.noticeChance) },
    single: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

function wholeNumber(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new TypeError(`Expected --${name} to be a whole number, got ${text}`);
  return Number(text);
}

function probability(name: string, text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 1)) throw new TypeError(`Expected --${name} to be a number from 0 to 1, got ${text}`);
  return value;
}

/** `none` for none. */
function listOf<T extends string>(name: string, text: string, allowed: readonly T[]): T[] {
  const names = text === 'none' ? [] : text.split(',');
  return names.map((each) => {
    const found = allowed.find((one) => one === each);
    if (!found) throw new TypeError(`Expected --${name} to be none or some of ${allowed}, got ${each}`);
    return found;
  });
}

function printFirst({ firstWrong }: Summary): void {
  if (!firstWrong) return;
  const { seed, trace, violations } = firstWrong;
  console.log([`Seed ${seed} went so:`, ...trace, '\nWhat was wrong:', ...violations, ''].join('\n'));
}

const seed = wholeNumber('seed', values.seed);
const summary = await runModel({
  seed,
  rounds: wholeNumber('rounds', values.rounds),
  stopsAtFirst: false,
  faults: listOf('faults', values.faults, FAULTS),
  off: listOf('off', values.off, RULE_NAMES),
  lateChance: probability('late', values.late),
  latest: wholeNumber('latemax', values.latemax),
  stallChance: probability('stall', values.stall),
  longestCut: wholeNumber('cutmax', values.cutmax),
  tombstone: wholeNumber('tombstone', values.tombstone),
  noticeChance: probability('notices', values.notices),
  isSingle: values.single,
});
if (values.verbose) printFirst(summary);
for (const [kind, rounds] of summary.kinds) console.log(`${rounds} rounds: ${kind}`);
const first = summary.firstWrong ? `, the first of them seed ${summary.firstWrong.seed}` : '';
console.log(`seed ${seed}: ${summary.rounds} rounds, ${summary.wrong} wrong${first}`);
process.exit(summary.wrong > 0 ? 1 : 0);
