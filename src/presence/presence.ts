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
 * by the end; and an enter that lands after the end's leaves, when the record may be gone, is undone by the one that
 * entered, which keeps in `unsettled` where it meant to enter until that is certain.
 * Where the store could not be asked it stays there, and `settle` makes it right.
 *
 * Calls for one client must come one after the other (`ClientQueues`); calls of two nodes may overlap.
 */
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { allSettled } from './all-settled.js';
import type { Announcer } from './announcer.js';
import { Coalesced } from './coalesced.js';
import { type Identity, publicUser, type User, userKey } from './identity.js';
import type { Members, Snapshot, Store, Transition } from './store.js';

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
  /** The identity that it entered them with. */
  enteredAs: Identity | null;
  usedAt: number;
}

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
    const { identity } = client;
    const present = client.channels ?? (await this.options.store.read(clientId))?.channels ?? [];
    const dropped = present.filter((channel) => !channels.includes(channel));
    client.channels = null;
    // Until it is certain: an end on another node may have removed the record that says where this client entered.
    this.doubt(clientId, publicUser(identity), [...channels, ...dropped]);
    return this.move(clientId, identity, channels, dropped);
  }

  /** Ends a client's presence: out of every channel, and forgotten. Does nothing for one that is already. */
  async end(clientId: string): Promise<void> {
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
      if (identity) await this.leaveAll(clientId, publicUser(identity), [...channels]);
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

  private async move(
    clientId: string,
    identity: Identity,
    channels: readonly string[],
    dropped: readonly string[],
  ): Promise<boolean> {
    const { store, clientExists } = this.options;
    if (!(await store.intend(clientId, channels))) {
      await this.end(clientId);
      return false;
    }
    const user = publicUser(identity);
    await allSettled(channels.map((channel) => this.enterOne(channel, user, clientId)));
    await this.leaveAll(clientId, user, dropped);
    if (!(await clientExists(clientId))) {
      await this.end(clientId);
      return false;
    }
    if (dropped.length > 0) {
      await store.settle(clientId, channels);
      await store.tellMoved(clientId);
    }
    this.unsettled.delete(clientId);
    const client = this.local.get(clientId);
    if (client) Object.assign(client, { channels: [...channels], enteredAs: identity });
    return true;
  }

  private async enterOne(channel: string, user: User, clientId: string): Promise<void> {
    const transition = await this.options.store.enter(channel, user, clientId);
    this.made('join', channel, user, transition);
  }

  private async leaveAll(clientId: string, user: User, channels: readonly string[]): Promise<void> {
    await allSettled(
      channels.map(async (channel) => {
        const transition = await this.options.store.leave(channel, user.uid, clientId);
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
    const { channels = null, enteredAs = null } = this.local.get(clientId) ?? {};
    this.local.set(clientId, { identity, channels, enteredAs, usedAt: Date.now() });
  }

  private doubt(clientId: string, user: User, channels: readonly string[]): void {
    const known = this.unsettled.get(clientId)?.channels ?? [];
    this.unsettled.set(clientId, { user, channels: new Set([...known, ...channels]) });
  }
}
