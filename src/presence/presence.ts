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
import type { Concerns, Members, Snapshot, Store, Transition } from './store.js';

export interface PresenceOptions {
  store: Store;
  announcer: Announcer;
  /** The engine's word. Rejects where it can't tell. */
  clientExists(clientId: string): Promise<boolean>;
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
  /** The identity that it entered them with. */
  enteredAs: Identity | null;
  usedAt: number;
}

/** How often an enter is tried that was refused to a client which lives. */
const TRIES = 3;
const NEVER: ReadonlyMap<string, number> = new Map();

export class Presence extends EventEmitter<PresenceEvents> {
  private readonly local = new Map<string, LocalClient>();
  /** Where clients may be whose last step in the store is under way, or has an unknown outcome. */
  private readonly unsettled = new Map<string, { user: User; channels: Set<string> }>();
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
    const record = await this.options.store.read(clientId);
    if (!record || record.state === 'ending') return null;
    this.remember(clientId, record.identity);
    return record.identity;
  }

  /**
   * Binds an identity to a client at its first proof, and refreshes it at later ones of the same user.
   * `other`: the client is another user's. `gone`: there is no such client, or it is ending.
   */
  async bind(clientId: string, identity: Identity): Promise<'bound' | 'other' | 'gone'> {
    const { store, clientExists } = this.options;
    if (!(await clientExists(clientId))) return 'gone';
    const record = await store.bind(clientId, identity);
    if (record.state === 'ending') return 'gone';
    if (userKey(record.identity.uid) !== userKey(identity.uid)) return 'other';
    this.remember(clientId, identity);
    return 'bound';
  }

  /** Whether a client is in exactly these channels, by the proof that it has now, as far as this node knows. */
  isIn(clientId: string, channels: readonly string[]): boolean {
    const client = this.local.get(clientId);
    const present = client?.enteredAs === client?.identity ? client?.channels : null;
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
   * left of it. Rejects where the store is away; then the client is in no channel for certain until it enters again.
   */
  async enter(clientId: string, channels: readonly string[]): Promise<boolean> {
    const client = this.local.get(clientId);
    if (!client) return false;
    return this.bring(clientId, client, channels, NEVER);
  }

  /**
   * For a new epoch: says again where a client is, and since when. Does nothing for one that is in no channel for certain,
   * which enters with its next connect.
   */
  async resume(clientId: string): Promise<void> {
    const client = this.local.get(clientId);
    if (!client?.channels) return;
    const { channels, since } = client;
    // The record may be older, and name others.
    client.channels = null;
    try {
      await this.bring(clientId, client, channels, since);
    } catch (error) {
      // Said again later: it must not begin anew meanwhile.
      client.channels = channels;
      throw error;
    }
  }

  /** Of a client that was ended while its node could not know, and is back: a new stay. */
  async begin(clientId: string): Promise<void> {
    const channels = this.local.get(clientId)?.channels;
    if (channels) await this.enter(clientId, channels);
  }

  /** Clients that this node remembers, and that a new epoch concerns: by their record, or by a channel. */
  concerned(concerns: Concerns): string[] {
    return [...this.local]
      .filter(([clientId, { channels }]) => concerns(clientId) || channels?.some(concerns))
      .map(([clientId]) => clientId);
  }

  /**
   * Ends a client's presence: out of every channel, and forgotten. Does nothing for one that is already. `at`: when it
   * ended, for the journal, where that was not now: ms since 1970.
   */
  async end(clientId: string, at?: number): Promise<void> {
    const { store } = this.options;
    const local = this.local.get(clientId);
    const doubtful = this.unsettled.get(clientId);
    this.local.delete(clientId);
    try {
      const record = await store.beginEnd(clientId);
      const identity = record?.identity ?? local?.identity ?? doubtful?.user;
      const channels = new Set([
        ...(record?.channels ?? []),
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
    if (!this.unsettled.has(clientId)) return;
    if (await this.options.clientExists(clientId)) this.unsettled.delete(clientId);
    else await this.end(clientId);
  }

  /** Forgets what this node remembered of clients unused for `age` ms; the store still knows those that live. */
  forgetUnused(age: number): void {
    const before = Date.now() - age;
    for (const [clientId, { usedAt }] of this.local) {
      if (usedAt < before) this.local.delete(clientId);
    }
  }

  /** Where a client is, is not certain any more: it enters again with its next connect. Of all clients without one. */
  doubtChannels(clientId?: string): void {
    for (const id of clientId === undefined ? this.local.keys() : [clientId]) {
      const client = this.local.get(id);
      if (client) client.channels = null;
    }
  }

  /** Forgets what this node remembered of a client; the store still knows it if it lives. */
  drop(clientId: string): void {
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
      // It has ended; or it lives, and its record was lost, or is another node's doing meanwhile: then once more.
      const outcome = await this.bind(clientId, client.identity);
      if (outcome === 'gone') await this.end(clientId);
      if (outcome !== 'bound') return false;
    }
    throw new Away('where a client is, which others move at the same time,');
  }

  /** False where it could not be done, and is undone by an end. */
  private async move(
    clientId: string,
    client: LocalClient,
    channels: readonly string[],
    since: ReadonlyMap<string, number>,
  ): Promise<boolean> {
    const { store, clientExists } = this.options;
    const { identity } = client;
    const present = client.channels ?? (await store.read(clientId))?.channels ?? [];
    const dropped = present.filter((channel) => !channels.includes(channel));
    client.channels = null;
    const user = publicUser(identity);
    // Until it is certain: an end on another node may have removed the record that says where this client entered.
    this.doubt(clientId, user, [...channels, ...dropped]);
    const intended = await store.intend(clientId, channels);
    if (intended === null) return false;
    const stays = await allSettled(
      channels.map((channel) => this.enterOne(channel, user, clientId, intended, since.get(channel))),
    );
    if (stays.includes(null)) return false;
    await this.leaveAll(clientId, user, dropped);
    if (!(await clientExists(clientId))) return false;
    if (dropped.length > 0) await store.settle(clientId, channels);
    // Or it has gone to another node meanwhile, and entered there: that node is to ask again where it is.
    if (dropped.length > 0 || this.local.get(clientId) !== client) await store.tellMoved(clientId);
    this.unsettled.delete(clientId);
    client.channels = [...channels];
    client.enteredAs = identity;
    client.since = new Map(channels.map((channel, index) => [channel, stays[index] ?? 0]));
    return true;
  }

  /** Since when the user is in, microseconds; null where it was refused. */
  private async enterOne(
    channel: string,
    user: User,
    clientId: string,
    intended: number,
    since: number | undefined,
  ): Promise<number | null> {
    const entered = await this.options.store.enter(channel, user, clientId, intended, since);
    if (!entered) return null;
    // A stay that goes on is no join, to whoever it is announced.
    this.made('join', channel, user, { ...entered, changed: entered.changed && since === undefined });
    return entered.since;
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
    const usedAt = Date.now();
    const client = this.local.get(clientId);
    if (client) Object.assign(client, { identity, usedAt });
    else this.local.set(clientId, { identity, channels: null, since: NEVER, enteredAs: null, usedAt });
  }

  private doubt(clientId: string, user: User, channels: readonly string[]): void {
    const known = this.unsettled.get(clientId)?.channels ?? [];
    this.unsettled.set(clientId, { user, channels: new Set([...known, ...channels]) });
  }
}
