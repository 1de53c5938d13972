/** One client's token: fetched when needed, kept until it is about to expire, never fetched twice at once. */
import type { TokenOption } from './options.js';

/** Milliseconds. */
const MARGIN = 30_000;
/** A token that expires sooner than the margin, or a clock that is ahead, must not mean a fetch for each message. */
const LEAST_BETWEEN = 5_000;
const FETCH_LIMIT = 30_000;
const LONGEST_PAUSE = 30_000;

export class Tokens {
  private token: string | undefined;
  /** Epoch milliseconds by this machine's clock; 0 for a token that is not to be used. */
  private expiresAt = 0;
  private renewAt = 0;
  private failures = 0;
  private fetching = false;
  private stopped = false;
  /** Stops waiting for an answer, or for the next attempt. */
  private cancel: () => void = () => {};
  private readonly waiting: (() => void)[] = [];
  private readonly source: () => string | Promise<string>;

  constructor(
    option: TokenOption,
    private readonly log: (line: string) => void,
  ) {
    this.source = typeof option === 'function' ? option : () => option;
  }

  /** The newest token there is, fresh or not: for what can't wait. */
  get current(): string | undefined {
    return this.token;
  }

  /** Runs the step at once where the token is fresh, otherwise once it is, in the order of the calls. */
  whenFresh(step: () => void): void {
    this.waiting.push(step);
    if (this.isFresh() || this.stopped) this.release();
    else void this.fetch();
  }

  /** Starts to fetch a token that is due, so that it is there when it is needed. */
  renewIfDue(): void {
    if (!this.isFresh() && !this.stopped) void this.fetch();
  }

  /** For a client that ends: fetches no more. What waits goes on with the newest token, and nowhere where there is none. */
  stop(): void {
    this.stopped = true;
    this.cancel();
    if (this.token === undefined) this.waiting.length = 0;
    this.release();
  }

  /** The server says that the token has expired, whatever this machine's clock says. */
  refused(): void {
    this.expiresAt = 0;
    this.renewAt = 0;
  }

  private isFresh(): boolean {
    return Date.now() < this.renewAt;
  }

  private async fetch(): Promise<void> {
    if (this.fetching) return;
    this.fetching = true;
    while (!this.stopped && !(await this.attempt())) await this.pause(this.backOff());
    this.fetching = false;
    this.release();
  }

  /** Whether there is a token to go on with: a new one, or where none came, one that has not expired yet. */
  private async attempt(): Promise<boolean> {
    try {
      this.accept(await this.inTime());
      return true;
    } catch (error) {
      if (this.stopped) return true;
      this.failures += 1;
      this.renewAt = Math.min(Date.now() + this.backOff(), this.expiresAt);
      this.log(`faye-online: no token, next attempt in ${this.backOff() / 1000} s: ${String(error)}`);
      return Date.now() < this.expiresAt;
    }
  }

  private accept(token: unknown): void {
    if (typeof token !== 'string' || token === '') {
      throw new TypeError(`expected a text from the token function, got ${typeof token}`);
    }
    this.token = token;
    this.failures = 0;
    this.expiresAt = expiry(token);
    this.renewAt = Math.max(this.expiresAt - MARGIN, Date.now() + LEAST_BETWEEN);
  }

  private backOff(): number {
    return Math.min(1000 * 2 ** (this.failures - 1), LONGEST_PAUSE);
  }

  private release(): void {
    while (this.waiting.length > 0) this.waiting.shift()?.();
  }

  /** A fetch that never answers would silence the client for ever. */
  private inTime(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer in ${FETCH_LIMIT / 1000} s`)), FETCH_LIMIT);
      this.cancel = () => {
        clearTimeout(timer);
        reject(new Error('the client has ended'));
      };
      Promise.resolve()
        .then(this.source)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.cancel = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The `exp` of a JWT in epoch milliseconds, Infinity where it can't be read (RFC 7519, 4.1.4). */
function expiry(token: string): number {
  try {
    const payload = (token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
