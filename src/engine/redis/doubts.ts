/**
 * Clients of this node that may have gone to another, or been ended, without its hearing of it: it looks in their records.
 *
 * A connect of such a client waits until that is known: what waits here may be older than what the client got elsewhere. With
 * one Redis all clients are suspect from the moment in which requests of other nodes are not received any more. With Redis
 * Cluster that may be so while most of it works, and nobody is to wait: there clients are suspect once requests are received again.
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
  /** Whether letters are heard. */
  hears(): boolean;
}

export class Doubts {
  private readonly unsure = new Set<Client>();
  /** Grows with each outage: what was asked before it tells nothing. */
  private outages = 0;

  constructor(private readonly options: DoubtsOptions) {}

  has(client: Client): boolean {
    return this.unsure.has(client);
  }

  /** Letters are not heard any more: it is looked for them once they are. */
  suspend(): void {
    this.outages += 1;
    for (const client of this.options.engine().all())
      if (client.state !== 'arriving') this.unsure.add(client);
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
    this.outages += 1;
    for (const client of this.options.engine().all()) this.doubt(client);
  }

  /** Those that can't be looked for stay where they are. */
  async settleAll(): Promise<void> {
    await Promise.allSettled([...this.unsure].map((client) => this.settle(client)));
  }

  /** Rejects where it can't be known now. */
  async settle(client: Client): Promise<void> {
    const asked = this.options.hears() ? this.outages : undefined;
    // Of others whoever saves them, or makes them come back, is told.
    if (this.mayBeOthers(client)) {
      const place = await this.options.find(client.id);
      if (this.mayBeOthers(client)) this.judge(client, place);
    }
    this.settled(client, asked === this.outages);
  }

  private judge(client: Client, place: Place | null): void {
    const { leases, lost } = this.options;
    if (client.state === 'returning') {
      // One that has been ended begins again, once it has shown that it is there.
      if (place && !isStillOurs(client, place, leases.of(client.id))) lost(client);
    } else if (place?.generation !== client.generation) this.isAnothers(client, place);
  }

  /** `forGood`: letters were heard from before it was asked on. Else it may have gone since, or go, without this node's hearing of it. */
  private settled(client: Client, forGood: boolean): void {
    if (forGood || this.options.engine().get(client.id) !== client) this.unsure.delete(client);
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
