import type { Logger } from 'pino';

/** Milliseconds between two lines of one text. */
const INTERVAL = 60_000;

/** Logs each text at most once a minute: clients that repeat what causes it can't fill the log. */
export class OccasionalLog {
  private readonly logged = new Map<string, number>();

  constructor(private readonly log: Logger) {}

  /** `text` is one of a few constants. */
  error(text: string, details: object = {}): void {
    const last = this.logged.get(text);
    const now = performance.now();
    if (last !== undefined && now - last < INTERVAL) return;
    this.logged.set(text, now);
    this.log.error(details, text);
  }
}
