/** The recorder by itself, as it is built, and a journal that is full. */

import { until } from '../../spec/support/until.js';
import type { NewEntry } from '../../src/presence/journal.js';
import { answer } from '../processes/answer.js';
import { EPOCH, take, transitions } from './transitions.js';

type Batches = typeof import('../../src/records/batches.js');
type Recorders = typeof import('../../src/records/recorder.js');
type Journals = typeof import('../../src/presence/memory-journal.js');
type Logs = typeof import('../../src/log.js');

const built = (file: string) => import(new URL(`../../dist/src/${file}.js`, import.meta.url).href);
const { GROUP } = (await built('records/batches')) as Batches;
const { Recorder } = (await built('records/recorder')) as Recorders;
const { MemoryJournal } = (await built('presence/memory-journal')) as Journals;
const { createLog } = (await built('log')) as Logs;

export interface Written {
  /** Until all was committed and acknowledged. */
  seconds: number;
  /** Microseconds of this process, SQLite's thread included. */
  cpu: number;
  /** Most entries that were read, and so written in one transaction, at once. */
  batch: number;
}

/** Milliseconds in which all must be written. */
const PATIENCE = 120_000;
/** What is written happened before, as after an hour in which the database was away. */
const AGO = 3_600_000;

class WatchedJournal extends MemoryJournal {
  largest = 0;

  override async read(...how: Parameters<typeof MemoryJournal.prototype.read>) {
    const entries = await super.read(...how);
    this.largest = Math.max(this.largest, entries.length);
    return entries;
  }
}

const journal = new WatchedJournal();
const entries = transitions(Date.now() - AGO);
let appended = 0;
let memberships = 0;
let recorder: InstanceType<typeof Recorder>;

answer({
  /** The database has its tables, and some entries, after that. */
  async start({ url, warmUp }: { url: string; warmUp: number }) {
    const log = createLog('silent', true);
    recorder = new Recorder({ url, journal, node: 'bench', epochs: () => [EPOCH], log });
    await journal.open(GROUP);
    recorder.start();
    await write(take(entries, warmUp));
  },

  async write(count: number): Promise<Written> {
    const some = take(entries, count);
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await write(some);
    const seconds = (performance.now() - begin) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    await check();
    return { seconds, cpu: user + system, batch: journal.largest };
  },
});

async function write(some: readonly NewEntry[]): Promise<void> {
  for (const entry of some) journal.append(entry);
  appended += some.length;
  memberships += some.filter(({ type }) => type === 'in' || type === 'out').length;
  await until(isDone, `${some.length} entries to be written`, PATIENCE);
}

async function isDone(): Promise<boolean> {
  if (recorder.trouble) throw recorder.trouble.error;
  return (await recorder.lag()) === 0;
}

/** A figure of what was not written is none. */
async function check(): Promise<void> {
  const rows = await recorder.database?.tables
    .selectFrom('faye_user_login_logs')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .execute();
  const count = Number(rows?.[0]?.count);
  if (count !== memberships || recorder.written !== appended)
    throw new Error(
      `Expected ${memberships} rows of ${appended} entries, got ${count} of ${recorder.written}`,
    );
}
