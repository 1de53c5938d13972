/**
 * Judges what was seen while a history goes on. What must be right once it is quiet is in `quiet.ts`.
 *
 * - One version of a channel in an epoch is one list, whoever sees it; nobody sees an older one after a newer.
 * - No tab is shown the same list again and again.
 * - Lists and announcements fold to the same lists.
 * - Announcements of a channel and epoch have versions without a gap, while somebody is in it.
 * - Under faults that promise it nobody who came back in time was announced to have left, or was told that it is unknown.
 * - No message comes twice to a client, unless it changed nodes during an outage.
 */
import type { Announcement } from '../../src/presence/store.js';
import type { UserList } from '../../src/views/user-list.js';
import type { Outage } from './faults.js';
import { Folds } from './folds.js';
import { awayFor, faultsOf, keepsEverybody, type Timed } from './history.js';
import { Repeats } from './repeats.js';
import type { Stay, Tab } from './tab.js';

/** Milliseconds in which what was so before a stay may still be announced. */
const LATE = 3_000;
/** Milliseconds that a list may have waited for the tab that it is shown to, or an announcement for a Redis that is there. */
const OLD = 9_000;
/** Milliseconds that a Redis Cluster is away for longer than its master was. */
const AGREE = 2_000;
/** Milliseconds after an outage until nodes have sent what waited, and have checked which clients are still theirs. */
const RECOVERS = 5_000;
/** Milliseconds that a poll at the node before may be open when its client has moved. */
const OPEN_POLL = 7_000;

export class Oracle {
  readonly violations: string[] = [];
  private tabs: readonly Tab[] = [];
  private tell: (what: string) => void = () => {};
  private promises = true;
  private old = OLD;
  private isDeaf = false;
  private folds = new Folds();
  private repeats = new Repeats();
  private readonly lists = new Map<string, string>();
  private readonly shown = new Map<string, { epoch: string; version: number }>();
  private readonly announced = new Map<string, { version: number; count: number }>();
  /** By clientId and name: where it came from, and when; milliseconds since 1970. */
  private readonly messages = new Map<string, { from: string; at: number }>();
  private outages: readonly Outage[] = [];

  constructor(private readonly options: { isRedisCluster?: boolean }) {}

  /** `outages` grows as faults begin. `tell`: gets each violation at once, so that it stands where it happened. */
  begins(
    tabs: readonly Tab[],
    history: readonly Timed[],
    outages: readonly Outage[],
    tell: (what: string) => void,
  ): void {
    this.tabs = tabs;
    this.outages = outages;
    this.tell = tell;
    const faults = faultsOf(history);
    const { isRedisCluster = false } = this.options;
    const more = isRedisCluster ? AGREE : 0;
    this.promises = keepsEverybody(faults, more);
    this.old = OLD + awayFor(faults, more);
    this.isDeaf = faults.some(
      ({ kind }) =>
        ['redis-restart', 'redis-loss', 'redis-older'].includes(kind) ||
        (isRedisCluster && kind === 'redis-freeze'),
    );
    this.folds = new Folds();
    this.repeats = new Repeats();
    this.shown.clear();
    this.messages.clear();
  }

  /** To be called once everybody has gone. Returns how many lists were compared with what they fold to. */
  ends(): number {
    for (const wrong of this.folds.judge()) this.violate(wrong);
    return this.folds.compared;
  }

  violate(what: string): void {
    this.violations.push(what);
    this.tell(`WRONG: ${what}`);
  }

  saw(tab: Tab, channel: string, shown: UserList): void {
    const { epoch, version, user_list } = shown;
    this.folds.saw(channel, shown);
    const list = user_list.join(' ');
    const place = `${channel} at ${version} of ${epoch}`;
    const known = this.lists.get(place);
    if (known === undefined) this.lists.set(place, list);
    else if (known !== list)
      this.violate(`${place} is two lists: [${known}] and, for ${tab.name}, [${list}]`);
    if (this.repeats.isTooOften(tab.name, place))
      this.violate(`${tab.name} is shown ${place} again and again`);
    const seen = `${tab.clientId} ${channel}`;
    const last = this.shown.get(seen);
    if (last?.epoch === epoch && version < last.version)
      this.violate(`${tab.name} was shown ${place} after ${last.version}`);
    this.shown.set(seen, { epoch, version });
    if (this.promises) this.judgeList(tab, place, channel, new Set(user_list.map(String)));
  }

  heard(tab: Tab, name: string): void {
    const message = `${tab.clientId} ${name}`;
    const before = this.messages.get(message);
    if (before && !this.movedInAnOutage(tab, before.at))
      this.violate(`${tab.name} heard message ${name} twice, from ${before.from} and ${tab.endpoint}`);
    this.messages.set(message, { from: tab.endpoint ?? '', at: Date.now() });
  }

  /** Whether the client changed nodes during an outage, between the first and the second time that it got a message. */
  private movedInAnOutage({ moves }: Tab, firstAt: number): boolean {
    return moves
      .filter((at) => at >= firstAt - OPEN_POLL)
      .some((at) => this.outages.some(({ from, to }) => at >= from && at <= to + RECOVERS));
  }

  hasHeard({ clientId }: Tab, name: string): boolean {
    return this.messages.has(`${clientId} ${name}`);
  }

  forgotten(tab: Tab, gap: number): void {
    if (this.promises)
      this.violate(`${tab.name} was told that it is unknown, ${gap} ms after it was connected`);
  }

  announces(announcement: Announcement): void {
    const { channel, epoch, version, count, leaves } = announcement;
    this.folds.announces(announcement);
    const place = `${channel} of ${epoch}`;
    const last = this.announced.get(place);
    if (last && version <= last.version) this.violate(`${place} announced ${version} after ${last.version}`);
    // The listener of the oracle misses what is said while Redis starts, or one master does not hear the others.
    else if (last && last.count > 0 && version !== last.version + 1 && !this.isDeaf)
      this.violate(`${place} announced ${version} next to ${last.version}`);
    this.announced.set(place, { version, count });
    for (const { uid } of this.promises ? leaves : []) {
      this.lacks(channel, String(uid), LATE, `${uid} left ${place} by announcement ${version}, and had not`);
    }
  }

  private judgeList(tab: Tab, place: string, channel: string, listed: ReadonlySet<string>): void {
    for (const uid of new Set(this.tabs.map((each) => each.uid))) {
      if (!listed.has(uid))
        this.lacks(channel, uid, this.old, `${tab.name} was shown ${place} without ${uid}, who was there`);
    }
  }

  /** A tab that was there for a while, and has not been away for long since. */
  private lacks(channel: string, uid: string, since: number, what: string): void {
    const now = Date.now();
    for (const tab of this.tabs) {
      const was = tab.uid === uid && tab.stays.find((stay) => covers(stay, channel, now - since, now));
      if (!was) continue;
      // What it does at this moment may end its stay: it is asked once that is known.
      setTimeout(() => {
        if (was.to > now && !tab.isOverdue) this.violate(what);
      }, LATE);
      return;
    }
  }
}

const covers = (stay: Stay, channel: string, from: number, to: number): boolean =>
  stay.channel === channel && stay.from < from && stay.to > to;
