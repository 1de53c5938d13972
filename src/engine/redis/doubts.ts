/**
 * Clients of this node that may have gone to another, or been ended, without its hearing of it: it looks in their records.
 * Once none is left, how far this node had heard before an outage matters no more (`RedisBackplane.sure`).
 */
import type { Client } from '../client.js';
import type { Residents } from '../residence.js';
import type { Keeping } from './keeping.js';
import type { Leases } from './leases.js';
import type { Place } from './records.js';
import { isStillOurs, type Returns } from './returns.js';

export interface DoubtsOptions {
  engine(): Residents;
  leases: Leases;
  keeping: Keeping;
  returns: Returns;
  find(clientId: string): Promise<Place | null>;
  /** A client is another node's, or has been ended. */
  lost(client: Client): void;
  /** No client is doubted. While letters are not heard that does not mean that none has gone. */
  sure(): void;
}

export class Doubts {
  private readonly unsure = new Set<Client>();

  constructor(private readonly options: DoubtsOptions) {}

  has(client: Client): boolean {
    return this.unsure.has(client);
  }

  forget(client: Client): void {
    this.unsure.delete(client);
  }

  /** What fails is done again at the next look. */
  doubt(client: Client): void {
    this.unsure.add(client);
    this.settle(client).catch(NOTHING);
  }

  /** This node hears letters again: those that said that a client is another's may have been lost. */
  doubtAll(): void {
    for (const client of this.options.engine().all()) this.doubt(client);
    this.maybeSure();
  }

  /** Those that can't be looked for stay where they are. */
  async settleAll(): Promise<void> {
    await Promise.allSettled([...this.unsure].map((client) => this.settle(client)));
    this.maybeSure();
  }

  /** Rejects where it can't be known now. */
  async settle(client: Client): Promise<void> {
    await this.look(client);
    this.maybeSure();
  }

  private maybeSure(): void {
    if (this.unsure.size === 0) this.options.sure();
  }

  private async look(client: Client): Promise<void> {
    if (!this.mayBeOthers(client)) {
      // Whoever saves it, or makes it come back, is told.
      this.unsure.delete(client);
      return;
    }
    const { find, leases, lost } = this.options;
    const place = await find(client.id);
    this.unsure.delete(client);
    if (!this.mayBeOthers(client)) return;
    if (client.state === 'returning') {
      // One that has been ended begins again, once it has shown that it is there.
      if (place && !isStillOurs(client, place, leases.of(client.id))) lost(client);
    } else if (place?.generation !== client.generation) this.isAnothers(client, place);
  }

  private isAnothers(client: Client, place: Place | null): void {
    // Older data is not the truth.
    if (place && place.generation < client.generation) this.options.keeping.unsaved.add(client);
    else this.options.lost(client);
  }

  private mayBeOthers(client: Client): boolean {
    const { engine, keeping, returns } = this.options;
    if (engine().get(client.id) !== client || client.state === 'arriving') return false;
    return !keeping.unsaved.has(client) && !returns.has(client);
  }
}

const NOTHING = (): void => {};
