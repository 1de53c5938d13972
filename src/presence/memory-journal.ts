/** The journal of a single process: what was not read when it ends is lost. */
import { JOURNAL_BOUND, type Journal, type JournalEntry, type NewEntry, TAKE_OVER_COUNT } from './journal.js';

interface Delivered {
  entry: JournalEntry;
  at: number;
}

interface Group {
  /** The number of the last entry that was read. */
  read: number;
  /** By number: read and not acknowledged. */
  unacknowledged: Map<number, Delivered>;
}

export class MemoryJournal implements Journal {
  /** By number, oldest first. */
  private readonly entries = new Map<number, JournalEntry>();
  private readonly groups = new Map<string, Group>();
  private readonly waiting = new Set<() => void>();
  private last = 0;
  private droppedCount = 0;

  constructor(
    private readonly bound: number = JOURNAL_BOUND,
    private readonly now: () => number = Date.now,
  ) {}

  append(entry: NewEntry): void {
    if (this.groups.size === 0) return;
    this.last += 1;
    this.entries.set(this.last, { ...entry, id: String(this.last), partition: 0 });
    for (const number of this.entries.keys()) {
      if (this.entries.size <= this.bound) break;
      this.entries.delete(number);
      this.droppedCount += 1;
    }
    for (const wake of this.waiting) wake();
  }

  async open(group: string): Promise<void> {
    if (!this.groups.has(group)) this.groups.set(group, { read: this.last, unacknowledged: new Map() });
  }

  async read(
    group: string,
    _consumer: string,
    count: number,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<JournalEntry[]> {
    const end = this.now() + waitMs;
    for (;;) {
      const entries = this.readNow(group, count);
      const left = end - this.now();
      if (entries.length > 0 || left <= 0 || signal?.aborted) return entries;
      await this.appended(left, signal);
    }
  }

  async acknowledge(group: string, entries: readonly JournalEntry[]): Promise<void> {
    for (const { id } of entries) this.groups.get(group)?.unacknowledged.delete(Number(id));
    const needed = Math.min(...[...this.groups.values()].map(firstNeeded));
    for (const number of this.entries.keys()) {
      if (number >= needed) break;
      this.entries.delete(number);
    }
  }

  async takeOver(group: string, _consumer: string, idleMs: number): Promise<JournalEntry[]> {
    const before = this.now() - idleMs;
    const unacknowledged = this.groups.get(group)?.unacknowledged ?? new Map<number, Delivered>();
    const taken: JournalEntry[] = [];
    for (const [number, { entry, at }] of unacknowledged) {
      if (taken.length === TAKE_OVER_COUNT) break;
      if (at > before) continue;
      if (!this.entries.has(number)) unacknowledged.delete(number);
      else {
        unacknowledged.set(number, { entry, at: this.now() });
        taken.push(entry);
      }
    }
    return taken;
  }

  async lag(group: string): Promise<number> {
    const known = this.groups.get(group);
    if (!known) return 0;
    // Their numbers have no gap, and those that were dropped are the oldest.
    return known.unacknowledged.size + Math.min(this.last - known.read, this.entries.size);
  }

  async dropped(): Promise<number> {
    return this.droppedCount;
  }

  async closeGroup(group: string): Promise<void> {
    this.groups.delete(group);
    if (this.groups.size > 0) return;
    this.entries.clear();
    this.droppedCount = 0;
  }

  /** What is left: zero once the last group has ended. */
  get size(): number {
    return this.entries.size;
  }

  private readNow(group: string, count: number): JournalEntry[] {
    const known = this.groups.get(group);
    const read: JournalEntry[] = [];
    if (!known) return read;
    for (const [number, entry] of this.entries) {
      if (number <= known.read) continue;
      if (read.length === count) break;
      known.read = number;
      known.unacknowledged.set(number, { entry, at: this.now() });
      read.push(entry);
    }
    return read;
  }

  /** Resolves with the next entry, after as many milliseconds, or at the signal. */
  private appended(within: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        this.waiting.delete(wake);
        resolve();
      };
      // Whoever waits here for what may never come keeps nobody from ending.
      const timer = setTimeout(wake, within).unref();
      signal?.addEventListener('abort', wake);
      this.waiting.add(wake);
    });
  }
}

/** The number of the first entry that the group has yet to read or to acknowledge. */
function firstNeeded({ read, unacknowledged }: Group): number {
  const [first] = unacknowledged.keys();
  return first ?? read + 1;
}
