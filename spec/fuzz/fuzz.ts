/**
 * Fuzzes a server of ours in a process of its own, and holds it to what must always be so: it lives, answers without a
 * 5xx, lets nobody be where no token allows, tells nobody what is not for them, serves honest clients all the while,
 * and holds nothing more once its visitors have gone.
 */
import fc from 'fast-check';
import { until } from '../support/until.js';
import { Observer, WATCHED } from './observer.js';
import { Oracle, type Violation } from './oracle.js';
import { OBSERVED, People } from './people.js';
import { ClientIds } from './placeholders.js';
import { play } from './play.js';
import { ServerProcess } from './server-process.js';
import type { Ground, Sent } from './visitor.js';
import { type Round, rounds } from './visits.js';
import type { Measure, Profile } from './wire.js';

export interface FuzzOptions {
  seed: number;
  /** Messages to be sent. */
  count: number;
  profile: Profile;
  /** Messages after which it is measured what a server holds that has been warmed up. */
  warmUp: number;
  /** Messages between two looks at what it holds. */
  lookEvery: number;
  /** Seconds after which no more is sent. */
  seconds: number;
  log(line: string): void;
}

export interface Summary extends Sent {
  seconds: number;
  seed: number;
  profile: Profile;
  violations: Violation[];
  /** The smallest round found that fails, where one round alone does. */
  shrunk: string | undefined;
  /** What was sent last. */
  last: string[];
  seen: Record<string, number>;
  measures: Measure[];
}

/** Rounds of one seed; the next wave has the next seed, so that a wave is repeated by its own. */
const WAVE = 10;
/** Milliseconds in which a failing round is shrunk. */
const SHRINK = 60_000;
/** Milliseconds in which clients without a sign of life are gone, and what was counted for them is forgotten. */
const GONE = 30_000;
/** Bytes by which the heap may differ: caches of the runtime, what rate limits remember for 10 s. */
const HEAP_SLACK = 12 * 2 ** 20;
const RSS_LIMIT = 600 * 2 ** 20;
/** Channels that an honest client subscribes to. */
const CHANNELS = 6;
/** By how many each total may differ: requests that a kept connection waits for, and the like. */
const TOTALS_SLACK: Record<string, number> = {
  entries: 24,
  sockets: 6,
  requests: 24,
  responses: 24,
  timers: 80,
  promises: 400,
};

export async function fuzz(options: FuzzOptions): Promise<Summary> {
  const run = await Run.start(options);
  try {
    await run.all();
    return run.summary();
  } finally {
    await run.end();
  }
}

class Run {
  private readonly sent: Sent = { messages: 0, requests: 0, frames: 0 };
  private readonly shared = new ClientIds();
  private readonly last: string[] = [];
  private readonly measures: Measure[] = [];
  private readonly startedAt = Date.now();
  private observers: Observer[] = [];
  private shrunk: string | undefined;
  private wave = 0;

  private constructor(
    private readonly options: FuzzOptions,
    private readonly people: People,
    private readonly oracle: Oracle,
    private readonly server: ServerProcess,
    private readonly port: number,
  ) {}

  static async start(options: FuzzOptions): Promise<Run> {
    const people = await People.signed();
    const oracle = new Oracle(people);
    const server = await ServerProcess.start(options.profile, (report) => oracle.reported(report));
    const ready = await server.ask({ ask: 'ready' });
    if (!ready) throw new Error(`The server did not start: ${JSON.stringify(oracle.violations)}`);
    return new Run(options, people, oracle, server, ready.port);
  }

  async all(): Promise<void> {
    const { count, warmUp, lookEvery } = this.options;
    await this.observe();
    for (let next = Math.min(warmUp, count); this.goesOn; next = Math.min(next + lookEvery, count)) {
      await this.until(next);
      await this.look();
      if (next === count || this.isLate) break;
    }
    if (this.goesOn) await this.finish();
  }

  summary(): Summary {
    const { seed, profile } = this.options;
    return {
      ...this.sent,
      seconds: Math.round((Date.now() - this.startedAt) / 1_000),
      seed,
      profile,
      violations: this.oracle.violations,
      shrunk: this.shrunk,
      last: this.last,
      seen: Object.fromEntries([...this.oracle.seen].sort()),
      measures: this.measures,
    };
  }

  async end(): Promise<void> {
    for (const observer of this.observers) observer.leave();
    await this.server.end();
  }

  private get goesOn(): boolean {
    return this.oracle.found === 0;
  }

  private get isLate(): boolean {
    return Date.now() - this.startedAt > this.options.seconds * 1_000;
  }

  private async observe(): Promise<void> {
    const [first = '', second = ''] = this.people.tokens.observers;
    this.observers = [
      new Observer(this.port, 'websocket', first, this.oracle),
      new Observer(this.port, 'long-polling', second, this.oracle),
    ];
    for (const observer of this.observers) observer.join();
    const inPlace = () => this.observers.every((observer) => observer.isIn) || !this.goesOn;
    await until(inPlace, 'the observers to be in', GONE).catch((error) =>
      this.oracle.violate('honest clients can’t come', error.message),
    );
  }

  /** Waves until so many messages have been sent. */
  private async until(messages: number): Promise<void> {
    while (this.goesOn && !this.isLate && this.sent.messages < messages) {
      await this.nextWave(messages);
      this.wave += 1;
    }
  }

  private async nextWave(messages: number): Promise<void> {
    const seed = this.options.seed + this.wave;
    let end = Number.POSITIVE_INFINITY;
    const property = fc.asyncProperty(rounds, async (round) => {
      if (Date.now() > end || (this.goesOn && (this.isLate || this.sent.messages >= messages))) return;
      const before = this.oracle.found;
      await this.play(round);
      if (this.oracle.found === before) return;
      end = Math.min(end, Date.now() + SHRINK);
      throw new Error('violated');
    });
    const details = await fc.check(property, { seed, numRuns: WAVE });
    if (!details.failed) return;
    this.options.log(`violated in the wave of seed ${seed}, after ${this.sent.messages} messages`);
    this.shrunk = fc.stringify(details.counterexample);
  }

  private async play(round: Round): Promise<void> {
    const { port, oracle, shared, sent, last } = this;
    const ground: Ground = { port, oracle, tokens: this.people.tokens, shared, sent, last };
    await Promise.all(round.map((visit) => play(visit, ground)));
    await this.server.ask({ ask: 'flush' });
    // What it logged before is in the pipe, and read in the same turn as the answer.
    await new Promise(setImmediate);
  }

  /** All visitors have gone: the honest clients see who is there, and the server holds what it held before. */
  private async look(): Promise<void> {
    if (!this.goesOn) return;
    await Promise.all(this.observers.map((observer) => observer.works()));
    await this.showsTheTruth();
    await this.emptied(this.observers.length);
    const measure = await this.measured();
    if (!measure) return;
    const excess = this.excess(measure);
    if (excess) this.oracle.violate('visitors left something behind', { excess, largest: measure.largest });
    this.measures.push(measure);
    this.options.log(this.line(measure));
  }

  private async finish(): Promise<void> {
    for (const observer of this.observers.splice(0)) observer.leave();
    await this.emptied(0);
    await this.server.stop();
  }

  /** Nothing is held but what honest clients need: where there are none, nothing at all. */
  private async emptied(clients: number): Promise<void> {
    const end = Date.now() + GONE;
    for (;;) {
      const held = await this.server.ask({ ask: 'held' });
      if (!held) return;
      const left = Object.entries(held).filter(
        ([kind, number]) => number > clients * (kind === 'channels' ? CHANNELS : 1),
      );
      if (left.length === 0) return;
      if (Date.now() > end) return this.oracle.violate('everybody has gone, and something is held', held);
      await pause();
    }
  }

  private async showsTheTruth(): Promise<void> {
    const truth = WATCHED.map((channel) => (channel === OBSERVED ? ['observer', 'poller'] : []));
    const asText = (lists: unknown[][]) => JSON.stringify(lists.map((list) => [...list].sort()));
    const shown = ({ lists }: Observer) => WATCHED.map((channel) => lists.get(channel) ?? ['nothing']);
    const right = () => this.observers.every((observer) => asText(shown(observer)) === asText(truth));
    await until(right, 'the lists', GONE).catch(() => {
      for (const observer of this.observers)
        this.oracle.violate('a list is not the truth', { way: observer.way, shown: shown(observer) });
    });
    const known = await this.server.ask({ ask: 'lists', channels: WATCHED });
    if (known && asText(known) !== asText(truth))
      this.oracle.violate('the server believes visitors to be there', known);
  }

  /** The first measure without an excess, or the last one: rate limits remember for 10 s, connections are kept for 5. */
  private async measured(): Promise<Measure | undefined> {
    const end = Date.now() + GONE;
    for (;;) {
      const measure = await this.server.ask({ ask: 'measure' });
      if (!measure || !this.excess(measure) || Date.now() > end) return measure;
      await pause();
    }
  }

  /** What there is more of than after the warm-up. */
  private excess(measure: Measure): string | undefined {
    const [base] = this.measures;
    if (measure.rss > RSS_LIMIT) return `${measure.rss} bytes of memory`;
    if (!base) return undefined;
    if (measure.heapUsed > base.heapUsed + HEAP_SLACK)
      return `${measure.heapUsed - base.heapUsed} bytes of heap`;
    const grown = Object.entries(measure.totals).find(
      ([kind, total]) => total > (base.totals[kind] ?? 0) + (TOTALS_SLACK[kind] ?? 0),
    );
    return grown && `${grown[1]} ${grown[0]}, ${base.totals[grown[0]]} before`;
  }

  private line({ heapUsed, rss, totals }: Measure): string {
    const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
    const { messages, requests, frames } = this.sent;
    return `${messages} messages, ${requests} requests, ${frames} frames: heap ${megabytes(heapUsed)}, rss ${megabytes(rss)}, ${JSON.stringify(totals)}`;
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));
