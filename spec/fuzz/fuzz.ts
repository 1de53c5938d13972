/**
 * Fuzzes a server of ours in a process of its own, and holds it to what must always be so: it lives, answers without a
 * 5xx, lets nobody be where no token allows, tells nobody what is not for them, serves honest clients all the while,
 * and holds nothing more once its visitors have gone.
 */
import fc from 'fast-check';
import { until } from '../support/until.js';
import { Looks } from './looks.js';
import { Observer } from './observer.js';
import { Oracle, type Violation } from './oracle.js';
import { People } from './people.js';
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
  /** Messages before the first look, which later ones are compared with. */
  warmUp: number;
  /** Messages between two looks. */
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
  /** Answers, what was heard, and joins, by kind. */
  seen: Record<string, number>;
  measures: Measure[];
}

/** Rounds of one seed; the next wave has the next seed, so that a wave is repeated by its own. */
const WAVE = 10;
/** Milliseconds in which a failing round is shrunk. */
const SHRINK = 60_000;
/** Milliseconds in which honest clients have come. */
const ARRIVAL = 30_000;

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
  private readonly looks: Looks;
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
  ) {
    this.looks = new Looks(server, oracle);
  }

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
      measures: this.looks.measures,
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
    const areIn = () => this.observers.every((observer) => observer.isIn) || !this.goesOn;
    await until(areIn, 'honest clients to come', ARRIVAL).catch((error: Error) =>
      this.oracle.violate('honest clients can not come', error.message),
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
    const isDone = () => this.goesOn && (this.isLate || this.sent.messages >= messages);
    const property = fc.asyncProperty(rounds, async (round) => {
      if (isDone() || Date.now() > end) return;
      const before = this.oracle.found;
      await this.play(round);
      if (this.oracle.found === before) return;
      end = Math.min(end, Date.now() + SHRINK);
      throw new Error('violated');
    });
    const details = await fc.check(property, { seed, numRuns: WAVE });
    if (!details.failed) return;
    this.options.log(`violated in the wave of seed ${seed}`);
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

  private async look(): Promise<void> {
    if (!this.goesOn) return;
    const measure = await this.looks.look(this.observers);
    if (measure) this.options.log(`${sentLine(this.sent)}; ${measureLine(measure)}`);
  }

  private async finish(): Promise<void> {
    for (const observer of this.observers.splice(0)) observer.leave();
    await this.looks.emptied(0);
    if (!(await this.server.stop())) this.oracle.violate('the server does not stop');
  }
}

export const sentLine = ({ messages, requests, frames }: Sent): string =>
  `${messages} messages, ${requests} requests, ${frames} frames`;

function measureLine({ heapUsed, rss, totals }: Measure): string {
  const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
  const { entries = 0, sockets = 0 } = totals;
  return `heap ${megabytes(heapUsed)}, rss ${megabytes(rss)}, ${entries} entries in all Maps and Sets, ${sockets} sockets`;
}
