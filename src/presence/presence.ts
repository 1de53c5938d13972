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
 * the client means to enter; or, where the store can't see the record in the same step, because the channel remembers
 * that the client has left it by a later word. Until it is certain where a client is, `unsettled` has where it may be; where
 * the store could not be asked it stays there, and `settle` makes it right.
 *
 * Two nodes may enter a client at once, with different channels: whoever has meant it last moves it. An intent tells, in
 * the same step, all that the client may be in beside; that is left, and stays in the record as `leaving` until it is.
 * What an earlier one (A) enters while a later one (B) moves the client:
 * - A enters, B means: B has been told of it, and leaves it;
 * - B means, A enters: refused, as the record means B's channels. A finds the later intent as it binds again, and gives way;
 * - B means, A enters in another partition, which can't see the record, before B leaves it: B leaves it;
 * - the same after B has left it: refused, as the channel remembers that B's later intent has left it;
 * - B leaves, late, what a third (C) has meant again: refused, as the record means it, or C is in by a later intent.
 * Who has left something tells the others, which enter again with the client's next connect: they hear it in time also where
 * they are still moving it (`doubted`). Where a node could not hear for a while, it takes it that it was told (`doubtAll`).
 * Only the last intent's node settles the record, so that `leaving` keeps what an earlier one has left too early.
 *
 * Where the store has lost its data, each node knows the stays of its own clients, and since when they are; `resume` says
 * them again, in the same steps.
 *
 * Calls for one client must come one after the other (`ClientQueues`); calls of two nodes may overlap.
 */
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { callListener } from '../call-listener.js';
import { UnavailableError } from '../errors.js';
import { allSettled } from './all-settled.js';
import type { Announcer } from './announcer.js';
import { Coalesced } from './coalesced.js';
import { type Identity, publicUser, type User, userKey } from './identity.js';
import { type LocalClient, Remembered } from './remembered.js';
import type { ClientRecord, Entered, Member, Members, Snapshot, Store, Transition } from './store.js';
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

/** How often an enter is tried that was refused to a client which lives. */
const TRIES = 3;
/** Stays that begin. */
const ANEW: ReadonlyMap<string, number> = new Map();

export class Presence extends EventEmitter<PresenceEvents> {
  /** What this node knows of clients without asking the store. */
  readonly remembered: Remembered;
  /** Where clients may be whose last step in the store is under way, or has an unknown outcome. */
  private readonly unsettled = new Map<string, { user: User; channels: Set<string> }>();
  private readonly snapshots: Coalesced<Snapshot>;

  constructor(private readonly options: PresenceOptions) {
    super();
    this.remembered = new Remembered(options.has);
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

  /** Who a client is, as bound on whichever node; null for a client that nobody has proven to be. */
  async identityOf(clientId: string): Promise<Identity | null> {
    const known = this.remembered.identityOf(clientId);
    if (known) return known;
    const isNobody = this.remembered.asking(clientId);
    const record = await this.options.store.read(clientId);
    if (!record || record.state === 'ending') {
      isNobody();
      return null;
    }
    this.remembered.remember(clientId, record.identity);
    return record.identity;
  }

  /**
   * Binds an identity to a client at its first proof, and refreshes it at later ones of the same user.
   * `other`: the client is another user's. `gone`: there is no such client, or it is ending.
   */
  async bind(clientId: string, identity: Identity): Promise<'bound' | 'other' | 'gone'> {
    const bound = await this.bindRecord(clientId, identity);
    return typeof bound === 'string' ? bound : 'bound';
  }

  /**
   * Brings a bound client into these channels, and out of all others. False where the client is gone: then nothing is
   * left of it. Rejects where the store is away, or the client is just going to another node; then it is in no channel for
   * certain until it enters again.
   */
  async enter(clientId: string, channels: readonly string[]): Promise<boolean> {
    const client = this.remembered.get(clientId);
    if (!client) {
      if (!(await this.options.clientExists(clientId))) return false;
      throw new UnavailableError('who a client is, which goes to another node,');
    }
    return this.bring(clientId, client, channels, ANEW);
  }

  /**
   * Writes down that a client's page is hidden, or shown. It stays in its channels, and no list changes. False where
   * nobody has proven to be the client, or it is gone. Rejects where the store is away; then it is unknown what it has.
   */
  async setVisibility(clientId: string, hidden: boolean): Promise<boolean> {
    const { store, has } = this.options;
    for (let tried = 0; tried < TRIES; tried += 1) {
      const visibility = await store.setVisibility(clientId, hidden, { elsewhere: !has(clientId) });
      const client = this.remembered.get(clientId);
      if (visibility && client) client.visibility = visibility;
      if (visibility || !client) return visibility !== null;
      // It has ended; or it lives, and its record was lost: then once more.
      if (!(await this.recall(clientId, client))) return false;
    }
    throw new UnavailableError('a client, whose record is lost again and again,');
  }

  /**
   * For a new epoch: says again where a client is, and since when, and whether its page is hidden. One that is in no
   * channel for certain enters with its next connect.
   */
  async resume(clientId: string): Promise<void> {
    const client = this.remembered.get(clientId);
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
    const client = this.remembered.get(clientId);
    if (!client?.channels) return;
    const record = await this.options.store.read(clientId);
    if (record?.state === 'in' && record.intended === client.intended) return;
    await this.enter(clientId, client.channels);
  }

  /** Ends the presence of a client that the engine does not have. It is asked again, in the client's turn. */
  async endIfGone(clientId: string): Promise<void> {
    if (!(await this.options.clientExists(clientId))) await this.end(clientId);
  }

  /**
   * Ends a client's presence: out of every channel, and forgotten. Does nothing for one that is already. `at`: when it
   * ended, for the journal, where that was not now: ms since 1970.
   */
  async end(clientId: string, at?: number): Promise<void> {
    const { store } = this.options;
    const local = this.remembered.get(clientId);
    const doubtful = this.unsettled.get(clientId);
    this.remembered.drop(clientId);
    try {
      const record = await store.beginEnd(clientId);
      const identity = record?.identity ?? local?.identity ?? doubtful?.user;
      const channels = new Set([
        ...(record?.channels ?? []),
        ...(record?.leaving ?? []),
        ...(local?.channels ?? []),
        ...(doubtful?.channels ?? []),
      ]);
      if (identity) {
        await this.leaveAll(clientId, publicUser(identity), [...channels], record?.intended ?? null, at);
      }
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
    throw new UnavailableError('where a client is, which others move at the same time,');
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
    const isRenamed = client.enteredAs !== null && client.enteredAs.uname !== identity.uname;
    // Until it is certain: an end on another node may have removed the record that says where this client entered.
    this.doubt(clientId, user, [...(client.channels ?? []), ...channels]);
    Object.assign(client, { channels: null, intended: null, doubted: false, stale: false });
    const intent = await store.intend(clientId, channels);
    if (!intent) return false;
    client.intended = intent.at;
    await this.agreeOnVisibility(clientId, client, intent.visibility);
    const dropped = this.doubt(clientId, user, intent.leave).filter((channel) => !channels.includes(channel));
    const stays = await allSettled(
      channels.map((channel) =>
        this.enterOne(channel, user, clientId, intent.at, since.get(channel), isRenamed),
      ),
    );
    if (!stays.every((stay) => stay !== null)) return false;
    await this.leaveAll(clientId, user, dropped, intent.at);
    if (!(await clientExists(clientId))) return false;
    if (dropped.length > 0 && !(await store.settle(clientId, intent.at))) return false;
    // Or it has gone to another node meanwhile, and entered there: that node is to ask again where it is.
    if (dropped.length > 0 || this.remembered.get(clientId) !== client) await store.tellMoved(clientId);
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
    await this.leaveAll(clientId, doubtful.user, left, record?.intended ?? null);
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
    this.remembered.remember(clientId, identity);
    // Its record was lost, and does not say where it is: it enters again with its next connect.
    const client = this.remembered.get(clientId);
    if (record.state === 'bound' && client?.channels?.length) client.stale = true;
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
    isRenamed: boolean,
  ): Promise<Entered | null> {
    const entered = await this.options.store.enter(channel, user, clientId, intended, since, isRenamed);
    if (!entered) return null;
    // A stay that goes on is no join, to whoever it is announced.
    this.made('join', channel, user, { ...entered, changed: entered.changed && since === undefined });
    return entered;
  }

  /** A client that nobody knows is in the channel no more, unless it has entered anew. */
  async leaveStray({ channel, user, clientId, intended }: Member): Promise<void> {
    const transition = await this.options.store.leave(channel, user.uid, clientId, intended);
    this.made('leave', channel, user, transition);
  }

  private async leaveAll(
    clientId: string,
    user: User,
    channels: readonly string[],
    intended: number | null,
    at?: number,
  ): Promise<void> {
    await allSettled(
      channels.map(async (channel) => {
        const transition = await this.options.store.leave(channel, user.uid, clientId, intended, at);
        this.made('leave', channel, user, transition);
      }),
    );
  }

  private made(type: 'join' | 'leave', channel: string, user: User, transition: Transition): void {
    this.options.announcer.mark(channel, transition.dueIn);
    if (!transition.changed) return;
    this.options.log.info({ channel, uid: user.uid }, type);
    for (const listener of this.rawListeners(type))
      callListener(
        () => listener.call(this, channel, user),
        (error) =>
          this.options.log.error({ err: error, channel, uid: user.uid }, `a ${type} listener failed`),
      );
  }

  /** All where it may be. */
  private doubt(clientId: string, user: User, channels: readonly string[]): string[] {
    const known = this.unsettled.get(clientId)?.channels ?? [];
    const all = new Set([...known, ...channels]);
    this.unsettled.set(clientId, { user, channels: all });
    return [...all];
  }
}
