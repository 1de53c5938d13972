/** Plays one history on a cluster, and waits until all is right; then ends everybody, and waits until nothing is left. */
import type { Cluster } from './cluster.js';
import { describe, Faults, pause } from './faults.js';
import {
  type FaultKind,
  faultsOf,
  hidesClients,
  LOSES_DATA,
  type Open,
  type Step,
  type Timed,
} from './history.js';
import { Journal } from './journal.js';
import type { Oracle } from './oracle.js';
import { leftOver, wrongWithLists } from './quiet.js';
import type { Random } from './random.js';
import { Tab, type Watcher } from './tab.js';

export interface Told {
  at: number;
  what: string;
}

export interface Outcome {
  faults: FaultKind[];
  /** Milliseconds from when all was healed and done until every list was right. */
  rightAfter: number;
  /** Milliseconds from when the last tab had gone until nothing was left. */
  emptyAfter: number;
  /** Lists that were compared with what they fold to. */
  folds: number;
  /** What happened, in order. */
  told: Told[];
}

/** Milliseconds in which lists must be right where nothing but nodes died, and where Redis was away, or a node stood still. */
const SOON = 15_000;
const LATE = 25_000;
const DEATHS: ReadonlySet<FaultKind> = new Set(['kill', 'stop']);
/** Milliseconds for all else. */
const LIMIT = 30_000;
/** Milliseconds for which it must stay so. */
const HOLDS = 2_000;
const LOOK_EVERY = 200;
/** Milliseconds after a fault in which it may yet have consequences: a lease, and the end of a dead node's clients. */
const CONSEQUENCES: Partial<Record<FaultKind, number>> = { kill: 14_000, stop: 6_000, freeze: 14_000 };

export interface RoundOptions {
  cluster: Cluster;
  oracle: Oracle;
  history: readonly Timed[];
  random: Random;
}

export class Round {
  /** Milliseconds since 1970. */
  began = 0;
  private readonly told: Told[] = [];
  private readonly tabs = new Map<number, Tab>();
  private readonly all: Tab[] = [];
  private readonly faults: Faults;
  private readonly journal: Journal;
  /** Whoever comes back by another node is not kept for so long there, if that is stopped. */
  private readonly onlyKills: boolean;

  constructor(private readonly options: RoundOptions) {
    this.journal = new Journal(options.cluster.servers);
    this.onlyKills = faultsOf(options.history).every(({ kind }) => kind === 'kill');
    this.faults = new Faults(options.cluster, (what) => this.tell(what));
  }

  async play(): Promise<Outcome> {
    const { history, oracle, cluster } = this.options;
    const faults = faultsOf(history).map(({ kind }) => kind);
    const keepsJournal = !faults.some((fault) => LOSES_DATA.has(fault));
    oracle.begins(this.all, history, this.faults.outages, (what) => this.tell(what));
    await this.journal.begin();
    this.began = Date.now();
    try {
      for (const step of history) {
        await pause(step.at - (Date.now() - this.began));
        this.do(step);
      }
      await this.faults.healed();
      this.tell('all is healed and done');
      const within = faults.every((fault) => DEATHS.has(fault)) ? SOON : LATE;
      const rightAfter = await this.until('right', () => wrongWithLists(cluster, this.all), HOLDS, within);
      await this.consequences();
      await this.until('right to the end', () => wrongWithLists(cluster, this.all), 0);
      await this.callTheRoll();
      if (keepsJournal) await this.judgeJournal();
      const emptyAfter = await this.end();
      if (keepsJournal) await this.judgeJournal();
      return { faults, rightAfter, emptyAfter, folds: oracle.ends(), told: this.told };
    } finally {
      for (const tab of this.all) tab.dispose();
    }
  }

  /** What has happened so far. */
  get events(): readonly Told[] {
    return this.told;
  }

  private do(step: Step): void {
    if (step.do === 'fault') {
      this.faults.begin(step.fault);
      return;
    }
    if (step.do === 'open') this.open(step);
    const tab = this.tabs.get(step.tab);
    if (!tab?.isWanted) return;
    this.tell(`${tab.name}: ${step.do}${'room' in step ? ` ${step.room}` : ''}`);
    this.act(tab, step);
  }

  private act(tab: Tab, step: Exclude<Step, { do: 'fault' }>): void {
    if (step.do === 'move') tab.move(step.room);
    else void tab[step.do]();
  }

  private open({ tab: number, uid, transport, room, roams = false }: Open): void {
    const random = this.options.random.fork();
    const tab = new Tab({ number, uid, transport, room, roams, random, watcher: this.watcher });
    this.tabs.set(number, tab);
    this.all.push(tab);
  }

  /** Somebody on each node says something, and everybody hears it. */
  private async callTheRoll(): Promise<void> {
    const { oracle } = this.options;
    const living = this.all.filter(({ isWanted }) => isWanted);
    const speakers = [...new Map(living.map((tab) => [tab.endpoint, tab])).values()];
    this.tell(`${speakers.map(({ name }) => name).join(', ')} call the roll`);
    const names = await Promise.all(speakers.map((tab) => tab.publish()));
    const missed = async () => {
      for (const tab of living) {
        const name = names.find((each) => !oracle.hasHeard(tab, each));
        if (name !== undefined) return `${tab.name} has not heard ${name}`;
      }
      return undefined;
    };
    await this.until('heard by all', missed, 0);
  }

  /** A tab that went without a word is out only some time later, also where its user's list is right by another tab. */
  private async judgeJournal(): Promise<void> {
    const wrong = async () => {
      const living = this.all.filter(({ isWanted }) => isWanted);
      const stays = living.flatMap(({ channels, clientId }) =>
        channels.map((channel) => `${channel} ${clientId}`),
      );
      return this.journal.wrong(stays);
    };
    await this.until('written down', async () => (await wrong()).yet.join('; ') || undefined, 0);
    for (const each of (await wrong()).forGood) this.options.oracle.violate(each);
  }

  /** Half of them say so, and half just go. */
  private async end(): Promise<number> {
    const { cluster, random } = this.options;
    const living = this.all.filter(({ isWanted }) => isWanted);
    await Promise.all(living.map((tab) => (random.chance(0.5) ? tab.disconnect() : tab.vanish())));
    for (const tab of this.all) tab.dispose();
    this.tell('everybody has gone');
    return this.until('empty', () => leftOver(cluster), 0);
  }

  /** What a fault leads to may come when all has long been right. */
  private async consequences(): Promise<void> {
    const due = this.options.history.map((step) =>
      step.do === 'fault' ? step.at + (CONSEQUENCES[step.fault.kind] ?? 0) : 0,
    );
    await pause(Math.max(0, ...due) - (Date.now() - this.began));
  }

  /** Milliseconds until nothing was wrong any more, and stayed so. */
  private async until(
    what: string,
    look: () => Promise<string | undefined>,
    holds: number,
    limit = LIMIT,
  ): Promise<number> {
    const began = Date.now();
    let right: number | undefined;
    let wrong: string | undefined;
    for (;;) {
      const found = await look().catch((error: Error) => `it could not be asked: ${error.message}`);
      if (found !== wrong) this.tell(found === undefined ? `${what}` : `not ${what} yet: ${found}`);
      wrong = found;
      const now = Date.now();
      right = wrong === undefined ? (right ?? now) : undefined;
      if (right !== undefined && now - right >= holds) return right - began;
      if (now - began > limit + holds) break;
      await pause(LOOK_EVERY);
    }
    this.options.oracle.violate(`not ${what} after ${limit} ms: ${wrong}`);
    return Number.POSITIVE_INFINITY;
  }

  private tell(what: string): void {
    this.told.push({ at: Date.now() - this.began, what });
  }

  private get watcher(): Watcher {
    const { oracle, cluster } = this.options;
    return {
      endpoints: () => cluster.endpoints,
      hidesClients: hidesClients(faultsOf(this.options.history)),
      wasKilled: (endpoint) => this.onlyKills && cluster.killed.has(endpoint),
      saw: (tab, channel, list) => oracle.saw(tab, channel, list),
      heard: (tab, name) => oracle.heard(tab, name),
      forgotten: (tab, gap) => oracle.forgotten(tab, gap),
      refused: (tab, error) => oracle.violate(`${tab.name} was refused for ever: ${error}`),
      tell: (what) => this.tell(what),
    };
  }
}

/** The history as it was planned, a line a step. */
export const planned = (history: readonly Timed[]): string[] =>
  history.map(({ at, ...step }) => {
    const { do: what, ...rest } = step;
    return `${seconds(at)} ${step.do === 'fault' ? describe(step.fault) : `${what} ${JSON.stringify(rest)}`}`;
  });

export const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(2).padStart(6)} s`;
