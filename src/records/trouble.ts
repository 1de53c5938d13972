/** What keeps a database from being written to: since when, said once, and how soon to try again. */
import type { Logger } from 'pino';
import { loggable } from './loggable.js';

/** Milliseconds before the first and before each later attempt, where each took as long as all before. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

export interface Ailment {
  error: Error;
  /** Milliseconds since 1970. */
  since: number;
}

export class Trouble {
  private ailment: Ailment | undefined;
  private pause = 0;

  constructor(private readonly log: Logger) {}

  /** Undefined while all is well. */
  get now(): Ailment | undefined {
    return this.ailment;
  }

  /** Returns for how many milliseconds to wait. It is said again where it is for another reason. */
  fail(error: Error): number {
    const before = this.ailment;
    this.ailment = { error, since: before?.since ?? Date.now() };
    if (!before || before.error.message !== error.message)
      this.log.error({ err: loggable(error) }, 'Records: nothing can be written; trying again');
    return this.wait();
  }

  well(): void {
    const { ailment } = this;
    if (ailment) this.log.info({ since: new Date(ailment.since) }, 'Records: they are written again');
    this.ailment = undefined;
    this.pause = 0;
  }

  /** The same for what is no fault of the database. */
  wait(): number {
    this.pause = Math.min(this.pause === 0 ? FIRST_PAUSE : this.pause * 2, LONGEST_PAUSE);
    return this.pause;
  }
}
