/** `npm run fuzz -- --seed S --count N [--profile open|faye-memory|default]` */
import { parseArgs } from 'node:util';
import { fuzz, type Summary, sentLine } from './fuzz.js';
import { profileOf } from './wire.js';

const HOUR = 3_600;
/** Texts that are shown of those that were sent last. */
const SHOWN = 20;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    count: { type: 'string', default: '20000' },
    profile: { type: 'string', default: 'open' },
  },
});

function wholeNumber(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new TypeError(`Expected --${name} to be a whole number, got ${text}`);
  return Number(text);
}

function summaryLine(summary: Summary): string {
  const { seconds, seed, profile, violations } = summary;
  return `${sentLine(summary)} in ${seconds} s, seed ${seed}, profile ${profile}: ${violations.length} violations`;
}

function explain({ violations, shrunk, last }: Summary): void {
  const kinds = new Map(violations.toReversed().map((violation) => [violation.what, violation]));
  for (const { what, detail } of kinds.values()) console.error(`\n${what}\n  ${detail}`);
  if (shrunk !== undefined) console.error(`\nThe smallest round that was found:\n${shrunk.slice(0, 6_000)}`);
  console.error(`\nSent last:\n${last.slice(-SHOWN).join('\n')}`);
}

const count = wholeNumber('count', values.count);
const summary = await fuzz({
  seed: wholeNumber('seed', values.seed),
  count,
  profile: profileOf(values.profile),
  warmUp: Math.min(50_000, count / 4),
  lookEvery: 200_000,
  seconds: HOUR,
  log: (line) => console.log(line),
});
console.log(JSON.stringify(summary.seen));
console.log(`Counted by the server: ${JSON.stringify(summary.measures.at(-1)?.counters)}`);
if (summary.violations.length > 0) explain(summary);
console.log(summaryLine(summary));
process.exit(summary.violations.length > 0 ? 1 : 0);
