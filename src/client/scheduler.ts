/** When Faye's client sends a failed message again: its `scheduler` option (faye `protocol/scheduler.js`). */
import type { SchedulerType } from 'faye';
import type { Identity } from './identify.js';

/** Seconds. The server ends a client 8 s after its socket closed; npm's client would come back after 5.0. */
const SHORTEST = 0.5;
const LONGEST_AT_FIRST = 2;
const LONGEST = 10;
/** Failures in a row before the waits grow. */
const PATIENCE = 4;
/** Milliseconds. What fails together belongs to one cut. */
const ONE_CUT = 100;

/**
 * The waits between attempts, in seconds: 0.5 to 2 by chance, and while the server stays away longer ones, up to
 * 10. By chance, so that the clients of a server that died do not come back in one moment.
 */
export class Waits {
  private failures = 0;
  private drawnAt = Number.NEGATIVE_INFINITY;
  private drawn = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** Messages that fail together wait equally long, so that they are sent again in their order. */
  next(now = Date.now()): number {
    if (now - this.drawnAt < ONE_CUT) return this.drawn;
    this.drawnAt = now;
    this.failures += 1;
    this.drawn = this.draw();
    return this.drawn;
  }

  /** The server answered. */
  reset(): void {
    this.failures = 0;
  }

  private draw(): number {
    const longest = Math.min(LONGEST_AT_FIRST * 2 ** Math.max(0, this.failures - PATIENCE), LONGEST);
    const shortest = (SHORTEST * longest) / LONGEST_AT_FIRST;
    return shortest + this.random() * (longest - shortest);
  }
}

/**
 * Faye's scheduler with the waits above, one of them for all messages of a client. A connect that is sent again asks
 * for an answer at once: otherwise the client knows only after the server's `timeout` that it is back.
 */
export function patient(Base: SchedulerType, waits = new Waits()): SchedulerType {
  return class extends Base {
    override send(): void {
      if (this.attempts > 0 && this.message.channel === '/meta/connect') this.message.advice = { timeout: 0 };
      super.send();
    }
    override getInterval(): number {
      return waits.next();
    }
    override succeed(): void {
      waits.reset();
      super.succeed();
    }
  };
}

/** Any scheduler, with the newest token in what it sends. */
export function proven(Base: SchedulerType, identity: Identity): SchedulerType {
  return class extends Base {
    override send(): void {
      identity.renewIn(this.message);
      super.send();
    }
    override fail(): void {
      identity.tokens?.renewIfDue();
      super.fail();
    }
  };
}
