/** The clients of this node, and who has subscribed to what. A look-up costs the same for one channel and for a million. */
import type { Client } from './client.js';

export class Registry {
  readonly clients = new Map<string, Client>();
  private readonly channels = new Map<string, Set<Client>>();

  add(client: Client): void {
    this.clients.set(client.id, client);
  }

  get(clientId: string): Client | undefined {
    return this.clients.get(clientId);
  }

  remove(client: Client): void {
    if (this.clients.get(client.id) === client) this.clients.delete(client.id);
  }

  /** Whether it is new. */
  subscribe(client: Client, channel: string): boolean {
    const subscribers = this.channels.get(channel);
    if (subscribers?.has(client)) return false;
    if (subscribers) subscribers.add(client);
    else this.channels.set(channel, new Set([client]));
    client.channels.add(channel);
    return true;
  }

  /** `last`: nobody on this node has subscribed to the channel any more. */
  unsubscribe(client: Client, channel: string): { removed: boolean; last: boolean } {
    const subscribers = this.channels.get(channel);
    if (!subscribers?.delete(client)) return { removed: false, last: false };
    client.channels.delete(channel);
    if (subscribers.size > 0) return { removed: true, last: false };
    this.channels.delete(channel);
    return { removed: true, last: true };
  }

  /** Each client once that has subscribed to one of the channels. */
  subscribers(channels: readonly string[]): Iterable<Client> {
    const sets = channels.map((channel) => this.channels.get(channel)).filter((set) => set !== undefined);
    const [only, second] = sets;
    if (!only) return [];
    return second ? new Set(sets.flatMap((set) => [...set])) : only;
  }

  hasSubscribers(channel: string): boolean {
    return this.channels.has(channel);
  }

  get size(): { clients: number; channels: number } {
    return { clients: this.clients.size, channels: this.channels.size };
  }
}
