import type { Logger } from 'pino';

/** Milliseconds. */
const MINUTE = 60_000;

/** Warnings about requests that anybody can send: one line a minute for each text, so that nobody can fill the log. */
export class Notices {
  private readonly loggedAt = new Map<string, number>();

  constructor(
    private readonly log: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {}

  warn(fields: Record<string, unknown>, text: string): void {
    const last = this.loggedAt.get(text);
    if (last !== undefined && this.now() - last < MINUTE) return;
    this.loggedAt.set(text, this.now());
    this.log.warn(fields, text);
  }
}
