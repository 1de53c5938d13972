/**
 * A connection to Redis that comes back, however long Redis is away and however it went.
 *
 * Each attempt is a redis 3 client of its own, which gives up at its first failure; trying again is done here. For redis
 * 3 by itself gives up when its delays sum up to `connect_timeout`, waits for ever after a ready check that Redis
 * answered with an error (a password that is not right yet, a script that runs too long), does not notice a machine
 * that vanished, and with `retry_unfulfilled_commands` piles up an AUTH for each attempt.
 */
import type { Logger } from 'pino';
import { type Refusal, Refusals } from '../../redis/refusals.js';
import type { RedisAddress } from './redis-address.js';
import { discard, type RedisClient, type RedisError, reasonOf, redis3 } from './redis3.js';
import type { Reports } from './reports.js';

/** Milliseconds until the next attempt: the first time, doubling, and at most. */
const FIRST_DELAY = 50;
const MOST_DELAY = 1_000;
/** Milliseconds that a TCP or TLS connection may take. */
const CONNECT_TIMEOUT = 5_000;
/** Milliseconds between two PINGs, and how many may go without an answer. */
const HEARTBEAT = 2_000;
const MISSES = 3;

export interface ConnectionOptions {
  address: RedisAddress;
  role: 'commands' | 'subscriber';
  reports: Reports;
  log: Logger;
  /** Redis answers commands, in the right database. */
  up(client: RedisClient): void;
  /** It no longer does. Called before the commands that wait for an answer get their errors, where we end it. */
  down(): void;
}

export class Connection {
  private client: RedisClient | undefined;
  private isUp = false;
  /** Why it is down, as it was said; null while it is up. */
  private reason: string | null = null;
  private delay = FIRST_DELAY;
  private missed = 0;
  private next: NodeJS.Timeout | undefined;
  private readonly heartbeat = setInterval(() => this.beat(), HEARTBEAT);
  private readonly refusals: Refusals;

  constructor(private readonly options: ConnectionOptions) {
    const { role, log } = options;
    const isOpen = () => this.isUp;
    this.refusals = new Refusals({ role: role === 'subscriber' ? 'listener' : role, isOpen, log });
    this.open();
  }

  /** For everybody, why Redis refuses commands; null where it does not. */
  get refusal(): string | null {
    return this.refusals.reason;
  }

  /** To be called with the error of a command. Undefined where it is no refusal. */
  refused(error: RedisError): Refusal | undefined {
    return this.refusals.add(new Error(reasonOf(error)));
  }

  /** Gives this connection up and makes another. */
  drop(client: RedisClient, error: RedisError): void {
    if (client !== this.client) return;
    this.abandon(error);
    discard(client);
  }

  /** For good. Leaves no handle behind. */
  close(): void {
    const { client } = this;
    this.client = undefined;
    this.isUp = false;
    clearInterval(this.heartbeat);
    clearTimeout(this.next);
    this.refusals.clear();
    if (client) discard(client);
  }

  private open(): void {
    const { db, ...address } = this.options.address;
    const client = redis3.createClient({
      ...address,
      connect_timeout: CONNECT_TIMEOUT,
      enable_offline_queue: false,
      retry_strategy: () => undefined,
    });
    this.client = client;
    this.missed = 0;
    client.on('ready', () => this.select(client, db));
    client.on('error', (error) => this.failed(client, error));
    client.on('warning', (text) => this.options.log.warn({ role: this.options.role }, text));
  }

  /** Not left to redis 3, which goes on in database 0 where Redis refuses the one that it was told. */
  private select(client: RedisClient, db: number): void {
    client.sendCommand('select', [db], (error) => {
      if (client !== this.client) return;
      if (error) return this.drop(client, error);
      this.missed = 0;
      this.isUp = true;
      if (this.reason !== null) this.options.log.info({ role: this.options.role }, 'Redis is back');
      this.reason = null;
      this.options.up(client);
    });
  }

  private failed(client: RedisClient, error: RedisError): void {
    if (client !== this.client) return;
    this.abandon(error);
    // Not in this turn: after an answer that is not Redis' language redis 3 first tells us and then opens a new stream.
    setImmediate(() => discard(client));
  }

  private abandon(error: RedisError): void {
    if (!this.refused(error)) this.explain(reasonOf(error));
    this.client = undefined;
    this.next = setTimeout(() => this.open(), this.delay);
    this.delay = Math.min(2 * this.delay, MOST_DELAY);
    if (!this.isUp) return;
    this.isUp = false;
    this.options.down();
  }

  /** Not once an attempt: an outage of an hour would be thousands of lines that say the same. */
  private explain(reason: string): void {
    const { role, reports } = this.options;
    this.refusals.clear();
    if (reason !== this.reason) reports.add('Redis is away', { role, reason });
    this.reason = reason;
  }

  /** Counts beats, not time: a node that was busy for long finds its answers waiting, and they come before the next. */
  private beat(): void {
    const { client } = this;
    if (client && this.missed >= MISSES) {
      this.drop(client, new Error(`no answer for ${(MISSES * HEARTBEAT) / 1_000} s`));
    } else if (client) {
      this.missed += 1;
      if (this.isUp) client.sendCommand('ping', [], () => this.alive(client));
    }
  }

  private alive(client: RedisClient): void {
    if (client !== this.client) return;
    this.missed = 0;
    // Only now, and not once it is up: a Redis that accepts connections and closes them is not asked in a rush.
    this.delay = FIRST_DELAY;
  }
}
