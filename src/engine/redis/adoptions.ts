/**
 * Adoptions: a client that another node has, or had, is made this node's, with its subscriptions and what waits for it there.
 * Exactly one of all nodes that want a client gets it.
 */
import { setTimeout as after } from 'node:timers/promises';
import { UnavailableError } from '../../errors.js';
import type { Residents } from '../residence.js';
import type { HandOvers } from './hand-overs.js';
import type { Lease } from './lease.js';
import type { Leases } from './leases.js';
import type { Place, Records } from './records.js';
import type { RedisBackplane } from './redis-backplane.js';
import type { Returns } from './returns.js';

export interface AdoptionsOptions {
  engine(): Residents;
  records: Records;
  leases: Leases;
  handOvers: HandOvers;
  returns: Returns;
  backplane: RedisBackplane;
  /** Whether messages and requests between two nodes take different ways: one master may be slower than another. */
  isCluster: boolean;
  /** What was asked may still land. */
  lostSight(lease: Lease): void;
}

/** How often an adoption is tried where another was quicker. */
const TRIES = 5;
/** Milliseconds by which a message may reach one node of a Redis Cluster later than another. */
const CLUSTER_SKEW_MS = 50;

export class Adoptions {
  private readonly underWay = new Map<string, Promise<boolean>>();
  /** Clients that this node tried to adopt from a place, and does not know whether it did. */
  private readonly doubts = new Map<string, Place>();

  constructor(private readonly options: AdoptionsOptions) {}

  /** Adoptions under way. */
  get size(): number {
    return this.underWay.size;
  }

  /** Resolves once a client is not arriving any more, whatever came of it; undefined where it is not. */
  settled(clientId: string): Promise<unknown> | undefined {
    return this.underWay.get(clientId)?.catch(() => {});
  }

  /** False where there is no such client. A second call while one is under way waits for that one. */
  adopt(clientId: string): Promise<boolean> {
    const known = this.underWay.get(clientId);
    if (known) return known;
    const adopted = this.adoptOnce(clientId).finally(() => this.underWay.delete(clientId));
    this.underWay.set(clientId, adopted);
    return adopted;
  }

  /** Looks again at clients that may be this node's. */
  async settleDoubts(): Promise<void> {
    await Promise.allSettled([...this.doubts.keys()].map((clientId) => this.settleDoubt(clientId)));
  }

  /** Gives a client to this node, if it is still where it was found. Rejects with `UnavailableError` where that is not known. */
  async take(
    clientId: string,
    place: Place,
  ): Promise<{ generation: number; channels: string[] } | 'changed' | 'gone'> {
    const { records, leases, lostSight } = this.options;
    const lease = leases.of(clientId);
    const adopted = await records
      .adopt(clientId, place, lease.name, lease.inRound)
      .catch((error: unknown) => {
        lostSight(lease);
        throw error;
      });
    // Waiting here for the lease to be renewed could wait for what waits for us.
    if (adopted === 'fenced') throw new UnavailableError('what this node may take');
    return adopted;
  }

  private find(clientId: string): Promise<Place | null> {
    const { records, leases } = this.options;
    return records.look(clientId, leases.of(clientId).epoch, true);
  }

  private async adoptOnce(clientId: string): Promise<boolean> {
    const known = this.options.engine().get(clientId);
    if (known?.state === 'here') return true;
    if (known && (await this.options.returns.comeBack(known))) return true;
    for (let tried = 0; tried < TRIES; tried += 1) {
      const place = await this.find(clientId);
      if (!place) return this.isNowhere(clientId);
      const outcome = await this.adoptFrom(clientId, place);
      if (outcome === 'adopted') return true;
      if (outcome === 'gone') return this.isNowhere(clientId);
    }
    throw new UnavailableError('a client that many nodes want');
  }

  /** Where it was this node's, and nobody knew: once nothing that was asked before can land any more. */
  private async settleDoubt(clientId: string): Promise<void> {
    const lease = this.options.leases.of(clientId);
    if (!lease.holds) return;
    const place = await this.find(clientId);
    if (place && lease.isOurs(place.node)) await this.adopt(clientId);
    this.doubts.delete(clientId);
  }

  private isNowhere(clientId: string): false {
    this.doubts.delete(clientId);
    return false;
  }

  private async adoptFrom(clientId: string, place: Place): Promise<'adopted' | 'changed' | 'gone'> {
    const { handOvers, backplane, isCluster } = this.options;
    const client = this.options.engine().arrive(clientId);
    const at = performance.now();
    try {
      // Heard from before it is taken, so that no message falls between the two nodes.
      await Promise.all(place.channels.map((channel) => this.options.engine().bring(client, channel)));
      if (isCluster) await Promise.all([after(CLUSTER_SKEW_MS), backplane.flushed()]);
      const { epoch } = this.options.leases.of(clientId);
      const adopted = await this.takeOrDoubt(clientId, place);
      if (typeof adopted !== 'object') {
        this.options.engine().leave(client);
        return adopted;
      }
      const { generation, channels } = adopted;
      const since = channels.filter((channel) => !client.channels.has(channel));
      await Promise.all(since.map((channel) => this.options.engine().bring(client, channel)));
      for (const channel of [...client.channels]) {
        if (!channels.includes(channel)) this.options.engine().unsubscribeHere(client, channel);
      }
      const from = this.doubts.get(clientId) ?? place;
      const handedOver = await handOvers.ask(clientId, from, generation, at);
      this.doubts.delete(clientId);
      return this.options.returns.here(client, generation, epoch, handedOver) ? 'adopted' : 'gone';
    } catch (error) {
      if (this.options.engine().get(clientId) === client) this.options.engine().leave(client);
      throw error;
    }
  }

  private async takeOrDoubt(clientId: string, place: Place) {
    try {
      return await this.take(clientId, place);
    } catch (error) {
      // It may be this node's, and nobody would know: looked at again until that is certain.
      if (!this.doubts.has(clientId)) this.doubts.set(clientId, place);
      throw error;
    }
  }
}
