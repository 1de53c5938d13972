/**
 * Who came and who went, for those who write it down: the port, with its two drivers `memory-journal.ts` and
 * `redis-journal.ts`. The store appends an entry in the same atomic step that makes or ends a membership, one for every
 * client's in and out, none for a repeat or for a stay that goes on in a new epoch.
 *
 * Readers are groups, such as the one that writes to SQL. Each group gets every entry; of a group's consumers (a node each) one
 * gets it, and it stays that consumer's until it is acknowledged. So an entry is done at least once: what it leads to
 * must be the same when done again, by (epoch, partition, id).
 *
 * Nothing is written where there is no group. What every group has acknowledged is removed. Beyond the bound the oldest
 * entries are dropped, read or not, and counted. What no group had read when Redis lost its data is lost, and so is what
 * happened between that and the next look of a consumer.
 *
 * All reject with an error where the journal is away.
 */
import type { User } from './identity.js';

export interface JournalEntry {
  /** With epoch and partition it is the entry's own, for ever. Later entries of a partition have greater ones. */
  id: string;
  epoch: string;
  partition: number;
  type: 'in' | 'out';
  channel: string;
  /** As text: `1` and `"1"` are one user. */
  uid: string;
  clientId: string;
  /** Whether it was the user's first client to come, or its last to go: a join or a leave. */
  transition: boolean;
  /** Milliseconds since 1970, by the store's clock. */
  at: number;
  /** Who came. Undefined for one who went. */
  user?: User;
}

export interface Journal {
  /** Begins a group, which gets what comes from now on. Does nothing for one that has begun, on whichever node. */
  open(group: string): Promise<void>;
  /**
   * At most `count` entries of each partition that no consumer of the group has got yet, in order within a partition.
   * Where there are none it waits for `waitMs` milliseconds at most, and no longer than until the signal.
   */
  read(
    group: string,
    consumer: string,
    count: number,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<JournalEntry[]>;
  /** The entries are done with, for this group. */
  acknowledge(group: string, entries: readonly JournalEntry[]): Promise<void>;
  /** Entries that another consumer, which may have died, has got `idleMs` milliseconds ago and not acknowledged. Some. */
  takeOver(group: string, consumer: string, idleMs: number): Promise<JournalEntry[]>;
  /** Entries that the group has not acknowledged yet, got or not. */
  lag(group: string): Promise<number>;
  /** Entries that were dropped before every group had acknowledged them, since the first group began. */
  dropped(): Promise<number>;
  /** Ends a group. With the last one the journal goes. */
  closeGroup(group: string): Promise<void>;
}

/** Entries that are kept for a group that does not read. */
export const JOURNAL_BOUND = 1_000_000;
/** Entries that are taken over in one go. */
export const TAKE_OVER_COUNT = 100;
