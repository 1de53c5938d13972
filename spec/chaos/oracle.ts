/**
 * Judges what was seen while a history goes on. What must be right once it is quiet is in `quiet.ts`.
 *
 * - One version of a channel in an epoch is one list, whoever sees it; nobody sees an older one after a newer.
 * - Announcements of a channel and epoch have versions without a gap, while somebody is in it.
 * - Under faults that promise it nobody who came back in time was announced to have left, or was told that it is unknown.
 * - No message comes twice.
 */
import type { Announcement } from '../../src/presence/store.js';
import type { UserList } from '../../src/views/user-list.js';
import type { FaultKind } from './history.js';
import type { Tab } from './tab.js';

/** Faults under which a client that comes back in time stays, whatever else happens. */
const PROMISING: ReadonlySet<FaultKind> = new Set(['kill', 'stop']);
/** Milliseconds in which what was so before a stay may still be announced. */
const LATE = 3_000;
/** A client that was connected so short a while ago, milliseconds, was forgotten too soon. */
const FORGETTABLE = 2_500;

export class Oracle {
  readonly violations: string[] = [];
  private tabs: readonly Tab[] = [];
  private tell: (what: string) => void = () => {};
  private promises = true;
  private isDeaf = false;
  private readonly lists = new Map<string, string>();
  private readonly shown = new Map<string, { epoch: string; version: number }>();
  private readonly announced = new Map<string, { version: number; count: number }>();
  /** By clientId and name: where it came from. */
  private readonly messages = new Map<string, string>();

  /** `tell`: hears of each violation at once, so that it stands where it happened. */
  begins(tabs: readonly Tab[], faults: readonly FaultKind[], tell: (what: string) => void): void {
    this.tabs = tabs;
    this.tell = tell;
    this.promises = faults.every((fault) => PROMISING.has(fault));
    this.isDeaf = faults.some((fault) => fault === 'redis-restart' || fault === 'redis-loss');
    this.shown.clear();
    this.messages.clear();
  }

  violate(what: string): void {
    this.violations.push(what);
    this.tell(`WRONG: ${what}`);
  }

  saw(tab: Tab, channel: string, { epoch, version, user_list }: UserList): void {
    const list = user_list.join(' ');
    const place = `${channel} at ${version} of ${epoch}`;
    const known = this.lists.get(place);
    if (known === undefined) this.lists.set(place, list);
    else if (known !== list)
      this.violate(`${place} is two lists: [${known}] and, for ${tab.name}, [${list}]`);
    const seen = `${tab.clientId} ${channel}`;
    const last = this.shown.get(seen);
    if (last?.epoch === epoch && version < last.version)
      this.violate(`${tab.name} was shown ${place} after ${last.version}`);
    this.shown.set(seen, { epoch, version });
  }

  heard(tab: Tab, name: string): void {
    const message = `${tab.clientId} ${name}`;
    const before = this.messages.get(message);
    if (before !== undefined)
      this.violate(`${tab.name} heard message ${name} twice, from ${before} and ${tab.endpoint}`);
    this.messages.set(message, tab.endpoint ?? '');
  }

  forgotten(tab: Tab, gap: number): void {
    if (this.promises && gap < FORGETTABLE)
      this.violate(`${tab.name} was told that it is unknown, ${gap} ms after it was connected`);
  }

  announces({ channel, epoch, version, count, leaves }: Announcement): void {
    const place = `${channel} of ${epoch}`;
    const last = this.announced.get(place);
    if (last && version <= last.version) this.violate(`${place} announced ${version} after ${last.version}`);
    // The listener of the oracle misses what is said while Redis starts.
    else if (last && last.count > 0 && version !== last.version + 1 && !this.isDeaf)
      this.violate(`${place} announced ${version} next to ${last.version}`);
    this.announced.set(place, { version, count });
    if (this.promises) for (const { uid } of leaves) this.left(channel, String(uid), version);
  }

  private left(channel: string, uid: string, version: number): void {
    const now = Date.now();
    const stays = this.tabs.filter((tab) => tab.uid === uid).flatMap((tab) => tab.stays);
    const stay = stays.find((each) => each.channel === channel && each.from < now - LATE && each.to > now);
    // A tab that is away at this moment comes back in time, or its stay has ended then: it is asked once that is known.
    if (stay) setTimeout(() => this.judge(stay.to > now, channel, uid, version), LATE);
  }

  private judge(stayed: boolean, channel: string, uid: string, version: number): void {
    if (stayed) this.violate(`${uid} was announced to have left ${channel} (version ${version}) and had not`);
  }
}
