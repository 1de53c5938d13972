/** Which clients are this node's: those that it has itself, and what its sessions say of the others. */
import type { Ownership, RequestHandler } from '../bayeux/online-api.js';
import type { OtherSessions, Sessions } from '../sessions/sessions.js';
import type { Registry } from './registry.js';

export class EngineOwnership implements Ownership {
  readonly tracksOwners = true;
  readonly others: OtherSessions;
  handler: RequestHandler = () => undefined;

  constructor(
    private readonly registry: Registry,
    private readonly sessions: Sessions,
  ) {
    this.others = sessions.others;
  }

  has(clientId: string): boolean {
    return this.registry.get(clientId)?.isOwned ?? false;
  }

  async exists(clientId: string): Promise<boolean> {
    return this.has(clientId) || this.others.exists(clientId);
  }

  async existing(clientIds: readonly string[]): Promise<Set<string>> {
    // As it is asked: one that goes to another node meanwhile is not asked for there.
    const own = clientIds.filter((clientId) => this.has(clientId));
    const others = clientIds.filter((clientId) => !this.has(clientId));
    const elsewhere = others.length > 0 ? await this.others.existing(others) : [];
    return new Set([...own, ...elsewhere]);
  }

  confirmed(clientId: string): Promise<boolean> | undefined {
    const client = this.registry.get(clientId);
    return client && this.sessions.confirmed(client);
  }

  verified(clientId: string): Promise<boolean> | undefined {
    const client = this.registry.get(clientId);
    return client && this.sessions.verified(client);
  }

  async adopt(clientId: string): Promise<boolean> {
    return this.has(clientId) || this.sessions.claim(clientId);
  }
}
