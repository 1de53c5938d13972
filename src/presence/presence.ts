/**
 * The domain: who is in which channel, and when that begins and ends. It knows clients by their clientId and users by their
 * identity; nothing of sockets, nodes or HTTP.
 *
 * Invariant: a membership exists only for a client that exists, or will soon be ended. `Clients` says how.
 */
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { callListener } from '../call-listener.js';
import type { Announcer } from './announcer.js';
import type { Clients, MembershipChange } from './clients.js';
import { Coalesced } from './coalesced.js';
import { type Identity, type User, userKey } from './identity.js';
import type { Member, Members, Snapshot, Store } from './store.js';

export interface PresenceOptions {
  store: Store;
  announcer: Announcer;
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

export class Presence extends EventEmitter<PresenceEvents> {
  private readonly snapshots: Coalesced<Snapshot>;

  constructor(
    private readonly options: PresenceOptions,
    /** Creates the directory of clients. It calls `changed` with each change. */
    clients: (changed: (change: MembershipChange) => void) => Clients,
  ) {
    super();
    this.clients = clients((change) => this.changed(change));
    this.snapshots = new Coalesced((channel) => options.store.channels.snapshot(channel, options.listLimit));
  }

  readonly clients: Clients;

  /** Who is in a channel now, oldest first, at most `limits.userListLimit`; `count` counts all. */
  list(channel: string): Promise<Members> {
    return this.options.store.channels.members(channel, this.options.listLimit);
  }

  /** A channel as it was last announced, by its version; shared among all who ask at the same time. */
  snapshot(channel: string): Promise<Snapshot> {
    return this.snapshots.get(channel);
  }

  /** Who a client is, as bound on whichever node; null for a client that is anonymous, or gone. */
  async identityOf(clientId: string): Promise<Identity | null> {
    return this.clients.identityOf(clientId) ?? this.clients.read(clientId);
  }

  /** Clients of a user on this node. */
  clientsOf(uid: string | number): string[] {
    const key = userKey(uid);
    return [...this.clients.bound()].flatMap(({ clientId, identity }) =>
      userKey(identity.uid) === key ? [clientId] : [],
    );
  }

  /** Clients of this node that are bound, and the users that they are. */
  get sizes(): { clients: number; users: number } {
    const bound = [...this.clients.bound()];
    return { clients: bound.length, users: new Set(bound.map(({ identity }) => userKey(identity.uid))).size };
  }

  /** Takes a member out that its client's record does not have there, unless it has entered anew. */
  async sweep(member: Member): Promise<void> {
    const { channel, user } = member;
    this.changed({ type: 'leave', channel, user, ...(await this.options.store.upkeep.sweep(member)) });
  }

  private changed({ type, channel, user, changed, dueIn }: MembershipChange): void {
    const { announcer, log } = this.options;
    announcer.mark(channel, dueIn);
    if (!changed) return;
    log.info({ channel, uid: user.uid }, type);
    for (const listener of this.rawListeners(type))
      callListener(
        () => listener.call(this, channel, user),
        (error) => log.error({ err: error, channel, uid: user.uid }, `a ${type} listener failed`),
      );
  }
}
