/** Looks now and then how much of the journal is yet to be written, and says loudly where it was full. */
import type { Logger } from 'pino';
import type { Journal } from '../presence/journal.js';

/** Milliseconds between two looks. */
const LOOK = 5_000;

export class JournalWatch {
  private timer: NodeJS.Timeout | undefined;
  private waiting = 0;
  private lost: number | undefined;
  private full = false;

  constructor(
    private readonly journal: Journal,
    private readonly group: string,
    private readonly log: Logger,
  ) {}

  /** Entries that were yet to be written at the last look. */
  get lag(): number {
    return this.waiting;
  }

  /** Entries that were dropped before they were written, since the journal began. */
  get dropped(): number {
    return this.lost ?? 0;
  }

  /** Whether some were dropped between the last two looks. */
  get isFull(): boolean {
    return this.full;
  }

  start(): void {
    this.timer ??= setInterval(() => {
      // Of a journal that is away the store tells.
      this.look().catch(() => {});
    }, LOOK).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Rejects where the journal is away. */
  async look(): Promise<void> {
    const [lag, dropped] = await Promise.all([this.journal.lag(this.group), this.journal.dropped()]);
    const before = this.lost ?? dropped;
    this.full = dropped > before;
    this.waiting = lag;
    this.lost = dropped;
    if (this.full)
      this.log.error(
        { dropped: dropped - before, inAll: dropped, lag },
        'Records: the journal is full, and entries were dropped that are not in the database',
      );
  }
}
