import type { Logger } from 'pino';

/** Milliseconds between two lines of one text. */
const INTERVAL_MS = 60_000;

/** Logs each text at most once a minute: clients that repeat what causes it can't fill the log. */
export class OccasionalLog {
  private readonly loggedAt = new Map<string, number>();

  constructor(
    private readonly log: Logger,
    /** Milliseconds. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** `text` is one of a few constants. */
  warn(text: string, details: object = {}): void {
    if (this.isDue(text)) this.log.warn(details, text);
  }

  /** As `warn`. */
  error(text: string, details: object = {}): void {
    if (this.isDue(text)) this.log.error(details, text);
  }

  private isDue(text: string): boolean {
    const last = this.loggedAt.get(text);
    const now = this.now();
    if (last !== undefined && now - last < INTERVAL_MS) return false;
    this.loggedAt.set(text, now);
    return true;
  }
}
