/**
 * Where presence is kept: the port, with its two drivers `memory-store.ts` and `redis-store.ts`.
 *
 * Every method is one atomic step. All are idempotent, so that a step whose answer was lost may be done again.
 * Time is the store's own clock, never the caller's. All reject with an error where the store is away; then it is
 * unknown whether the step was done.
 */
import type { Identity, User } from './identity.js';
import type { Journal } from './journal.js';
import type { Visibility } from './visibility.js';

/** A client as the store knows it. `ending` is for good: it is followed by nothing but `forget`. */
export interface ClientRecord {
  identity: Identity;
  /** Where the client means to be, by the last intent. */
  channels: string[];
  /** What it may be in beside that: intended or entered before, and not yet settled. */
  leaving: string[];
  /** When it meant to, ms, or to end; 0 before the first intent. */
  intended: number;
  /** Null where the client has said nothing of it. */
  visibility: Visibility | null;
  state: 'bound' | 'in' | 'ending';
}

/** That a client is about to enter channels. */
export interface Intent {
  /** When that was, ms. No two of a client are the same; the later is the higher. */
  at: number;
  /** What it may be in beside the channels, which is to be left. */
  leave: string[];
  /** As the client's record has it. */
  visibility: Visibility | null;
}

/** What entering or leaving did. */
export interface Transition {
  /** True for the user's first client in the channel, or its last: a join or a leave. */
  changed: boolean;
  /** Milliseconds until the change is due to be announced, where this very step marked the channel; else null. */
  dueIn: number | null;
}

/** What entering did. */
export interface Entered extends Transition {
  /** Since when the user is in the channel: microseconds since 1970. */
  since: number;
  /** When this step made the client come, as the journal says it: ms since 1970. Null for one that was in, or goes on. */
  came: number | null;
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

/** Clients: who each is, and where it may be. */
export interface ClientRecords {
  /** Binds an identity to a client, and refreshes it for the same user. Another user's stays: compare what comes back. */
  bind(clientId: string, identity: Identity): Promise<ClientRecord>;
  read(clientId: string): Promise<ClientRecord | null>;
  /**
   * Writes down where the client is about to be, and what it is to leave. Null where the client is unknown or ending: then
   * it must not enter.
   */
  intend(clientId: string, channels: readonly string[]): Promise<Intent | null>;
  /**
   * Forgets what the client had to leave by an intent, after it was left. False where it is not the last intent any more,
   * or the client is unknown or ending: then this has changed nothing.
   */
  settle(clientId: string, intended: number): Promise<boolean>;
  /**
   * Writes down whether the client's page is hidden, journals it where that is a change, and tells what it is now. Null
   * where the client is unknown or ending: then this has changed nothing.
   */
  setVisibility(clientId: string, hidden: boolean, how?: VisibilitySetting): Promise<Visibility | null>;
  /** Hears of changes that nodes have written of clients which are not their own. */
  onVisibility(listener: (clientId: string, visibility: Visibility) => void): void;
  /** Marks the client as ending, so that nothing enters any more, and tells what must be left. */
  beginEnd(clientId: string): Promise<ClientRecord | null>;
  /** The end of the end. Does nothing for a client that is not ending: it is back, as a new stay. */
  forget(clientId: string): Promise<void>;
  /** Tells the other nodes that a client is in other channels than they may remember, or somebody else. */
  tellMoved(clientId: string): Promise<void>;
  /** Hears it of other nodes' clients, in its time. */
  onMoved(listener: (clientId: string) => void): void;
  /** This node can be told again what others did; while it was not, it may have missed it. */
  onHearing(listener: () => void): void;
  /**
   * What is in the store may be less, or older, than it was: another Redis, or a restarted one, is in its place. Of the
   * clients and channels that are concerned this node says again what it knows. Called again, later, where the listener
   * rejects.
   */
  onEpoch(listener: (concerns: Concerns) => Promise<void>): void;
}

export interface VisibilitySetting {
  /**
   * Since when it is so, as `setVisibility` has said, for what is said again after the store has lost its data. It counts
   * where the record knows nothing as late.
   */
  since?: number;
  /** The client is not this node's: the one that has it is to hear of a change. Default: false. */
  elsewhere?: boolean;
}

/** Of a new epoch: whether it is that of this client or channel. */
export type Concerns = (clientIdOrChannel: string) => boolean;

/** Channels: who is in. */
export interface Memberships {
  /**
   * `intended`: when the client meant to, as `intend` has said. `since`: for a stay that goes on after the store has lost
   * its data: when it began, as `enter` has said; it is not journalled.
   *
   * The name of a user is that of the newest client that has come. `isRenamed`: also where this client is in already. Another
   * name is announced.
   *
   * Null where it is refused: the client has ended since, or was moved, or it meant to too long ago to know. Then this
   * has changed nothing.
   */
  enter(
    channel: string,
    user: User,
    clientId: string,
    intended: number,
    since?: number,
    isRenamed?: boolean,
  ): Promise<Entered | null>;
  /**
   * `intended`: when the client meant to be elsewhere, as `intend` has said, or to end, as `beginEnd` has; null where it is
   * not known any more. `at`: when it was, for the journal, where that was not now: ms since 1970. Changes nothing where the
   * client means to be there, by a later intent; what was meant before does not enter any more.
   */
  leave(
    channel: string,
    uid: string | number,
    clientId: string,
    intended: number | null,
    at?: number,
  ): Promise<Transition>;
  /** At most `limit` users, oldest first. As `snapshot`, not before the nodes of a new epoch had the time to say who is there. */
  members(channel: string, limit: number): Promise<Members>;
  /**
   * At most `limit` users, oldest first. In a new epoch it takes until the nodes had the time to say who is there, and
   * that is announced: before, there is no list.
   */
  snapshot(channel: string, limit: number): Promise<Snapshot>;
}

/** Announcements: mark (by enter and leave), take, announce. */
export interface Announcements {
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

/** A client in a channel. */
export interface Member {
  channel: string;
  user: User;
  clientId: string;
  /** The intent by which it is in, ms; null where that is not known. */
  intended: number | null;
}

/** For the reaper: which clients to look at, and who looks. */
export interface Upkeep {
  /** At most `limit` clients that nobody looked at for `age` ms, in each partition longest first. */
  unchecked(age: number, limit: number): Promise<string[]>;
  checked(clientIds: readonly string[]): Promise<void>;
  /**
   * Calls `look` with members that may be of clients which nobody knows, some at a time, once in each epoch, and after an end
   * that found no record: Redis may have lost one thing, and kept another. Done again at the next call where `look` rejects.
   */
  strays(look: (members: readonly Member[]) => Promise<void>): Promise<void>;
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

export interface Store extends ClientRecords, Memberships, Announcements, Upkeep, Orders {
  /** Who came and went, for those who write it down. */
  readonly journal: Journal;
  /** For people: `memory`, `Redis at 127.0.0.1:6379`. */
  readonly description: string;
  /** Whether it can be asked now. */
  readonly connected: boolean;
  /** False where it can't be asked now, or refuses what it is asked, and other nodes may do better. */
  readonly ready: boolean;
  /** For people, what can't be asked now: null where all can. */
  readonly outage: string | null;
  /** The epochs that go on: one, or with Redis Cluster one of each partition. None where that is not known for certain. */
  readonly epochs: readonly string[];
  /** The epoch that a channel's entries in the journal are of; empty where none is known yet. */
  epochOf(channel: string): string;
  /** Resolves once it can be asked, or rejects with the reason why it never will. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds after which another node may take over an announcement. */
export const CLAIM_TTL = 2_000;
