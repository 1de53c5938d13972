/**
 * What this node remembers of clients, so that the store need not be asked: who they are, and where this node has brought
 * them. What is not certain any more is marked (`channels` is null, `doubted`, `stale`), and the client enters again.
 */
import { type Identity, publicUser, type User, userKey } from './identity.js';
import type { Concerns } from './store.js';
import { laterOf, type Visibility } from './visibility.js';

export interface LocalClient {
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

export class Remembered {
  private readonly clients = new Map<string, LocalClient>();
  /** Clients of this node that nobody has proven to be, and until when that counts. */
  private readonly nobodies = new Map<string, { until: number }>();

  /** `has`: whether a client is this node's. */
  constructor(private readonly has: (clientId: string) => boolean) {}

  get(clientId: string): LocalClient | undefined {
    return this.clients.get(clientId);
  }

  /** Who a client is. Counts as a use of it. */
  identityOf(clientId: string): Identity | undefined {
    const client = this.clients.get(clientId);
    if (client) client.usedAt = Date.now();
    return client?.identity;
  }

  /** Who a client is, by its newest proof. */
  remember(clientId: string, identity: Identity): void {
    this.nobodies.delete(clientId);
    const usedAt = Date.now();
    const client = this.clients.get(clientId);
    if (client) Object.assign(client, { identity, usedAt });
    else this.clients.set(clientId, { ...UNKNOWN, identity, usedAt });
  }

  /**
   * Somebody asks the store who a client is. What this returns is called where nobody has proven to be it; it does nothing
   * where somebody has meanwhile, as this node knows, or where it was told that this may be so.
   */
  asking(clientId: string): () => void {
    const nobody = { until: 0 };
    this.nobodies.set(clientId, nobody);
    return () => {
      nobody.until = Date.now() + NOBODY_FOR;
    };
  }

  /**
   * Whether nobody had proven to be this client of this node when that was asked for, a second ago at most. Another node may
   * have bound it since: whoever would refuse it asks `identityOf`.
   */
  isNobody(clientId: string): boolean {
    return (this.nobodies.get(clientId)?.until ?? 0) > Date.now() && this.has(clientId);
  }

  /** Whether a client is in exactly these channels, by the proof that it has now, as far as this node knows. */
  isIn(clientId: string, channels: readonly string[]): boolean {
    const client = this.clients.get(clientId);
    if (!client || client.stale || client.enteredAs !== client.identity) return false;
    const present = client.channels;
    return present?.length === channels.length && channels.every((channel) => present.includes(channel));
  }

  /** The channels that a client is in, as far as this node knows. */
  channelsOf(clientId: string): readonly string[] {
    return this.clients.get(clientId)?.channels ?? [];
  }

  /** Whether a client is in any channel, as far as this node knows. */
  isSomewhere(clientId: string): boolean {
    return (this.clients.get(clientId)?.channels?.length ?? 0) > 0;
  }

  /** Of a client of this node, as it has said to another. */
  heardVisibility(clientId: string, visibility: Visibility): void {
    const client = this.clients.get(clientId);
    if (client) client.visibility = laterOf(client.visibility, visibility);
  }

  /** Clients that this node remembers, and that a new epoch concerns: by their record, or by a channel. */
  concerned(concerns: Concerns): string[] {
    return [...this.clients]
      .filter(([clientId, { channels }]) => concerns(clientId) || channels?.some(concerns))
      .map(([clientId]) => clientId);
  }

  /** Where the clients of this node are for certain: in those channels that are concerned. */
  held(concerns: Concerns): Membership[] {
    return [...this.clients].flatMap(([clientId, { identity, channels, since, came, visibility }]) => {
      if (!channels || !this.has(clientId)) return [];
      return channels.filter(concerns).map((channel) => {
        const at = came.get(channel) ?? Math.floor((since.get(channel) ?? 0) / 1_000);
        return { channel, clientId, user: publicUser(identity), at, visibility };
      });
    });
  }

  /** Where a client is, or who, is not certain any more: it enters again with its next connect. */
  doubtChannels(clientId: string): void {
    this.nobodies.delete(clientId);
    const client = this.clients.get(clientId);
    if (client) Object.assign(client, { channels: null, doubted: true });
  }

  /**
   * For a node that could not be told for a while what others did: all of its clients enter again, with their next connect.
   * Where they were it still knows.
   */
  doubtAll(): void {
    this.nobodies.clear();
    for (const client of this.clients.values()) client.stale = true;
  }

  /** Forgets what this node remembered of a client; the store still knows it if it lives. */
  drop(clientId: string): void {
    this.nobodies.delete(clientId);
    this.clients.delete(clientId);
  }

  /** Clients of a user that this node remembers. */
  clientsOf(uid: string | number): string[] {
    const key = userKey(uid);
    return [...this.clients]
      .filter(([, { identity }]) => userKey(identity.uid) === key)
      .map(([clientId]) => clientId);
  }

  /** Clients that this node remembers with a proof which ended more than `grace` seconds ago. */
  expired(grace: number): string[] {
    return [...this.clients.keys()].filter((clientId) => this.hasExpired(clientId, grace));
  }

  /** Whether this node remembers the client with a proof which ended more than `grace` seconds ago. */
  hasExpired(clientId: string, grace: number): boolean {
    const expiresAt = this.clients.get(clientId)?.identity.expiresAt;
    return expiresAt !== undefined && expiresAt < Date.now() / 1_000 - grace;
  }

  /** Clients that this node remembers, and the users that they are. */
  get sizes(): { clients: number; users: number } {
    const users = new Set([...this.clients.values()].map(({ identity }) => userKey(identity.uid)));
    return { clients: this.clients.size, users: users.size };
  }

  /** Clients that this node remembers. */
  get size(): number {
    return this.clients.size;
  }

  /**
   * Forgets what this node remembered of clients of other nodes, unused for `age` ms; the store still knows those that
   * live. Its own it knows for as long as they live: they may be silent, and must be found by who they are.
   */
  forgetUnused(age: number): void {
    const now = Date.now();
    for (const [clientId, { usedAt }] of this.clients) {
      if (usedAt < now - age && !this.has(clientId)) this.clients.delete(clientId);
    }
    for (const [clientId, { until }] of this.nobodies) if (until < now) this.nobodies.delete(clientId);
  }
}
