/** The store of a single process. */
import { randomUUID } from 'node:crypto';
import { JOURNAL_BOUND } from './journal.js';
import { MemoryChannels } from './memory-channels.js';
import { MemoryJournal } from './memory-journal.js';
import { MemoryOrders } from './memory-orders.js';
import type { Store, StoreEpochs, StoreStatus, Upkeep, Window } from './store.js';
import type { Visibility } from './visibility.js';

export class MemoryStore implements Store {
  readonly status: StoreStatus = { description: 'memory', connected: true, ready: true, outage: null };
  readonly journal: MemoryJournal;
  readonly channels: MemoryChannels;
  readonly orders: MemoryOrders;
  /** It loses nothing, and all that it has is in one place. */
  readonly upkeep: Upkeep = {
    orphans: async () => {},
    sweep: async () => ({ changed: false, dueIn: null }),
    lock: async () => true,
    unlock: async () => {},
  };
  readonly epochs: StoreEpochs;
  private readonly epoch = randomUUID();

  constructor(
    window: Window,
    private readonly now: () => number = Date.now,
    journalBound: number = JOURNAL_BOUND,
  ) {
    const { epoch } = this;
    this.journal = new MemoryJournal(journalBound, now);
    this.channels = new MemoryChannels({ window, journal: this.journal, epoch, now });
    this.orders = new MemoryOrders(now);
    this.epochs = { all: [epoch], of: () => epoch, on: () => {} };
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  /** There is no other node. */
  onHearing(): void {}

  /** Journals a change of a client's visibility, and returns what it is now. */
  setVisibility(clientId: string, uid: string, hidden: boolean, before: Visibility | null): Visibility {
    if (before?.hidden === hidden) return before;
    const visibility = { hidden, since: Math.max(this.now(), (before?.since ?? 0) + 1) };
    const type = hidden ? 'hidden' : 'shown';
    this.journal.append({ epoch: this.epoch, type, uid, clientId, at: visibility.since });
    return visibility;
  }
}
