/** Rounds of clients that come and go while nodes, which write what they tell, and the database die. */
import { setTimeout as pause } from 'node:timers/promises';
import type { JournalEntry } from '../../src/presence/journal.js';
import type { RedisStore } from '../../src/presence/redis-store.js';
import { GROUP } from '../../src/records/batches.js';
import { connect } from '../../src/records/database.js';
import { writeLists } from '../../src/records/online-lists.js';
import { partitionsOf } from '../../src/redis/partitions.js';
import { Random } from '../chaos/random.js';
import { silent } from '../support/log.js';
import { openStore } from '../support/redis-store.js';
import { until } from '../support/until.js';
import { type Fault, makeHistory, type Step, type Timed } from './history.js';
import { wrongIn } from './judge.js';
import type { DatabaseName } from './sql.js';
import { Tab } from './tab.js';
import { NAMESPACE } from './wire.js';
import { World } from './world.js';

export interface CrashOptions {
  seed: number;
  /** The first round to play; those before are left out. */
  first: number;
  rounds: number;
  database: DatabaseName;
  /** Milliseconds over which the steps of a round are spread. */
  lasts: number;
  /** Milliseconds by which what the nodes do may be late. */
  late: number;
  log(line: string): void;
}

export interface Failure {
  round: number;
  violations: string[];
  history: readonly Timed[];
  /** Milliseconds after the begin, and what happened then. */
  told: readonly [number, string][];
  /** The same of what the journal has told. */
  journal: readonly [number, string][];
  logs: string[][];
}

export interface Summary {
  failure: Failure | undefined;
  rounds: number;
  entries: number;
  /** How often each was. */
  faults: Map<string, number>;
  /** How often a node has killed itself at a point. */
  deaths: ReadonlyMap<string, number>;
}

/** Milliseconds in which all must be right once everything is healed. */
const LIMIT = 90_000;

/** Plays until the end, or until something is wrong: then the world is not fit for another round. */
export async function crash(options: CrashOptions): Promise<Summary> {
  const { seed, first, rounds, database, log } = options;
  const world = await World.start(database);
  const { deaths } = world;
  const summary: Summary = { failure: undefined, rounds: 0, entries: 0, faults: new Map(), deaths };
  const stop = () => void world.dispose().then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const reader = new Reader(world.redis.url);
  try {
    await reader.open();
    for (let number = first; number < first + rounds; number += 1) {
      const random = new Random(seed * 1_000_003 + number);
      const history = makeHistory(random, options.lasts);
      const round = new Round({ number, history, world, reader, random, late: options.late });
      const began = Date.now();
      const violations = await round.play().catch((error: Error) => [error.message]);
      const { told, journal } = round;
      summary.rounds += 1;
      summary.entries += round.entries.length;
      for (const name of round.faults) summary.faults.set(name, (summary.faults.get(name) ?? 0) + 1);
      const took = ((Date.now() - began) / 1_000).toFixed(0);
      log(`round ${number}: ${round.entries.length} entries; ${round.faults.join(', ')}; ${took} s`);
      if (violations.length === 0) continue;
      const logs = world.nodes.map((node) => node?.log ?? []);
      summary.failure = { round: number, violations, history, told, journal, logs };
      break;
    }
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await reader.close();
    await world.dispose();
  }
  return summary;
}

/** Hears the journal beside those that write it. */
class Reader {
  private readonly store: RedisStore;

  constructor(source: string) {
    const partitions = (redis: Parameters<typeof partitionsOf>[0]) => partitionsOf(redis, NAMESPACE);
    const window = { base: 50, perUser: 0, max: 50 };
    this.store = openStore({ source, partitions, window, log: silent });
  }

  async open(): Promise<void> {
    await this.store.open();
    await this.store.journal.open('reader');
  }

  async next(): Promise<JournalEntry[]> {
    const { journal } = this.store;
    const entries = await journal.read('reader', 'reader', 10_000, 0);
    await journal.acknowledge('reader', entries);
    return entries;
  }

  /** Entries that are yet to be written, or to be acknowledged. */
  async lag(): Promise<number> {
    return this.store.journal.lag(GROUP);
  }

  async dropped(): Promise<number> {
    return this.store.journal.dropped();
  }

  async close(): Promise<void> {
    await this.store.close();
  }
}

interface RoundOptions {
  number: number;
  history: readonly Timed[];
  world: World;
  reader: Reader;
  random: Random;
  late: number;
}

class Round {
  readonly told: [number, string][] = [];
  readonly entries: JournalEntry[] = [];
  private readonly tabs = new Map<number, Tab>();
  private readonly began = Date.now();

  constructor(private readonly options: RoundOptions) {}

  get journal(): [number, string][] {
    return this.entries.map(({ at, epoch, id, ...rest }) => [at - this.began, JSON.stringify(rest)]);
  }

  get faults(): string[] {
    return this.options.history.flatMap((step) => (step.do === 'fault' ? describe(step.fault) : []));
  }

  /** What was wrong. */
  async play(): Promise<string[]> {
    try {
      for (const step of this.options.history) {
        await pause(Math.max(0, step.at - (Date.now() - this.began)));
        this.tell(JSON.stringify(step));
        this.do(step);
      }
      await this.options.world.healed();
      this.tell('all is healed');
      await until(() => this.isSettled(), 'those that are there to be in, and all others to be out', LIMIT);
      await this.allGo();
      this.tell('everybody has gone');
      await until(() => this.isEmpty(), 'everybody to be out', LIMIT);
      const end = Date.now();
      await until(async () => (await this.options.reader.lag()) === 0, 'all to be written', LIMIT);
      return await this.wrong(end);
    } finally {
      for (const tab of this.all) tab.close();
    }
  }

  private do(step: Step): void {
    if (step.do === 'fault') {
      this.options.world.begin(step.fault, () => this.all, this.options.random.fork());
      return;
    }
    if (step.do === 'open') this.open(step);
    const tab = this.tabs.get(step.tab);
    if (!tab?.isWanted) return;
    if (step.do === 'move') tab.move(this.prefix + step.room);
    else if (step.do === 'show') tab.show(step.hidden);
    else if (step.do === 'disconnect') void tab.disconnect();
    else if (step.do === 'vanish') tab.vanish();
  }

  private open({ tab, uid, room }: Step & { do: 'open' }): void {
    this.tabs.set(
      tab,
      new Tab({
        uid,
        room: this.prefix + room,
        time: `${this.prefix}/time/1`,
        random: this.options.random.fork(),
        late: this.options.late,
        endpoints: () => this.options.world.endpoints(),
      }),
    );
  }

  private async isSettled(): Promise<boolean> {
    const living = this.all.filter(({ isWanted }) => isWanted);
    if (!living.every(({ isSettled }) => isSettled)) return false;
    const wanted = living.flatMap(({ channels, clientId }) => channels.map((each) => `${each} ${clientId}`));
    const present = await this.present();
    return present.size === wanted.length && wanted.every((each) => present.has(each));
  }

  private async isEmpty(): Promise<boolean> {
    return (await this.present()).size === 0;
  }

  /** By what the journal has told so far. */
  private async present(): Promise<Set<string>> {
    this.entries.push(...(await this.options.reader.next()));
    const present = new Set<string>();
    for (const entry of this.entries) {
      if (!('channel' in entry)) continue;
      const stay = `${entry.channel} ${entry.clientId}`;
      if (entry.type === 'in') present.add(stay);
      else present.delete(stay);
    }
    return present;
  }

  private async allGo(): Promise<void> {
    const living = this.all.filter(({ isWanted }) => isWanted);
    await Promise.all(
      living.map((tab) => (this.options.random.chance(0.5) ? tab.disconnect() : tab.vanish())),
    );
  }

  private async wrong(end: number): Promise<string[]> {
    const database = await connect(this.options.world.sql.url);
    try {
      const { prefix, entries, all: tabs, began: begun } = this;
      const wrong = await wrongIn(database, { prefix, entries, tabs, begun, end });
      // Those that are due, by whatever clock.
      await writeLists(database, Date.now() + 60_000);
      const lists = await database.tables
        .selectFrom('faye_channel_online_lists')
        .select('user_info_list')
        .where('user_info_list', '!=', '[]')
        .execute();
      const dropped = await this.options.reader.dropped();
      return [
        ...wrong,
        ...lists.map(({ user_info_list }) => `a list of who is there: ${user_info_list}`),
        ...(dropped > 0 ? [`${dropped} entries were dropped`] : []),
      ];
    } finally {
      await database.close();
    }
  }

  private get all(): Tab[] {
    return [...this.tabs.values()];
  }

  private get prefix(): string {
    return `/round${this.options.number}`;
  }

  private tell(what: string): void {
    this.told.push([Date.now() - this.began, what]);
  }
}

const describe = (fault: Fault): string => (fault.kind === 'die' ? `die ${fault.point}` : fault.kind);
