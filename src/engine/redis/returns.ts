/**
 * Clients that were this node's under a lease that is over: others may have taken or ended them meanwhile. One that has
 * shown that it is there is taken up again, where nobody else has it; as a new stay where it had been ended.
 */
import { UnavailableError } from '../../errors.js';
import type { Client } from '../client.js';
import type { HandedOver, Residents } from '../residence.js';
import type { Keeping } from './keeping.js';
import type { Lease } from './lease.js';
import type { Leases } from './leases.js';
import type { Place } from './records.js';

export interface ReturnsOptions {
  engine(): Residents;
  leases: Leases;
  keeping: Keeping;
  /** Gives a client to this node, if it is still where it was found. Rejects where that is not known. */
  take(
    clientId: string,
    place: Place,
  ): Promise<{ generation: number; channels: string[] } | 'changed' | 'gone'>;
  find(clientId: string): Promise<Place | null>;
  /** A client is another node's. */
  lost(client: Client): void;
  /** A client of this node has ended, in a generation that was over. */
  ended(client: Client, generation: number): void;
}

/** How often a client that comes back is looked for. */
const TRIES = 5;

export class Returns {
  /** Those that have shown that they are there. */
  private readonly returning = new Set<Client>();

  constructor(private readonly options: ReturnsOptions) {}

  has(client: Client): boolean {
    return this.returning.has(client);
  }

  /** The client has shown that it is there. Where this fails it is done again. False where it is another's, or gone. */
  comeBack(client: Client): Promise<boolean> {
    this.returning.add(client);
    return this.comeBackNow(client);
  }

  /** Rejects where it could not be done for some. */
  async all(): Promise<void> {
    await Promise.all([...this.returning].map((client) => this.comeBackNow(client)));
  }

  forget(client: Client): void {
    this.returning.delete(client);
  }

  /** A client has become this node's, by a record of that epoch. False where it has ended meanwhile. */
  here(client: Client, generation: number, epoch: string, handedOver = asItWas(client)): boolean {
    this.returning.delete(client);
    const { engine, leases, keeping, ended } = this.options;
    if (engine().get(client.id) !== client) {
      ended(client, generation);
      return false;
    }
    if (!this.isHere(client)) engine().settle(client, generation, handedOver);
    // The record may have gone with the others, and this client was not here to be written down again.
    if (leases.of(client.id).epoch !== epoch) keeping.unsaved.add(client);
    return true;
  }

  private isHere(client: Client): boolean {
    return this.options.engine().get(client.id) === client && client.state === 'here';
  }

  private async comeBackNow(client: Client): Promise<boolean> {
    const { engine, leases, find, take, lost } = this.options;
    const lease = leases.of(client.id);
    for (let tried = 0; tried < TRIES; tried += 1) {
      const place = await find(client.id);
      if (engine().get(client.id) !== client) return false;
      if (this.isHere(client)) return true;
      if (!place) return this.beginAgain(client);
      const { node, generation } = place;
      // Written by this node before, whose answer was lost.
      if (node === lease.name && generation === client.generation + 1)
        return this.hereAgain(client, generation, '');
      // Older data is not the truth.
      if (generation < client.generation) return this.beginAgain(client);
      if (!isStillOurs(client, place, lease)) break;
      const { epoch } = lease;
      const adopted = await take(client.id, place);
      if (typeof adopted === 'object') return this.here(client, adopted.generation, epoch);
    }
    lost(client);
    return false;
  }

  /** It had been taken for dead, and was ended: this is another stay. */
  private async beginAgain(client: Client): Promise<boolean> {
    const generation = client.generation + 1;
    const { epoch } = this.options.leases.of(client.id);
    const { outcome } = await this.options.keeping.write(client, generation, client.channels);
    if (outcome === 'fenced') throw new UnavailableError('what this node may take');
    if (outcome === 'lost') {
      this.options.lost(client);
      return false;
    }
    return this.hereAgain(client, generation, epoch);
  }

  /** `epoch`: of its record; empty where that is not known. */
  private hereAgain(client: Client, generation: number, epoch: string): boolean {
    // A second call, whose first has done it meanwhile.
    if (this.isHere(client)) return true;
    if (!this.here(client, generation, epoch)) return false;
    this.options.engine().returned(client.id);
    return true;
  }
}

/** Whether nobody has taken it since it was this node's. */
export const isStillOurs = (client: Client, { node, generation }: Place, lease: Lease): boolean =>
  lease.isOurs(node) && generation === client.generation;

const asItWas = ({ heardOf, told }: Client): HandedOver => ({
  waiting: [],
  heardOf,
  left: undefined,
  told: told?.editions,
});
