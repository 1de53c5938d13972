/**
 * Reads the journal and writes it down, for as long as it runs: the one consumer of this node.
 *
 * Nobody waits for it. Where the database is away it tries again, and the journal gathers meanwhile; entries are
 * acknowledged after they are committed, and written again where that is not certain, which changes nothing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import { UnavailableError } from '../errors.js';
import type { Journal } from '../presence/journal.js';
import { BATCH, Batches, GROUP } from './batches.js';
import { Chores } from './chores.js';
import { Connection } from './connection.js';
import type { OpenDatabase } from './database.js';
import { JournalWatch } from './journal-watch.js';
import { loggable } from './loggable.js';
import type { MigrateOptions } from './migrate.js';
import { endStaysOf, signOfLife } from './nodes.js';
import { writeLastLists, writeLists } from './online-lists.js';
import { Resumptions } from './resumptions.js';
import { SetAside } from './set-aside.js';
import { TimeChannels } from './time-channels.js';
import { type Ailment, Trouble } from './trouble.js';
import { type Held, Writer } from './writer.js';

/** Milliseconds to wait for an entry. What is to be done now and then waits as long. */
const WAIT = 500;
/** Milliseconds in which entries gather, after a read that found fewer than it could have. */
const GATHER = 250;
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
  private readonly setAside: SetAside;
  private readonly timeChannels = new TimeChannels();
  private readonly batches: Batches;
  private readonly chores: Chores;
  private running: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  private isReading = false;
  /** Whether it closed without waiting for what was under way. */
  private isCut = false;
  private stepBegan: number | undefined;

  /** Throws where the URL is none of ours. */
  constructor(private readonly options: RecorderOptions) {
    const { journal, node, log } = options;
    this.connection = new Connection(options);
    this.watch = new JournalWatch(journal, GROUP, log);
    this.problem = new Trouble(log);
    this.resumptions = new Resumptions(node);
    this.setAside = new SetAside(log);
    const writerOf = (database: OpenDatabase) => this.writerOf(database);
    this.batches = new Batches({ journal, node, writerOf, signal: this.stopping.signal });
    this.chores = new Chores({ ...options, batches: this.batches });
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
    return this.batches.written;
  }

  /** Entries that this node could not store since it began, and has left out. */
  get leftOut(): number {
    return this.setAside.count;
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

  /** A client has named a channel as its `time_channel`. It is written as soon as it can be. */
  addTimeChannel(name: string): void {
    this.timeChannels.add(name);
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
        if (count > 0 && count < BATCH) await wait(GATHER, undefined, { signal, ref: false }).catch(() => {});
      } catch (error) {
        if (this.isCut) return;
        await wait(this.fail(error as Error), undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  /** Returns for how many milliseconds to wait. */
  private fail(error: Error): number {
    // The journal is away, which is the store's to say.
    return error instanceof UnavailableError ? this.problem.wait() : this.problem.fail(error);
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
    await this.resumptions.write(database, this.writerOf(database), this.options.epochs());
    await this.chores.do(database);
    await this.timeChannels.write(database);
    const count = await this.batches.writeNext(database, WAIT);
    await writeLists(database, Date.now());
    return count;
  }

  /** Before the database is there: nothing is put into a journal that nobody has begun to read. */
  private async beginToRead(): Promise<void> {
    if (this.isReading) return;
    const { journal, held, epochs } = this.options;
    await journal.open(GROUP);
    // What is dropped from now on is this node's to say.
    await this.watch.look();
    if (epochs().length === 0) throw new UnavailableError('the journal');
    this.resumptions.add({ held: held?.() ?? [], epochs: epochs() });
    this.isReading = true;
  }

  private writerOf(database: OpenDatabase): Pick<Writer, 'write' | 'resume'> {
    const { node, hashClientIds = false } = this.options;
    return this.setAside.around(new Writer(database, { node, hashClientIds }));
  }

  /** With other nodes it is not the only one who could write what comes in meanwhile. */
  private async finish(): Promise<void> {
    const { node, shared } = this.options;
    const database = await this.connection.opened();
    const enough = shared ? performance.now() + LAST_WORDS : Number.POSITIVE_INFINITY;
    while ((await this.batches.writeNext(database, 0)) > 0 && performance.now() < enough);
    await this.timeChannels.write(database);
    await signOfLife(database, node, Date.now());
    if (!shared) await endStaysOf(database, node, Date.now());
    await writeLastLists(database);
  }
}
