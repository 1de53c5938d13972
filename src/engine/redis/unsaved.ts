/** Clients of this node whose records are not, or not wholly, written down; and who waits until they are. */
import type { Client } from '../client.js';

export class Unsaved {
  private readonly clients = new Map<Client, ((saved: boolean) => void)[]>();

  get size(): number {
    return this.clients.size;
  }

  get all(): Client[] {
    return [...this.clients.keys()];
  }

  has(client: Client): boolean {
    return this.clients.has(client);
  }

  add(client: Client): void {
    if (!this.clients.has(client)) this.clients.set(client, []);
  }

  /** It is written down; or it is not this node's any more, and never will be. */
  remove(client: Client, saved: boolean): void {
    const waiting = this.clients.get(client) ?? [];
    this.clients.delete(client);
    for (const resolve of waiting) resolve(saved);
  }

  /** Resolves with whether it was written down, once that is so or can't be any more. */
  async saved(client: Client): Promise<boolean> {
    const waiting = this.clients.get(client);
    return waiting ? new Promise((resolve) => waiting.push(resolve)) : true;
  }
}
