/** What is read of the journal, batch by batch: written, and acknowledged once it is committed. */
import type { Journal, JournalEntry } from '../presence/journal.js';
import type { OpenDatabase } from './database.js';
import type { Writer } from './writer.js';

/** The group of the journal's readers that records are written by. */
export const GROUP = 'records';

/** Entries that are read in one go, of each partition. */
export const BATCH = 500;
/** Milliseconds after which an entry that was read and not acknowledged is another's to write. */
const IDLE = 30_000;

export interface BatchesOptions {
  journal: Journal;
  node: string;
  writerOf(database: OpenDatabase): Pick<Writer, 'write'>;
  /** Ends a read that waits. */
  signal: AbortSignal;
}

export class Batches {
  /** Read, and not known to be acknowledged. */
  private batch: readonly JournalEntry[] = [];
  private count = 0;

  constructor(private readonly options: BatchesOptions) {}

  /** Entries that were written since it began, each once. */
  get written(): number {
    return this.count;
  }

  /** Writes the next one, for which it waits as many milliseconds. Returns how many entries there were. */
  async writeNext(database: OpenDatabase, waitMs: number): Promise<number> {
    const { journal, node, signal } = this.options;
    if (this.batch.length === 0) this.batch = await journal.read(GROUP, node, BATCH, waitMs, signal);
    const { length } = this.batch;
    await this.write(database);
    return length;
  }

  /** Writes what others have read, and not acknowledged: they may have died. */
  async takeOver(database: OpenDatabase): Promise<void> {
    const { journal, node } = this.options;
    for (;;) {
      await this.write(database);
      this.batch = await journal.takeOver(GROUP, node, IDLE);
      if (this.batch.length === 0) return;
    }
  }

  /** Where it fails it is written again, which changes nothing where it was written. */
  private async write(database: OpenDatabase): Promise<void> {
    const { batch } = this;
    if (batch.length === 0) return;
    this.count += await this.options.writerOf(database).write(batch);
    await this.options.journal.acknowledge(GROUP, batch);
    this.batch = [];
  }
}
