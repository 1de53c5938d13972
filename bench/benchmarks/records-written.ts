/** How fast the journal is written to each database. */
import { medians } from '../measure.js';
import type { Options } from '../options.js';
import { Child } from '../processes/child.js';
import { DATABASES, type DatabaseName, Databases } from '../processes/databases.js';
import { inTurn } from '../processes/rounds.js';
import { atLeast, figure, type Goal, type Part } from '../report.js';
import type { Written } from '../servers/recorder.js';
import { PAGES, ROOMS, USERS } from '../servers/transitions.js';

/** Entries a second that are to be reached, and where. */
const RATE = 5_000;
const QUICK_ENOUGH: readonly DatabaseName[] = ['SQLite', 'PostgreSQL'];

const text = (count: number) => count.toLocaleString('en');

const about = (
  count: number,
  warmUp: number,
) => `The recorder of a server by itself, and a journal that is full: of ${text(count)} entries, after ${text(warmUp)} to warm up, in an empty database.
${text(USERS)} users open pages in ${ROOMS} rooms, hide and show them and close them, up to some ${text(PAGES)} at a time; a page enters
its room and its time channel. A transition is an in, an out, a hidden or a shown: one entry. The time is from the first entry until
the last is committed and acknowledged, with what goes along (online times, lists, who was seen). What the recorder reads at
once it writes in one transaction: that is the batch, as it was seen. CPU is that of the recorder's process, user and system, with
SQLite's thread; what MariaDB or PostgreSQL spend in their own is not counted. MariaDB and PostgreSQL run with their defaults, where each commit
waits for the disk; SQLite as the recorder opens it (WAL, \`synchronous = NORMAL\`), where it does not.`;

export interface Figures {
  /** Entries a second. */
  rate: number;
  /** Microseconds of the recorder's CPU per entry. */
  cpu: number;
  batch: number;
}

export interface Outcome extends Part {
  goals: Goal[];
  runs: unknown;
}

export async function recordsWritten(options: Options): Promise<Outcome> {
  const [count, warmUp] = options.quick ? [4_000, 500] : [20_000, 2_000];
  const databases = new Databases();
  try {
    const peers = DATABASES.map((name) => ({ name }));
    const figures = await inTurn({ name: 'records', options, peers }, async ({ name }) =>
      measure(await databases.url(name), count, warmUp),
    );
    const results = [...figures].map(([{ name }, runs]) => ({
      name,
      result: medians(runs.map((run) => ({ ...run }))),
    }));
    return {
      about: about(count, warmUp),
      table: {
        head: ['database', 'entries/s', 'µs CPU an entry', 'batch'],
        rows: results.map(({ name, result: { rate, cpu, batch } }) => [
          name,
          figure(rate),
          figure(cpu),
          batch,
        ]),
      },
      goals: results
        .filter(({ name }) => QUICK_ENOUGH.includes(name))
        .map(({ name, result }) => atLeast(`Transitions written, ${name}`, result.rate, RATE, 'a second')),
      runs: [...figures].map(([{ name }, runs]) => ({ name, runs })),
    };
  } finally {
    await databases.dispose();
  }
}

async function measure(url: string, count: number, warmUp: number): Promise<Figures> {
  const recorder = new Child('servers/recorder');
  try {
    await recorder.ask('start', { url, warmUp });
    const { seconds, cpu, batch } = await recorder.ask<Written>('write', count);
    return { rate: count / seconds, cpu: cpu / count, batch };
  } finally {
    await recorder.stop();
  }
}
