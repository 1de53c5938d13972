/**
 * Reads the journal and writes it down, for as long as it runs: the one consumer of this node.
 *
 * Nobody waits for it. Where the database is away it tries again, and the journal gathers meanwhile; entries are
 * acknowledged after they are committed, and written again where that is not certain, which changes nothing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Journal, JournalEntry } from '../presence/journal.js';
import { connect, type OpenDatabase } from './database.js';
import { placeOf } from './database-url.js';
import { Every } from './every.js';
import { type MigrateOptions, migrate } from './migrate.js';
import { loseStaysOfTheDead, SIGN_OF_LIFE, signOfLife } from './nodes.js';
import { writeLists } from './online-lists.js';
import { forgetWritten, removeOlder } from './retention.js';
import { type Held, Writer } from './writer.js';

/** The group of the journal's readers that records are written by. */
export const GROUP = 'records';

/** Entries that are read in one go. */
const COUNT = 500;
/** Milliseconds to wait for an entry. What is to be done now and then waits as long. */
const WAIT = 500;
/** Milliseconds after which an entry that was read and not acknowledged is another's to write. */
const IDLE = 30_000;
/** Milliseconds between two looks at what others have left. */
const LOOK = 10_000;
/** Milliseconds between two looks for what is too old. */
const TIDY = 60_000;
/** Milliseconds before the first and before each later attempt, where each took as long as all before. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/** Milliseconds that closing may take. */
const LONGEST_CLOSE = 3_000;

export interface RecorderOptions {
  /** As `DATABASE_URL` has it. */
  url: string;
  journal: Journal;
  /** The name of this run of this process. */
  node: string;
  /** The presence store's epochs, as they are now; none while the store is away. */
  epochs: () => readonly string[];
  log: Logger;
  /** Milliseconds that log rows and stays are kept. Default: for ever. */
  keep?: number | undefined;
  /** Default: false. */
  hashClientIds?: boolean | undefined;
  migrate?: MigrateOptions | undefined;
}

export class Recorder {
  private readonly writer: (database: OpenDatabase) => Writer;
  private readonly signs = new Every(SIGN_OF_LIFE);
  private readonly looks = new Every(LOOK);
  private readonly tidying = new Every(TIDY);
  private open: OpenDatabase | undefined;
  private running: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  /** Read, and not known to be acknowledged. */
  private batch: readonly JournalEntry[] = [];
  private pause = 0;
  private error: Error | undefined;

  /** Throws where the URL is none of ours. */
  constructor(private readonly options: RecorderOptions) {
    const { url, node, hashClientIds = false } = options;
    placeOf(url);
    this.writer = (database) => new Writer(database, { node, hashClientIds });
  }

  /** Undefined until it could be reached for the first time; it may be away again since. */
  get database(): OpenDatabase | undefined {
    return this.open;
  }

  /** Why nothing could be written the last time; undefined while all is well. */
  get trouble(): Error | undefined {
    return this.error;
  }

  /** Entries that are yet to be written. Rejects where the journal is away. */
  lag(): Promise<number> {
    return this.options.journal.lag(GROUP);
  }

  /** Does not wait for the database. */
  start(): void {
    this.running ??= this.run();
  }

  /** Whom this node holds, since the last epoch was over: see `Writer.resume`. Rejects where it could not be written. */
  async resume(held: readonly Held[], lostAt: number): Promise<void> {
    const epochs = this.options.epochs();
    await this.writer(await this.opened()).resume({ held, epochs, lostAt });
  }

  /**
   * Writes what is in the journal by now, where the database is there to take it, and closes that. A database that hangs
   * is waited for no longer than `LONGEST_CLOSE` ms.
   */
  async close(): Promise<void> {
    this.stopping.abort();
    const closed = this.finishAndClose();
    const over = new AbortController();
    const late = wait(LONGEST_CLOSE, 'late', { signal: over.signal }).catch(() => {});
    if ((await Promise.race([closed, late])) === 'late') {
      this.options.log.error(
        'Records: the database does not answer; what it has yet to get stays in the journal',
      );
    }
    over.abort();
  }

  private async finishAndClose(): Promise<void> {
    await this.running;
    try {
      if (!this.error) await this.finish();
    } catch (error) {
      this.options.log.error({ error }, 'Records: what was left in the journal could not be written');
    }
    await this.open?.close();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await this.step(WAIT);
        this.well();
      } catch (error) {
        this.fail(error as Error);
        await wait(this.pause, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Something that may be done again from its beginning, wherever it failed. */
  private async step(waitMs: number): Promise<void> {
    const { journal, node } = this.options;
    const database = await this.opened();
    await this.chores(database);
    if (this.batch.length === 0) this.batch = await journal.read(GROUP, node, COUNT, waitMs);
    await this.writeBatch(database);
    await writeLists(database, Date.now());
  }

  private async writeBatch(database: OpenDatabase): Promise<void> {
    if (this.batch.length === 0) return;
    await this.writer(database).write(this.batch);
    await this.options.journal.acknowledge(GROUP, this.batch);
    this.batch = [];
  }

  private async finish(): Promise<void> {
    do await this.step(0);
    while ((await this.lag()) > 0);
    const database = await this.opened();
    await signOfLife(database, this.options.node, Date.now());
  }

  /** What is to be done now and then, and may be done by all nodes. */
  private async chores(database: OpenDatabase): Promise<void> {
    const { node, epochs } = this.options;
    await this.signs.when(() => signOfLife(database, node, Date.now()));
    await this.looks.when(async () => {
      await this.takeOver(database);
      await loseStaysOfTheDead(database, epochs(), Date.now());
    });
    await this.tidying.when(() => this.tidy(database));
  }

  /** What others have read, and not acknowledged: they may have died. */
  private async takeOver(database: OpenDatabase): Promise<void> {
    const { journal, node } = this.options;
    for (;;) {
      await this.writeBatch(database);
      this.batch = await journal.takeOver(GROUP, node, IDLE);
      if (this.batch.length === 0) return;
    }
  }

  /** A step of each, after the take-over: nothing is left that could come again. */
  private async tidy(database: OpenDatabase): Promise<void> {
    const { keep } = this.options;
    const removed = keep === undefined ? 0 : await removeOlder(database, Date.now() - keep);
    const forgotten = await forgetWritten(database, Date.now());
    if (removed + forgotten > 0) this.tidying.again();
  }

  private async opened(): Promise<OpenDatabase> {
    if (this.open) return this.open;
    const { url, journal, log } = this.options;
    const database = await connect(url);
    try {
      const { takenOver } = await migrate(database, this.options.migrate);
      if (takenOver) log.info({ takenOver }, 'Records: a database of the Ruby gem was taken over');
      await journal.open(GROUP);
    } catch (error) {
      await database.close();
      throw error;
    }
    this.open = database;
    return database;
  }

  private well(): void {
    if (this.error) this.options.log.info('Records: they are written again');
    this.error = undefined;
    this.pause = 0;
  }

  /** Said once, until all is well again. */
  private fail(error: Error): void {
    if (!this.error) this.options.log.error({ error }, 'Records: nothing can be written; trying again');
    this.error = error;
    this.pause = Math.min(this.pause === 0 ? FIRST_PAUSE : this.pause * 2, LONGEST_PAUSE);
  }
}
