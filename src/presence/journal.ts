/**
 * Who came and who went, for those who write it down: the port, with its two drivers `memory-journal.ts` and
 * `redis-journal.ts`. The store appends an entry in the same atomic step that makes or ends a membership, one for every
 * client's in and out, none for a repeat or for a stay that goes on in a new epoch. So it does for each change of a
 * client's visibility (`visibility.ts`).
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

interface Entry {
  /** With epoch and partition it is the entry's own, for ever. Later entries of a partition have greater ones. */
  id: string;
  epoch: string;
  partition: number;
  /** As text: `1` and `"1"` are one user. */
  uid: string;
  clientId: string;
  /** Milliseconds since 1970, by the store's clock. */
  at: number;
}

export interface MembershipEntry extends Entry {
  type: 'in' | 'out';
  channel: string;
  /** Whether it was the user's first client to come, or its last to go: a join or a leave. */
  transition: boolean;
  /** Who came. Undefined for one who went. */
  user?: User;
}

/**
 * A client's page is hidden, or shown, from then on, in whichever channels it is. No two of a client have the same `at`,
 * which is what puts them in order: with Redis Cluster they are in the client's partition, and its in and out elsewhere.
 */
export interface VisibilityEntry extends Entry {
  type: 'hidden' | 'shown';
}

export type JournalEntry = MembershipEntry | VisibilityEntry;

/** As a store writes it: the journal numbers it. */
export type NewEntry = Omit<MembershipEntry, 'id' | 'partition'> | Omit<VisibilityEntry, 'id' | 'partition'>;

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
