/**
 * The domain: who is in which channel, and when that begins and ends. It knows clients by their clientId and users by
 * their identity; nothing of sockets, nodes or HTTP.
 *
 * Invariant: a membership exists only for a client that exists, or will soon be ended. What could break it is a client
 * that ends while it enters, on this node or another. So:
 * - enter writes the intended channels to the client's record, enters, then asks again whether the client exists; if
 *   not, it ends it;
 * - end marks the record as ending, reads its channels, leaves them, then removes the record.
 * Whatever the order, one of the two sees the other: an intent after the mark is refused; an intent before it is read
 * by the end; and an enter that lands after the end has begun is refused, because the record does not say any more that
 * the client means to enter. Where the store can't see the record in the same step, and the enter may land after all, it
 * is undone by the one that entered, which keeps in `unsettled` where it meant to enter until that is certain.
 * Where the store could not be asked it stays there, and `settle` makes it right.
 *
 * Two nodes may enter a client at once, with different channels: whoever has meant it last moves it. An intent tells, in
 * the same step, all that the client may be in beside; that is left, and stays in the record as `leaving` until it is.
 * What an earlier one (A) enters while a later one (B) moves the client:
 * - A enters, B means: B has been told of it, and leaves it;
 * - B means, A enters: refused, as the record means B's channels. A finds the later intent as it binds again, and gives way;
 * - B means, A enters in another partition, which can't see the record, before B leaves it: B leaves it;
 * - the same after B has left it: A asks for the last intent after its enter, finds B's, and leaves what that does not mean;
 * - B leaves, late, what a third (C) has meant again: refused, as the record means it; in another partition, which can't see
 *   the record, B tells it, as it has left something, and C enters again. It hears it in time also where it is still moving
 *   (`doubted`). Where it could not hear for a while, it takes it that it was told (`doubtAll`).
 * Only the last intent's node settles the record, so that `leaving` keeps what an earlier one has left too early.
 *
 * Where the store has lost its data, each node knows the stays of its own clients, and since when they are; `resume` says
 * them again, in the same steps.
 *
 * Calls for one client must come one after the other (`ClientQueues`); calls of two nodes may overlap.
 */
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { Away } from '../away.js';
import { allSettled } from './all-settled.js';
import type { Announcer } from './announcer.js';
import { Coalesced } from './coalesced.js';
import { type Identity, publicUser, type User, userKey } from './identity.js';
import type { ClientRecord, Concerns, Entered, Members, Snapshot, Store, Transition } from './store.js';
import { laterOf, type Visibility } from './visibility.js';

export interface PresenceOptions {
  store: Store;
  announcer: Announcer;
  /** The engine's word. Rejects where it can't tell. */
  clientExists(clientId: string): Promise<boolean>;
  /** Whether the client is this node's. */
  has(clientId: string): boolean;
  /** Users in a snapshot. */
  listLimit: number;
  log: Logger;
}

interface PresenceEvents {
  /** This node made a user's first client enter the channel. */
  join: [channel: string, user: User];
  /** This node made a user's last client leave the channel. */
  leave: [channel: string, user: User];
}

interface LocalClient {
  identity: Identity;
  /** The channels that it is in for certain; null until it has entered on this node. */
  channels: readonly string[] | null;
  /** By channel: since when its user is there, microseconds. */
  since: ReadonlyMap<string, number>;
  /** By channel: when it came itself, ms, where this node brought it there. */
  came: ReadonlyMap<string, number>;
  /** The identity that it entered them with. */
  enteredAs: Identity | null;
  /** When this node meant to move it last, ms; null where it could not. */
  intended: number | null;
  /** Whether another node has moved it since. */
  doubted: boolean;
  /** Whether another node may have moved it since: this one would not have heard of it. */
  stale: boolean;
  /** The last that is known of it here; null where nothing is. */
  visibility: Visibility | null;
  usedAt: number;
}

/** A client in a channel, as its node knows it. */
export interface Membership {
  channel: string;
  clientId: string;
  user: User;
  /** Since when, ms since 1970: the client, where this node brought it there, or else its user. */
  at: number;
  /** What the client has said of its page; null where nothing is known. */
  visibility: Visibility | null;
}

/** How often an enter is tried that was refused to a client which lives. */
const TRIES = 3;
/** Milliseconds that it is remembered that nobody has proven to be a client. */
const NOBODY_FOR = 1_000;
const NEVER: ReadonlyMap<string, number> = new Map();
/** Where a client is that this node has not brought anywhere yet. */
const UNKNOWN = {
  channels: null,
  since: NEVER,
  came: NEVER,
  enteredAs: null,
  intended: null,
  doubted: false,
  stale: false,
  visibility: null,
};

export class Presence extends EventEmitter<PresenceEvents> {
  private readonly local = new Map<string, LocalClient>();
  /** Where clients may be whose last step in the store is under way, or has an unknown outcome. */
  private readonly unsettled = new Map<string, { user: User; channels: Set<string> }>();
  /** Clients of this node that nobody has proven to be, and until when that counts. */
  private readonly nobodies = new Map<string, { until: number }>();
  private readonly snapshots: Coalesced<Snapshot>;

  constructor(private readonly options: PresenceOptions) {
    super();
    this.snapshots = new Coalesced((channel) => options.store.snapshot(channel, options.listLimit));
  }

  /** Who is in a channel now, oldest first, at most `limits.userListLimit`; `count` counts all. */
  list(channel: string): Promise<Members> {
    return this.options.store.members(channel, this.options.listLimit);
  }

  /** A channel as it was last announced, by its version; shared among all who ask at the same time. */
  snapshot(channel: string): Promise<Snapshot> {
    return this.snapshots.get(channel);
  }

  /** What this node knows of a client without asking the store. */
  known(clientId: string): Identity | undefined {
    const client = this.local.get(clientId);
    if (client) client.usedAt = Date.now();
    return client?.identity;
  }

  /** Who a client is, as bound on whichever node; null for a client that nobody has proven to be. */
  async identityOf(clientId: string): Promise<Identity | null> {
    const known = this.known(clientId);
    if (known) return known;
    const nobody = { until: 0 };
    this.nobodies.set(clientId, nobody);
    const record = await this.options.store.read(clientId);
    if (!record || record.state === 'ending') {
      // Unless another node has bound it meanwhile: then this was forgotten, and stays so.
      nobody.until = Date.now() + NOBODY_FOR;
      return null;
    }
    this.remember(clientId, record.identity);
    return record.identity;
  }

  /**
   * Whether nobody had proven to be this client of this node when that was asked for, a second ago at most. Another node may
   * have bound it since: whoever would refuse it asks `identityOf`.
   */
  isNobody(clientId: string): boolean {
    return (this.nobodies.get(clientId)?.until ?? 0) > Date.now() && this.options.has(clientId);
  }

  /**
   * Binds an identity to a client at its first proof, and refreshes it at later ones of the same user.
   * `other`: the client is another user's. `gone`: there is no such client, or it is ending.
   */
  async bind(clientId: string, identity: Identity): Promise<'bound' | 'other' | 'gone'> {
    const bound = await this.bindRecord(clientId, identity);
    return typeof bound === 'string' ? bound : 'bound';
  }

  /** Whether a client is in exactly these channels, by the proof that it has now, as far as this node knows. */
  isIn(clientId: string, channels: readonly string[]): boolean {
    const client = this.local.get(clientId);
    if (!client || client.stale || client.enteredAs !== client.identity) return false;
    const present = client.channels;
    return present?.length === channels.length && channels.every((channel) => present.includes(channel));
  }

  /** The channels that a client is in, as far as this node knows. */
  channelsOf(clientId: string): readonly string[] {
    return this.local.get(clientId)?.channels ?? [];
  }

  /** Whether a client is in any channel, as far as this node knows. */
  isSomewhere(clientId: string): boolean {
    return (this.local.get(clientId)?.channels?.length ?? 0) > 0;
  }

  /**
   * Brings a bound client into these channels, and out of all others. False where the client is gone: then nothing is
   * left of it. Rejects where the store is away, or the client is just going to another node; then it is in no channel for
   * certain until it enters again.
   */
  async enter(clientId: string, channels: readonly string[]): Promise<boolean> {
    const client = this.local.get(clientId);
    if (!client) {
      if (!(await this.options.clientExists(clientId))) return false;
      throw new Away('who a client is, which goes to another node,');
    }
    return this.bring(clientId, client, channels, NEVER);
  }

  /**
   * Writes down that a client's page is hidden, or shown. It stays in its channels, and no list changes. False where
   * nobody has proven to be the client, or it is gone. Rejects where the store is away; then it is unknown what it has.
   */
  async setVisibility(clientId: string, hidden: boolean): Promise<boolean> {
    const { store, has } = this.options;
    for (let tried = 0; tried < TRIES; tried += 1) {
      const visibility = await store.setVisibility(clientId, hidden, { elsewhere: !has(clientId) });
      const client = this.local.get(clientId);
      if (visibility && client) client.visibility = visibility;
      if (visibility || !client) return visibility !== null;
      // It has ended; or it lives, and its record was lost: then once more.
      if (!(await this.recall(clientId, client))) return false;
    }
    throw new Away('a client, whose record is lost again and again,');
  }

  /** Of a client of this node, as it has said to another. */
  heardVisibility(clientId: string, visibility: Visibility): void {
    const client = this.local.get(clientId);
    if (client) client.visibility = laterOf(client.visibility, visibility);
  }

  /**
   * For a new epoch: says again where a client is, and since when, and whether its page is hidden. One that is in no
   * channel for certain enters with its next connect.
   */
  async resume(clientId: string): Promise<void> {
    const client = this.local.get(clientId);
    if (!client?.channels) {
      if (client?.visibility) await this.recall(clientId, client);
      return;
    }
    const { channels, since } = client;
    // The record may be older, and name others.
    client.channels = null;
    try {
      // It is most likely lost. Said ahead and not waited for: where each answer takes its time, the quiet time is short.
      const bound = this.options.store.bind(clientId, client.identity);
      await allSettled<unknown>([bound, this.bring(clientId, client, channels, since)]);
    } catch (error) {
      // Said again later: it must not begin anew meanwhile.
      if (!client.doubted) client.channels = channels;
      throw error;
    }
  }

  /** Of a client that may have been ended while its node could not know, and is back: if so, a new stay. */
  async begin(clientId: string): Promise<void> {
    const client = this.local.get(clientId);
    if (!client?.channels) return;
    const record = await this.options.store.read(clientId);
    if (record?.state === 'in' && record.intended === client.intended) return;
    await this.enter(clientId, client.channels);
  }

  /** Clients that this node remembers, and that a new epoch concerns: by their record, or by a channel. */
  concerned(concerns: Concerns): string[] {
    return [...this.local]
      .filter(([clientId, { channels }]) => concerns(clientId) || channels?.some(concerns))
      .map(([clientId]) => clientId);
  }

  /** Ends the presence of a client that the engine does not have. It is asked again, in the client's turn. */
  async endIfGone(clientId: string): Promise<void> {
    if (!(await this.options.clientExists(clientId))) await this.end(clientId);
  }

  /** Where the clients of this node are for certain: in those channels that are concerned. */
  held(concerns: Concerns): Membership[] {
    return [...this.local].flatMap(([clientId, { identity, channels, since, came, visibility }]) => {
      if (!channels || !this.options.has(clientId)) return [];
      return channels.filter(concerns).map((channel) => {
        const at = came.get(channel) ?? Math.floor((since.get(channel) ?? 0) / 1_000);
        return { channel, clientId, user: publicUser(identity), at, visibility };
      });
    });
  }

  /**
   * Ends a client's presence: out of every channel, and forgotten. Does nothing for one that is already. `at`: when it
   * ended, for the journal, where that was not now: ms since 1970.
   */
  async end(clientId: string, at?: number): Promise<void> {
    const { store } = this.options;
    const local = this.local.get(clientId);
    const doubtful = this.unsettled.get(clientId);
    this.drop(clientId);
    try {
      const record = await store.beginEnd(clientId);
      const identity = record?.identity ?? local?.identity ?? doubtful?.user;
      const channels = new Set([
        ...(record?.channels ?? []),
        ...(record?.leaving ?? []),
        ...(local?.channels ?? []),
        ...(doubtful?.channels ?? []),
      ]);
      if (identity) await this.leaveAll(clientId, publicUser(identity), [...channels], at);
      if (record) await store.forget(clientId);
      this.unsettled.delete(clientId);
    } catch (error) {
      if (local) this.doubt(clientId, publicUser(local.identity), local.channels ?? []);
      throw error;
    }
  }

  /** Clients whose last step failed. Whoever settles them goes through their queues. */
  get doubtful(): string[] {
    return [...this.unsettled.keys()];
  }

  /** Makes right what a failed step left: a client that is gone is ended, one that lives enters again with its next connect. */
  async settle(clientId: string): Promise<void> {
    const { store, clientExists } = this.options;
    if (!this.unsettled.has(clientId)) return;
    if (!(await clientExists(clientId))) return this.end(clientId);
    await this.giveWay(clientId, await store.read(clientId));
  }

  /**
   * Forgets what this node remembered of clients of other nodes, unused for `age` ms; the store still knows those that
   * live. Its own it knows for as long as they live: they may be silent, and must be found by who they are.
   */
  forgetUnused(age: number): void {
    const now = Date.now();
    for (const [clientId, { usedAt }] of this.local) {
      if (usedAt < now - age && !this.options.has(clientId)) this.local.delete(clientId);
    }
    for (const [clientId, { until }] of this.nobodies) if (until < now) this.nobodies.delete(clientId);
  }

  /** Where a client is, or who, is not certain any more: it enters again with its next connect. */
  doubtChannels(clientId: string): void {
    this.nobodies.delete(clientId);
    const client = this.local.get(clientId);
    if (client) Object.assign(client, { channels: null, doubted: true });
  }

  /**
   * For a node that could not be told for a while what others did: all of its clients enter again, with their next connect.
   * Where they were it still knows.
   */
  doubtAll(): void {
    this.nobodies.clear();
    for (const client of this.local.values()) client.stale = true;
  }

  /** Forgets what this node remembered of a client; the store still knows it if it lives. */
  drop(clientId: string): void {
    this.nobodies.delete(clientId);
    this.local.delete(clientId);
  }

  /** Clients of a user that this node remembers. */
  clientsOf(uid: string | number): string[] {
    const key = userKey(uid);
    return [...this.local]
      .filter(([, { identity }]) => userKey(identity.uid) === key)
      .map(([clientId]) => clientId);
  }

  /** Clients that this node remembers with a proof which ended more than `grace` seconds ago. */
  expired(grace: number): string[] {
    const before = Date.now() / 1_000 - grace;
    return [...this.local]
      .filter(([, { identity }]) => identity.expiresAt !== undefined && identity.expiresAt < before)
      .map(([clientId]) => clientId);
  }

  /** Clients that this node remembers, and the users that they are. */
  get sizes(): { clients: number; users: number } {
    const users = new Set([...this.local.values()].map(({ identity }) => userKey(identity.uid)));
    return { clients: this.local.size, users: users.size };
  }

  /** Clients that this node remembers. */
  get size(): number {
    return this.local.size;
  }

  /** `since`: of stays that go on. Channels without begin one. False where the client is gone: then nothing is left of it. */
  private async bring(
    clientId: string,
    client: LocalClient,
    channels: readonly string[],
    since: ReadonlyMap<string, number>,
  ): Promise<boolean> {
    for (let tried = 0; tried < TRIES; tried += 1) {
      if (await this.move(clientId, client, channels, since)) return true;
      // It has ended; or it lives, and its record was lost: then once more; or another node has moved it since.
      const record = await this.bindRecord(clientId, client.identity);
      if (record === 'gone') await this.end(clientId);
      if (typeof record === 'string') return false;
      if (client.intended !== null && record.intended > client.intended) {
        await this.giveWay(clientId, record);
        return true;
      }
    }
    throw new Away('where a client is, which others move at the same time,');
  }

  /** False where it could not be done: the client has ended, or was moved since, or its record was lost. */
  private async move(
    clientId: string,
    client: LocalClient,
    channels: readonly string[],
    since: ReadonlyMap<string, number>,
  ): Promise<boolean> {
    const { store, clientExists } = this.options;
    const { identity } = client;
    const user = publicUser(identity);
    // Until it is certain: an end on another node may have removed the record that says where this client entered.
    this.doubt(clientId, user, [...(client.channels ?? []), ...channels]);
    Object.assign(client, { channels: null, intended: null, doubted: false, stale: false });
    const intent = await store.intend(clientId, channels);
    if (!intent) return false;
    client.intended = intent.at;
    await this.agreeOnVisibility(clientId, client, intent.visibility);
    const dropped = this.doubt(clientId, user, intent.leave).filter((channel) => !channels.includes(channel));
    const stays = await allSettled(
      channels.map((channel) => this.enterOne(channel, user, clientId, intent.at, since.get(channel))),
    );
    if (!stays.every((stay) => stay !== null)) return false;
    await this.leaveAll(clientId, user, dropped);
    if (!(await clientExists(clientId))) return false;
    const isCertain = dropped.length === 0 && stays.every(({ seen }) => seen);
    if (!isCertain && !(await store.settle(clientId, intent.at))) return false;
    // Or it has gone to another node meanwhile, and entered there: that node is to ask again where it is.
    if (dropped.length > 0 || this.local.get(clientId) !== client) await store.tellMoved(clientId);
    this.unsettled.delete(clientId);
    if (!client.doubted) client.channels = [...channels];
    client.enteredAs = identity;
    client.since = new Map(channels.map((channel, index) => [channel, stays[index]?.since ?? 0]));
    client.came = new Map(
      channels.flatMap((channel, index) => {
        const came = stays[index]?.came ?? client.came.get(channel);
        return came === undefined ? [] : [[channel, came]];
      }),
    );
    return true;
  }

  /** Binds it anew, with what is known of its visibility. False where it has ended, or is another user's. */
  private async recall(clientId: string, client: LocalClient): Promise<boolean> {
    const record = await this.bindRecord(clientId, client.identity);
    if (typeof record === 'string') return false;
    await this.agreeOnVisibility(clientId, client, record.visibility);
    return true;
  }

  /** What this node knows and the record does not was lost with Redis' data: it is said again. */
  private async agreeOnVisibility(
    clientId: string,
    client: LocalClient,
    recorded: Visibility | null,
  ): Promise<void> {
    const known = laterOf(recorded, client.visibility);
    client.visibility = known;
    if (!known || known.since === recorded?.since) return;
    const { hidden, since } = known;
    // Or the record has something later by now; or the client has ended, which shows in a moment.
    client.visibility = (await this.options.store.setVisibility(clientId, hidden, { since })) ?? known;
  }

  /** Another has moved it since, or may have: out of what its record does not mean. It enters again with its next connect. */
  private async giveWay(clientId: string, record: ClientRecord | null): Promise<void> {
    const doubtful = this.unsettled.get(clientId);
    if (!doubtful) return;
    const left = [...doubtful.channels].filter((channel) => !record?.channels.includes(channel));
    await this.leaveAll(clientId, doubtful.user, left);
    // It may be meant again by now.
    if (left.length > 0) await this.options.store.tellMoved(clientId);
    this.unsettled.delete(clientId);
  }

  /** The client's record once it is this user's. */
  private async bindRecord(clientId: string, identity: Identity): Promise<ClientRecord | 'other' | 'gone'> {
    const { store, clientExists, has } = this.options;
    if (!(await clientExists(clientId))) return 'gone';
    const record = await store.bind(clientId, identity);
    if (record.state === 'ending') return 'gone';
    if (userKey(record.identity.uid) !== userKey(identity.uid)) return 'other';
    this.remember(clientId, identity);
    // Its node may remember that it is nobody. Of one that has entered anywhere it has asked since, or asks.
    if (record.state === 'bound' && !has(clientId)) await store.tellMoved(clientId);
    return record;
  }

  /** Null where it was refused. */
  private async enterOne(
    channel: string,
    user: User,
    clientId: string,
    intended: number,
    since: number | undefined,
  ): Promise<Entered | null> {
    const entered = await this.options.store.enter(channel, user, clientId, intended, since);
    if (!entered) return null;
    // A stay that goes on is no join, to whoever it is announced.
    this.made('join', channel, user, { ...entered, changed: entered.changed && since === undefined });
    return entered;
  }

  private async leaveAll(
    clientId: string,
    user: User,
    channels: readonly string[],
    at?: number,
  ): Promise<void> {
    await allSettled(
      channels.map(async (channel) => {
        const transition = await this.options.store.leave(channel, user.uid, clientId, at);
        this.made('leave', channel, user, transition);
      }),
    );
  }

  private made(type: 'join' | 'leave', channel: string, user: User, transition: Transition): void {
    this.options.announcer.mark(channel, transition.dueIn);
    if (!transition.changed) return;
    this.options.log.info({ channel, uid: user.uid }, type);
    this.emit(type, channel, user);
  }

  private remember(clientId: string, identity: Identity): void {
    this.nobodies.delete(clientId);
    const usedAt = Date.now();
    const client = this.local.get(clientId);
    if (client) Object.assign(client, { identity, usedAt });
    else this.local.set(clientId, { ...UNKNOWN, identity, usedAt });
  }

  /** All where it may be. */
  private doubt(clientId: string, user: User, channels: readonly string[]): string[] {
    const known = this.unsettled.get(clientId)?.channels ?? [];
    const all = new Set([...known, ...channels]);
    this.unsettled.set(clientId, { user, channels: all });
    return [...all];
  }
}
