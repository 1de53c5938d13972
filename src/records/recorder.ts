/**
 * Reads the journal and writes it down, for as long as it runs: the one consumer of this node.
 *
 * Nobody waits for it. Where the database is away it tries again, and the journal gathers meanwhile; entries are
 * acknowledged after they are committed, and written again where that is not certain, which changes nothing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Away } from '../away.js';
import type { Journal, JournalEntry } from '../presence/journal.js';
import { Connection } from './connection.js';
import type { OpenDatabase } from './database.js';
import { Every } from './every.js';
import { JournalWatch } from './journal-watch.js';
import { loggable } from './loggable.js';
import type { MigrateOptions } from './migrate.js';
import { endStaysOf, loseStaysOfTheDead, SIGN_OF_LIFE, signOfLife } from './nodes.js';
import { writeLastLists, writeLists } from './online-lists.js';
import { Resumptions } from './resumptions.js';
import { forgetWritten, removeOlder } from './retention.js';
import { type Ailment, Trouble } from './trouble.js';
import { type Held, Writer } from './writer.js';

/** The group of the journal's readers that records are written by. */
export const GROUP = 'records';

/** Entries that are read in one go. */
const COUNT = 500;
/** Milliseconds to wait for an entry. What is to be done now and then waits as long. */
const WAIT = 500;
/** Milliseconds in which entries gather, after a read that found fewer than it could have. */
const GATHER = 250;
/** Milliseconds after which an entry that was read and not acknowledged is another's to write. */
const IDLE = 30_000;
/** Milliseconds between two looks at what others have left. */
const LOOK = 10_000;
/** Milliseconds between two looks for what is too old. */
const TIDY = 60_000;
/** Milliseconds after which a database that does not answer is in trouble, and after which it is given up. */
const SLOW = 10_000;
const PATIENCE = 60_000;

/** Milliseconds that closing may take. */
const LONGEST_CLOSE = 3_000;
/** Milliseconds for which it goes on to write what other nodes could, too. */
const LAST_WORDS = 1_000;

export interface RecorderOptions {
  /** As `DATABASE_URL` has it. */
  url: string;
  journal: Journal;
  /** Whether other nodes read the same journal, and go on with it. Default: false. */
  shared?: boolean | undefined;
  /** The name of this run of this process. */
  node: string;
  /** The presence store's epochs, as they are now; none while the store is away. */
  epochs: () => readonly string[];
  /** Whom this node holds as it begins to read: nobody has told of their coming. Default: nobody. */
  held?: () => readonly Held[];
  log: Logger;
  /** Milliseconds that log rows and stays are kept. Default: for ever. */
  keep?: number | undefined;
  /** Default: false. */
  hashClientIds?: boolean | undefined;
  migrate?: MigrateOptions | undefined;
  /** Milliseconds after which a database that does not answer is given up, and connected to anew. Default: 60,000. */
  patience?: number | undefined;
}

export class Recorder {
  private readonly connection: Connection;
  private readonly watch: JournalWatch;
  private readonly problem: Trouble;
  private readonly resumptions: Resumptions;
  private readonly signs = new Every(SIGN_OF_LIFE);
  private readonly looks = new Every(LOOK);
  private readonly tidying = new Every(TIDY);
  private running: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  private isReading = false;
  /** Whether it closed without waiting for what was under way. */
  private isCut = false;
  private stepBegan: number | undefined;
  /** Read, and not known to be acknowledged. */
  private batch: readonly JournalEntry[] = [];
  private count = 0;

  /** Throws where the URL is none of ours. */
  constructor(private readonly options: RecorderOptions) {
    const { journal, node, log } = options;
    this.connection = new Connection(options);
    this.watch = new JournalWatch(journal, GROUP, log);
    this.problem = new Trouble(log);
    this.resumptions = new Resumptions(node);
  }

  /** Of the database, for people and logs, without a password. */
  get description(): string {
    return this.connection.description;
  }

  /** Undefined until it could be reached for the first time; it may be away again since. */
  get database(): OpenDatabase | undefined {
    return this.connection.database;
  }

  /** Why nothing can be written, and since when; undefined while all is well. */
  get trouble(): Ailment | undefined {
    const since = this.stepBegan ?? Date.now();
    if (this.problem.now || Date.now() - since < SLOW) return this.problem.now;
    return { error: new Error(`${this.description} does not answer`), since };
  }

  /** As of the last look, a few seconds ago. */
  get journal(): Readonly<Pick<JournalWatch, 'lag' | 'dropped' | 'isFull'>> {
    return this.watch;
  }

  /** Entries that this node has written since it began. */
  get written(): number {
    return this.count;
  }

  /** Entries that are yet to be written. Rejects where the journal is away. */
  lag(): Promise<number> {
    return this.options.journal.lag(GROUP);
  }

  /** Does not wait for the database. */
  start(): void {
    this.running ??= this.run();
    this.watch.start();
  }

  /**
   * Redis had lost its data at `lostAt` (ms since 1970), and this is whom this node held of it, in the epochs that go on. It
   * is written as soon as it can be.
   */
  resume(held: readonly Held[], lostAt: number): void {
    this.resumptions.add({ held, epochs: this.options.epochs(), lostAt });
  }

  /**
   * Writes what is in the journal by now, where the database is there to take it, and closes that. A database that hangs
   * is waited for no longer than `within` ms. Default: 3,000.
   */
  close(within = LONGEST_CLOSE): Promise<void> {
    this.closing ??= this.closeOnce(within);
    return this.closing;
  }

  private async closeOnce(within: number): Promise<void> {
    this.watch.stop();
    this.stopping.abort();
    const over = new AbortController();
    const late = wait(within, 'late', { signal: over.signal }).catch(() => {});
    if ((await Promise.race([this.finishAndClose(), late])) === 'late') {
      this.options.log.error(`Records: ${this.description} does not answer, and is not waited for`);
      this.isCut = true;
      this.connection.cut();
    }
    over.abort();
    await this.sayWhatIsLeft();
  }

  private async finishAndClose(): Promise<void> {
    await this.running;
    try {
      if (this.isWorthwhile) await this.finish();
    } catch (error) {
      if (!this.isCut && !this.problem.now)
        this.options.log.error(
          { err: loggable(error) },
          'Records: what was left in the journal could not be written',
        );
    }
    await this.connection.close();
  }

  /** Where the database is away, others can write later what they read, too; what nobody else reads is tried once more. */
  private get isWorthwhile(): boolean {
    return this.isReading && !this.isCut && !(this.options.shared && this.problem.now);
  }

  private async sayWhatIsLeft(): Promise<void> {
    const { shared, log } = this.options;
    const left = shared || !this.isReading ? 0 : await this.lag();
    if (left > 0) log.error({ entries: left }, 'Records: entries were not written, and are lost');
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const count = await this.inTime(this.step());
        this.problem.well();
        // What comes in meanwhile is one transaction, not one each.
        if (count > 0 && count < COUNT) await wait(GATHER, undefined, { signal, ref: false }).catch(() => {});
      } catch (error) {
        if (this.isCut) return;
        await wait(this.fail(error as Error), undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  /** Returns for how many milliseconds to wait. */
  private fail(error: Error): number {
    // The journal is away, which is the store's to say.
    return error instanceof Away ? this.problem.wait() : this.problem.fail(error);
  }

  private async inTime<T>(step: Promise<T>): Promise<T> {
    const { patience = PATIENCE } = this.options;
    this.stepBegan = Date.now();
    // More than once: it may have been opened only just now, after it was brought up to date.
    const over = setInterval(() => this.connection.giveUp(), patience).unref();
    try {
      return await step;
    } finally {
      clearInterval(over);
      this.stepBegan = undefined;
    }
  }

  /** Something that may be done again from its beginning, wherever it failed. Returns how many entries it has read. */
  private async step(): Promise<number> {
    await this.beginToRead();
    const database = await this.connection.opened();
    await this.chores(database);
    return this.readAndWrite(database, WAIT);
  }

  /** Before the database is there: nothing is put into a journal that nobody has begun to read. */
  private async beginToRead(): Promise<void> {
    if (this.isReading) return;
    const { journal, held, epochs } = this.options;
    await journal.open(GROUP);
    // What is dropped from now on is this node's to say.
    await this.watch.look();
    if (epochs().length === 0) throw new Away('the journal');
    this.resumptions.add({ held: held?.() ?? [], epochs: epochs() });
    this.isReading = true;
  }

  /** Returns how many entries there were. */
  private async readAndWrite(database: OpenDatabase, waitMs: number): Promise<number> {
    const { journal, node } = this.options;
    const { signal } = this.stopping;
    if (this.batch.length === 0) this.batch = await journal.read(GROUP, node, COUNT, waitMs, signal);
    const { length } = this.batch;
    await this.writeBatch(database);
    await writeLists(database, Date.now());
    return length;
  }

  private async writeBatch(database: OpenDatabase): Promise<void> {
    const { batch } = this;
    if (batch.length === 0) return;
    this.count += await this.writer(database).write(batch);
    await this.options.journal.acknowledge(GROUP, batch);
    if (this.batch === batch) this.batch = [];
  }

  private writer(database: OpenDatabase): Writer {
    const { node, hashClientIds = false } = this.options;
    return new Writer(database, { node, hashClientIds });
  }

  /** With other nodes it is not the only one who could write what comes in meanwhile. */
  private async finish(): Promise<void> {
    const { node, shared } = this.options;
    const database = await this.connection.opened();
    const enough = shared ? performance.now() + LAST_WORDS : Number.POSITIVE_INFINITY;
    while ((await this.readAndWrite(database, 0)) > 0 && performance.now() < enough);
    await signOfLife(database, node, Date.now());
    if (!shared) await endStaysOf(database, node, Date.now());
    await writeLastLists(database);
  }

  /** What is to be done now and then, and may be done by all nodes. */
  private async chores(database: OpenDatabase): Promise<void> {
    const { node, epochs } = this.options;
    await this.signs.when(() => signOfLife(database, node, Date.now()));
    await this.resumptions.write(database, this.writer(database), epochs());
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
}
