/**
 * Commands to a Redis that may go away: they wait for it, in order and within a bound, and those whose answer was lost
 * are sent again. So a command may be done twice, which the one who sends it must bear (`uncertain` says it may have).
 */
import type { Logger } from 'pino';
import { Connection } from './connection.js';
import type { RedisAddress } from './redis-address.js';
import { type Argument, isLost, type RedisClient, type RedisError, reasonOf } from './redis3.js';
import type { Reports } from './reports.js';

/** Milliseconds until a command is asked again that Redis could not do now. */
const AGAIN = 250;
/** What Redis says when it can do nothing at all for the moment. */
const NOT_NOW = new Set(['LOADING', 'BUSY', 'MASTERDOWN']);

/** `uncertain`: it may have been done before, by an earlier sending whose answer was lost. */
export type Answer = (error: Error | null, reply: unknown, uncertain: boolean) => void;

export interface CommandsOptions {
  address: RedisAddress;
  /** Commands that wait at most; one more fails at once. */
  limit: number;
  /** Milliseconds that a question is asked again and again. */
  patience: number;
  reports: Reports;
  log: Logger;
  changed(): void;
}

interface Command {
  readonly name: string;
  readonly args: readonly Argument[];
  readonly answer: Answer;
  readonly kind: 'step' | 'question' | 'attempt';
  giveUp?: NodeJS.Timeout;
  uncertain: boolean;
  done: boolean;
}

export class Commands {
  private readonly waiting = new Set<Command>();
  private readonly connection: Connection;
  private client: RedisClient | undefined;
  private again: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: CommandsOptions) {
    const { address, reports, log, changed } = options;
    const up = (client: RedisClient) => {
      this.client = client;
      this.sendWaiting();
      changed();
    };
    const down = () => {
      this.client = undefined;
      changed();
    };
    this.connection = new Connection({ role: 'commands', address, reports, log, up, down });
  }

  get up(): boolean {
    return this.client !== undefined;
  }

  get refusal(): string | null {
    return this.connection.refusal;
  }

  /** How many wait for Redis. */
  get held(): number {
    return this.waiting.size;
  }

  /** Waits as long as it takes. Fails where Redis refuses it or too many wait already. */
  send(name: string, args: readonly Argument[], answer: Answer = () => {}): void {
    this.issue(newCommand('step', name, args, answer));
  }

  /** Asks until there is an answer, for a while (`patience`). Then it fails. */
  ask(name: string, args: readonly Argument[], answer: Answer): void {
    const command = newCommand('question', name, args, answer);
    command.giveUp = setTimeout(() => {
      this.waiting.delete(command);
      this.fail(command, new Error(`no answer for ${this.options.patience} ms`));
    }, this.options.patience).unref();
    this.issue(command);
  }

  /** Now or not at all: fails, unlogged, while Redis is away. */
  attempt(name: string, args: readonly Argument[], answer: Answer = () => {}): void {
    this.issue(newCommand('attempt', name, args, answer));
  }

  /** Nobody is answered any more, but attempts, which fail. */
  close(): void {
    this.closed = true;
    this.client = undefined;
    clearTimeout(this.again);
    for (const { giveUp } of this.waiting) clearTimeout(giveUp);
    this.waiting.clear();
    this.connection.close();
  }

  private issue(command: Command): void {
    if (this.client) this.deliver(this.client, command);
    else this.hold(command);
  }

  private deliver(client: RedisClient, command: Command): void {
    client.sendCommand(command.name, command.args, (error, reply) => this.answered(command, error, reply));
  }

  private answered(command: Command, error: RedisError | null, reply: unknown): void {
    if (command.done) return;
    if (!error) {
      this.settle(command, null, reply);
    } else if (isLost(error)) {
      command.uncertain = true;
      this.hold(command);
    } else if (this.connection.refused(error)?.code === 'READONLY') {
      // The address may lead to the master by now: it is sent again by another connection.
      this.hold(command);
      this.leave(error);
    } else if (command.kind === 'question' || (command.kind === 'step' && NOT_NOW.has(error.code ?? ''))) {
      this.options.reports.add('a Redis command is sent again', said(command, error));
      this.hold(command);
      this.again ??= setTimeout(() => this.sendWaiting(), AGAIN);
    } else {
      this.fail(command, error);
    }
  }

  /** Not in this turn: redis 3 may be in the midst of the answers that have come together. */
  private leave(error: RedisError): void {
    const { client } = this;
    if (client) setImmediate(() => this.connection.drop(client, error));
  }

  private hold(command: Command): void {
    const { limit } = this.options;
    if (command.kind !== 'attempt' && !this.closed && this.waiting.size < limit) {
      this.waiting.add(command);
      return;
    }
    const error = new Error(command.kind === 'attempt' ? 'Redis is away' : `${limit} commands wait already`);
    // Never before the call that sent it has returned.
    queueMicrotask(() => this.fail(command, error));
  }

  private sendWaiting(): void {
    clearTimeout(this.again);
    this.again = undefined;
    for (const command of [...this.waiting]) {
      if (!this.client) return;
      this.waiting.delete(command);
      this.deliver(this.client, command);
    }
  }

  private fail(command: Command, error: Error): void {
    if (command.kind !== 'attempt' && !this.closed) {
      this.options.reports.add('a Redis command failed', said(command, error));
    }
    this.settle(command, error, undefined);
  }

  private settle(command: Command, error: Error | null, reply: unknown): void {
    if (command.done || (this.closed && command.kind !== 'attempt')) return;
    command.done = true;
    clearTimeout(command.giveUp);
    command.answer(error, reply, command.uncertain);
  }
}

function newCommand(kind: Command['kind'], name: string, args: readonly Argument[], answer: Answer): Command {
  return { kind, name, args, answer, uncertain: false, done: false };
}

function said({ name }: Command, error: RedisError): object {
  return { command: name, reason: reasonOf(error) };
}
