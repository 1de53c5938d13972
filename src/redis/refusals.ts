/**
 * Errors by which a Redis that is connected refuses commands: a replica that takes no writes, full memory, a missing right.
 * Each is logged once, and again when it is over. Whoever asked gets the error as well, and retries.
 */
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';

/** Error codes that say something about the server or the user, and nothing about the command. */
const CODES = new Set([
  'BUSY',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'NOAUTH',
  'NOPERM',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'WRONGPASS',
]);
/** Redis 7.0, and newer ones, where a command within a script is not permitted. */
const NOT_PERMITTED_IN_SCRIPT = /^ERR (ACL failure in script|The user executing the script can't)/;
/** ioredis reports this one, and goes on in database 0. */
const NO_SUCH_DATABASE = /^ERR (DB index is out of range|invalid DB index)/;
/** What Redis adds to the error of a script. */
const OF_SCRIPT = / script: \w+, on \S+$/;

/** Milliseconds after which a refusal that has not come again is over. A node writes each 2 s, and so would get it again. */
const OVER_AFTER = 5_000;
/** The same for a command that the user may not run: a node may send it rarely. A subscription is retried each 0.5 s. */
const NOPERM_OVER_AFTER = 15_000;
/** Milliseconds between two looks whether one is over. */
const LOOK = 500;
/** Milliseconds between two reconnects. */
const RECONNECT = 1_000;

export interface Refusal {
  code: string;
  /** As Redis says it. */
  text: string;
}

/** Undefined where the error is no such refusal. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error)) return undefined;
  const text = error.message.replace(OF_SCRIPT, '');
  if (NOT_PERMITTED_IN_SCRIPT.test(text)) return { code: 'NOPERM', text: text.replace('ERR', 'NOPERM') };
  if (NO_SUCH_DATABASE.test(text)) return { code: 'ERR', text };
  const [code = ''] = text.split(' ');
  if (CODES.has(code)) return { code, text };
  return 'lastNodeError' in error ? refusalOf(error.lastNodeError) : undefined;
}

export interface RefusalsOptions {
  role: 'commands' | 'listener';
  /** Whether there is a connection. */
  isOpen(): boolean;
  /** The connection may be one to a master that is a replica by now. */
  isReplica?(): void;
  log: Logger;
}

/** By logger, of all connections that have it: what is refused now, and on how many of them. */
const refused = new WeakMap<Logger, Map<string, number>>();

/** Of all connections of one role. */
export class Refusals {
  /** By what Redis says. */
  private readonly current = new Map<string, { code: string; at: number }>();
  private readonly counts: Map<string, number>;
  private timer: NodeJS.Timeout | undefined;
  private reconnectedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: RefusalsOptions) {
    const { log } = options;
    this.counts = refused.get(log) ?? new Map();
    refused.set(log, this.counts);
  }

  /** Looks at each error reply, and makes the connection anew where it leads to a replica. */
  watch(redis: Redis): void {
    const { options } = redis;
    const theirs = options.reconnectOnError;
    options.reconnectOnError = (error) => {
      const isStale = this.add(error)?.code === 'READONLY' && this.mayReconnect();
      if (isStale) this.options.isReplica?.();
      return theirs?.(error) || isStale;
    };
  }

  add(error: unknown): Refusal | undefined {
    const refusal = refusalOf(error);
    if (!refusal) return undefined;
    const { code, text } = refusal;
    if (!this.current.has(text)) this.begin(text);
    this.current.set(text, { code, at: performance.now() });
    this.timer ??= setInterval(() => this.look(), LOOK).unref();
    return refusal;
  }

  /** For everybody: without the name of the user. Null where nothing is refused. */
  get reason(): string | null {
    const [first] = this.current.keys();
    return first?.replace(/\bUser \S+ /, 'this user ') ?? null;
  }

  /** Forgets all: the connections are lost, which is another outage, or closed. */
  clear(): void {
    for (const text of this.current.keys()) this.end(text);
  }

  private look(): void {
    if (!this.options.isOpen()) return;
    const now = performance.now();
    for (const [text, { code, at }] of this.current) {
      const isRare = code === 'NOPERM' && this.options.role === 'commands';
      if (now - at < (isRare ? NOPERM_OVER_AFTER : OVER_AFTER)) continue;
      if (this.end(text)) this.options.log.info({ reason: text }, 'Redis takes commands again');
    }
  }

  private begin(text: string): void {
    const count = this.counts.get(text) ?? 0;
    this.counts.set(text, count + 1);
    if (count === 0) this.options.log.error({ reason: text }, 'Redis refuses commands');
  }

  /** Whether it was the last connection that had it. */
  private end(text: string): boolean {
    this.current.delete(text);
    if (this.current.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
    const count = this.counts.get(text) ?? 0;
    if (count > 1) this.counts.set(text, count - 1);
    else this.counts.delete(text);
    return count <= 1;
  }

  private mayReconnect(): boolean {
    const now = performance.now();
    if (now - this.reconnectedAt < RECONNECT) return false;
    this.reconnectedAt = now;
    return true;
  }
}
