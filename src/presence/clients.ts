/**
 * Who the clients of this node are, and where they are: the port. Drivers: one process (`LocalClients`), and many over Redis
 * (`SessionClients`).
 *
 * Calls for one client MUST come one after the other (`ClientQueues`). What is asynchronous MUST reject with `UnavailableError` where
 * its outcome is not known; what was asked for is done later, or the client ends.
 */
import type { Identity, User } from './identity.js';
import type { Concerns, Transition } from './store.js';
import type { Visibility } from './visibility.js';

/** A client in a channel, as its node knows it. */
export interface Membership {
  channel: string;
  clientId: string;
  user: User;
  /** Since when, ms since 1970: the client, where that is known, or else its user. */
  at: number;
  /** Null where the client has said nothing of its page. */
  visibility: Visibility | null;
}

export type MembershipChange = Transition & { type: 'join' | 'leave'; channel: string; user: User };

export interface Clients {
  /** Of a client of this node, or one that was asked for lately; undefined where it is anonymous, or not known here. */
  identityOf(clientId: string): Identity | undefined;
  /** Who a client is, on whichever node; null for one that is anonymous, or gone. */
  read(clientId: string): Promise<Identity | null>;
  /** Whether a client of this node is anonymous for certain. */
  isAnonymous(clientId: string): boolean;
  /** Whether a client is in exactly these channels, by the proof that it has now. */
  isIn(clientId: string, channels: readonly string[]): boolean;
  /** The channels that a client of this node is in. */
  channelsOf(clientId: string): readonly string[];
  /**
   * Binds an identity to a client at its first proof, on whichever node, and refreshes it at later ones of the same user.
   * `other`: the client is another user's. `gone`: there is no such client, or it is ending. `connects`: the client is about to
   * become this node's.
   */
  bind(clientId: string, identity: Identity, connects?: boolean): Promise<'bound' | 'other' | 'gone'>;
  /**
   * Brings a bound client of this node into these channels, and out of all others. False where the client is gone: then nothing
   * is left of it.
   */
  enter(clientId: string, channels: readonly string[]): Promise<boolean>;
  /** False where the client is anonymous, or gone. It stays in its channels, and no list changes. */
  setVisibility(clientId: string, hidden: boolean): Promise<boolean>;
  /** Takes a client out of its channels, and makes it anonymous. */
  unbind(clientId: string): Promise<void>;
  /** The engine says that a client has ended. It is anonymous at once. */
  end(clientId: string): Promise<void>;
  /** Clients of this node that are bound. */
  bound(): Iterable<{ clientId: string; identity: Identity }>;
  /** Where the clients of this node are, in those channels that are concerned. */
  held(concerns: Concerns): Membership[];
}
