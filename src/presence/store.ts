/**
 * Where presence is kept: the port, with its two drivers `memory-store.ts` and `redis-store.ts`.
 *
 * Every method is one atomic step. All are idempotent, so that a step whose answer was lost may be done again.
 * Time is the store's own clock, never the caller's. All reject with an error where the store is away; then it is
 * unknown whether the step was done.
 */
import type { User } from './identity.js';
import type { Journal } from './journal.js';

/** What entering or leaving did. */
export interface Transition {
  /** True for the user's first client in the channel, or its last: a join or a leave. */
  changed: boolean;
  /** Milliseconds until the change is due to be announced, where this very step marked the channel; else null. */
  dueIn: number | null;
}

export interface Change {
  type: 'join' | 'leave';
  user: User;
}

/** Who is in a channel now; what is not announced yet included. */
export interface Members {
  /** All users, also those that the list was cut short of. */
  count: number;
  /** Oldest first, at most as many as were asked for. */
  users: User[];
}

/** A channel as it was last announced: one (epoch, version) is one list. */
export interface Snapshot extends Members {
  epoch: string;
  version: number;
}

/** Changes claimed for announcing. They stay pending until they are announced. */
export interface Taken {
  epoch: string;
  /** The version of the last announcement; the next is this + 1. */
  version: number;
  count: number;
  /** All that are pending, in order. */
  changes: Change[];
}

/** The net change of one window. */
export interface Announcement {
  channel: string;
  epoch: string;
  version: number;
  /** Users in the channel once the change is applied. */
  count: number;
  joins: User[];
  leaves: User[];
  /** The node that announced it. */
  node: string;
}

export interface Announced {
  /** False where the claim had been lost to another node, which then announces. */
  done: boolean;
  /** Milliseconds until what came in meanwhile is due, or null. */
  dueIn: number | null;
}

/** How long changes are gathered: `base + perUser × users`, at most `max`; milliseconds. */
export interface Window {
  base: number;
  perUser: number;
  max: number;
}

/** Of a new epoch: whether it is that of this client or channel. */
export type Concerns = (clientIdOrChannel: string) => boolean;

/** Who is in which channel, and what of it is yet to be announced: marked by entering and leaving, then taken, then announced. */
export interface Channels {
  /** At most `limit` users, oldest first. As `snapshot`, not before the nodes of a new epoch had the time to say who is there. */
  members(channel: string, limit: number): Promise<Members>;
  /**
   * At most `limit` users, oldest first. In a new epoch it takes until the nodes had the time to say who is there, and
   * that is announced: before, there is no list.
   */
  snapshot(channel: string, limit: number): Promise<Snapshot>;
  /**
   * Claims what is pending. Null where another claim holds, which expires after `CLAIM_TTL` ms, so that the changes
   * of a node that died are taken over. A number where nothing is announced yet, in the first seconds of a new epoch: how
   * many milliseconds that is.
   */
  take(channel: string, claim: string): Promise<Taken | number | null>;
  /**
   * Checks the claim, and in the same step bumps the version, sends the announcement to all nodes and trims the
   * `taken` changes. Without an announcement (nothing changed on balance) it only trims.
   */
  announce(
    channel: string,
    claim: string,
    taken: number,
    announcement: Announcement | null,
  ): Promise<Announced>;
  /** At most `limit` channels whose changes are due for more than `grace` ms: somebody should have announced them. */
  overdue(grace: number, limit: number): Promise<string[]>;
  /** Hears every announcement of every node, this one's too, in order per channel. */
  onAnnouncement(listener: (announcement: Announcement) => void): void;
}

/** A client in a channel, as the channel has it. */
export interface Member {
  channel: string;
  user: User;
  clientId: string;
  /** In which generation and revision it is in, where the client's record is in another partition; or empty. */
  row: string;
}

export interface Upkeep {
  /**
   * Calls `look` with members, some at a time, once in each epoch, and after an end that found no record: Redis may have lost one
   * thing, and kept another. Done again at the next call where `look` rejects.
   */
  orphans(look: (members: readonly Member[]) => Promise<void>): Promise<void>;
  /** Takes a member out of its channel that the client's record does not have there, unless it has entered since. */
  sweep(member: Member): Promise<Transition>;
  /** True for one holder at a time, for `ttl` ms at most. */
  lock(holder: string, ttl: number): Promise<boolean>;
  unlock(holder: string): Promise<void>;
}

/** An administrator's word: who is to go, and for how many milliseconds to stay away. */
export interface Order {
  clientId?: string;
  uid?: string | number;
  awayFor: number;
}

export interface Ban {
  uid: string;
  left: number;
}

export interface Orders {
  /** Keeps a user out for as many milliseconds. */
  ban(uid: string | number, milliseconds: number): Promise<void>;
  /** For how many milliseconds a user is to stay away; 0 where it may come. */
  bannedFor(uid: string | number): Promise<number>;
  /** All who are to stay away, and for how many milliseconds yet. */
  banned(): Promise<Ban[]>;
  /** Tells every node, this one too. */
  order(order: Order): Promise<void>;
  onOrder(listener: (order: Order) => void): void;
}

export interface StoreStatus {
  /** For people: `memory`, `Redis at 127.0.0.1:6379`. */
  readonly description: string;
  /** Whether it can be asked now. */
  readonly connected: boolean;
  /** False where it can't be asked now, or refuses what it is asked, and other nodes may do better. */
  readonly ready: boolean;
  /** For people, what can't be asked now: null where all can. */
  readonly outage: string | null;
}

export interface StoreEpochs {
  /** Those that go on: one, or with Redis Cluster one of each partition. None where that is not known for certain. */
  readonly all: readonly string[];
  /** The epoch that a channel's entries in the journal are of; empty where none is known yet. */
  of(channel: string): string;
  /**
   * What is in the store may be less, or older, than it was: another Redis, or a restarted one, is in its place. `begin`: before
   * anything is written there. Called again, later, where a listener rejects.
   */
  on(when: 'begin' | 'change', listener: (concerns: Concerns) => Promise<void>): void;
}

export interface Store {
  readonly status: StoreStatus;
  readonly epochs: StoreEpochs;
  readonly channels: Channels;
  readonly orders: Orders;
  readonly upkeep: Upkeep;
  /** Who came and went, for those who write it down. */
  readonly journal: Journal;
  /** This node receives announcements again; it may have missed some. */
  onHearing(listener: () => void): void;
  /** Resolves once it can be asked, or rejects with the reason why it never will. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds after which another node may take over an announcement. */
export const CLAIM_TTL = 2_000;
