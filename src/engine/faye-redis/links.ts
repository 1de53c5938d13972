/** A node's two connections to Redis, and what faye-redis gets in place of redis' clients. */
import type { Logger } from 'pino';
import { Commands } from './commands.js';
import type { RedisAddress } from './redis-address.js';
import type { Argument } from './redis3.js';
import { Reports } from './reports.js';
import { Subscriber } from './subscriber.js';

/** Commands that wait for Redis at most. */
export const WAITING_LIMIT = 10_000;
/** Milliseconds that a question is asked before it is given up. */
const PATIENCE = 30_000;

/**
 * The commands that are still faye-redis' own, and what it is told where one failed: with nothing instead of an array
 * it would end the process.
 */
const NOTHING = { srem: 0, zrangebyscore: [] };

export class Links {
  readonly commands: Commands;
  readonly subscriber: Subscriber;
  private readonly reports: Reports;
  private wereUp = false;
  private back: () => void = () => {};

  constructor(address: RedisAddress, log: Logger) {
    const reports = new Reports(log);
    const common = { address, reports, log, changed: () => this.changed() };
    this.reports = reports;
    this.commands = new Commands({ ...common, limit: WAITING_LIMIT, patience: PATIENCE });
    this.subscriber = new Subscriber(common);
  }

  /** Both are up. */
  get up(): boolean {
    return this.commands.up && this.subscriber.up;
  }

  /** For everybody, why Redis refuses commands; null where it does not. */
  get refusal(): string | null {
    const reason = this.commands.refusal ?? this.subscriber.refusal;
    return reason === null ? null : `refuses commands: ${reason}`;
  }

  /** Calls back each time that both are up and were not. */
  onBack(listener: () => void): void {
    this.back = listener;
  }

  report(kind: string, detail: object): void {
    this.reports.add(kind, detail);
  }

  /** The redis clients as faye-redis makes them: first for commands, then for listening. */
  takeTurns(): () => object {
    const turns = [guarded(this.commands), listening(this.subscriber)];
    return () => {
      const turn = turns.shift();
      if (!turn) throw new Error('Expected faye-redis to make two redis clients, got a third');
      return turn;
    };
  }

  close(): void {
    this.back = () => {};
    this.commands.close();
    this.subscriber.close();
    this.reports.close();
  }

  private changed(): void {
    const { up } = this;
    if (up === this.wereUp) return;
    this.wereUp = up;
    if (up) this.back();
  }
}

function guarded(commands: Commands): object {
  const methods = Object.entries(NOTHING).map(([name, nothing]) => {
    const method = (...given: unknown[]) => {
      const callback = typeof given.at(-1) === 'function' ? (given.pop() as Callback) : undefined;
      commands.send(name, given as Argument[], (error, reply) => callback?.(null, error ? nothing : reply));
    };
    return [name, method];
  });
  return { ...Object.fromEntries(methods), select };
}

type Callback = (error: null, reply: unknown) => void;

function listening(subscriber: Subscriber): object {
  return {
    select,
    subscribe: (channel: string) => subscriber.subscribe(channel),
    on: (event: string, listener: (channel: string, message: string) => void) => {
      if (event === 'message') subscriber.onMessage(listener);
    },
  };
}

/** Each connection has chosen its database before it is up. */
function select(): void {}
