/** `npm run crash -- --seed S --rounds N --database sqlite|mariadb|postgres [--first R] [--late 3000]` */
import { parseArgs } from 'node:util';
import { crash, type Failure } from './crash.js';
import { DATABASES, type DatabaseName } from './sql.js';

/** Milliseconds of steps in a round. */
const LASTS = 10_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    rounds: { type: 'string', default: '10' },
    first: { type: 'string', default: '0' },
    database: { type: 'string', default: 'sqlite' },
    late: { type: 'string', default: '3000' },
  },
});

function wholeNumber(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new TypeError(`Expected --${name} to be a whole number, got ${text}`);
  return Number(text);
}

function databaseOf(name: string): DatabaseName {
  const found = DATABASES.find((each) => each === name);
  if (!found) throw new TypeError(`Expected --database to be one of ${DATABASES.join(', ')}, got ${name}`);
  return found;
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(2).padStart(6)} s`;

function explain({ round, violations, history, told, journal, logs }: Failure): string {
  return [
    `Round ${round} was planned so:`,
    ...history.map(({ at, ...step }) => `${seconds(at)} ${JSON.stringify(step)}`),
    '\nand went so:',
    ...told.map(([at, what]) => `${seconds(at)} ${what}`),
    '\nThe journal has told:',
    ...journal.map(([at, what]) => `${seconds(at)} ${what}`),
    ...logs.flatMap((lines, node) => [`\nnode ${node} said last:`, ...lines]),
    '\nWhat was wrong:',
    ...violations,
  ].join('\n');
}

const seed = wholeNumber('seed', values.seed);
const database = databaseOf(values.database);
console.log(`seed ${seed}, ${database}`);
const { failure, rounds, entries, faults, deaths } = await crash({
  seed,
  database,
  first: wholeNumber('first', values.first),
  rounds: wholeNumber('rounds', values.rounds),
  lasts: LASTS,
  late: wholeNumber('late', values.late),
  log: (line) => console.log(line),
});
if (failure) console.error(explain(failure));
const listed = (counts: ReadonlyMap<string, number>) =>
  [...counts]
    .map(([name, count]) => `${count} ${name}`)
    .sort()
    .join(', ');
console.log(`seed ${seed}, ${database}: ${rounds} rounds, ${entries} entries; ${listed(faults)}`);
console.log(`nodes that killed themselves: ${listed(deaths)}`);
console.log(failure ? `round ${failure.round}: ${failure.violations.length} violations` : 'no violation');
process.exit(failure ? 1 : 0);
