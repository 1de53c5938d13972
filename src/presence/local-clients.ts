/** The clients of a single process: what they do is done in the store at once. */
import type { Clients, Membership, MembershipChange } from './clients.js';
import { type Identity, publicUser, userKey } from './identity.js';
import type { MemoryStore } from './memory-store.js';
import type { Concerns } from './store.js';
import type { Visibility } from './visibility.js';

export interface LocalClientsOptions {
  store: MemoryStore;
  /** The engine's word. */
  clientExists(clientId: string): Promise<boolean>;
  changed(change: MembershipChange): void;
}

interface LocalClient {
  identity: Identity;
  /** The one that its channels know. */
  enteredAs: Identity;
  /** When it came, ms since 1970. */
  channels: Map<string, number>;
  visibility: Visibility | null;
}

export class LocalClients implements Clients {
  private readonly clients = new Map<string, LocalClient>();

  constructor(private readonly options: LocalClientsOptions) {}

  identityOf(clientId: string): Identity | undefined {
    return this.clients.get(clientId)?.identity;
  }

  async read(clientId: string): Promise<Identity | null> {
    return this.identityOf(clientId) ?? null;
  }

  isAnonymous(clientId: string): boolean {
    return !this.clients.has(clientId);
  }

  isIn(clientId: string, channels: readonly string[]): boolean {
    const client = this.clients.get(clientId);
    if (client?.enteredAs !== client?.identity || client?.channels.size !== channels.length) return false;
    return channels.every((channel) => client.channels.has(channel));
  }

  channelsOf(clientId: string): readonly string[] {
    return [...(this.clients.get(clientId)?.channels.keys() ?? [])];
  }

  async bind(clientId: string, identity: Identity): Promise<'bound' | 'other' | 'gone'> {
    if (!(await this.options.clientExists(clientId))) return 'gone';
    const client = this.clients.get(clientId);
    if (!client) {
      this.clients.set(clientId, { identity, enteredAs: identity, channels: new Map(), visibility: null });
      return 'bound';
    }
    if (userKey(client.identity.uid) !== userKey(identity.uid)) return 'other';
    client.identity = identity;
    return 'bound';
  }

  async enter(clientId: string, channels: readonly string[]): Promise<boolean> {
    const client = this.clients.get(clientId);
    if (!client) return false;
    const { identity, enteredAs } = client;
    const isRenamed = identity.uname !== enteredAs.uname;
    for (const channel of client.channels.keys())
      if (!channels.includes(channel)) this.leave(clientId, client, channel);
    for (const channel of channels) {
      if (isRenamed || !client.channels.has(channel)) this.enterOne(clientId, client, channel, isRenamed);
    }
    client.enteredAs = identity;
    // It may have ended meanwhile.
    if (await this.options.clientExists(clientId)) return true;
    await this.end(clientId);
    return false;
  }

  async setVisibility(clientId: string, hidden: boolean): Promise<boolean> {
    const client = this.clients.get(clientId);
    if (!client) return false;
    const { identity, visibility } = client;
    client.visibility = this.options.store.setVisibility(clientId, userKey(identity.uid), hidden, visibility);
    return true;
  }

  async unbind(clientId: string): Promise<void> {
    const client = this.clients.get(clientId);
    this.clients.delete(clientId);
    for (const channel of client?.channels.keys() ?? []) this.leave(clientId, client as LocalClient, channel);
  }

  end(clientId: string): Promise<void> {
    return this.unbind(clientId);
  }

  *bound(): Iterable<{ clientId: string; identity: Identity }> {
    for (const [clientId, { identity }] of this.clients) yield { clientId, identity };
  }

  held(concerns: Concerns): Membership[] {
    return [...this.clients].flatMap(([clientId, { identity, channels, visibility }]) =>
      [...channels]
        .filter(([channel]) => concerns(channel))
        .map(([channel, at]) => ({ channel, clientId, user: publicUser(identity), at, visibility })),
    );
  }

  private enterOne(clientId: string, client: LocalClient, channel: string, isRenamed: boolean): void {
    const user = publicUser(client.identity);
    const { at, ...transition } = this.options.store.channels.enter(channel, user, clientId, isRenamed);
    if (!client.channels.has(channel)) client.channels.set(channel, at);
    this.options.changed({ type: 'join', channel, user, ...transition });
  }

  private leave(clientId: string, client: LocalClient, channel: string): void {
    client.channels.delete(channel);
    const user = publicUser(client.identity);
    const transition = this.options.store.channels.leave(channel, user.uid, clientId);
    this.options.changed({ type: 'leave', channel, user, ...transition });
  }
}
