/** The leases of this node, one in each partition, renewed each second; and what is found out by that. */
import type { RedisHub } from '../../redis/hub.js';
import { RENEW_MS } from '../../timings.js';
import { Chore } from './chore.js';
import { EngineKeys } from './keys.js';
import { Lease } from './lease.js';

export interface LeasesOptions {
  hub: RedisHub;
  /** The name of this node. */
  node: string;
  /** Clients of this node. */
  clients(): number;
  /** A lease was lost, and has another name now. `stoodStill`: so did this process, and who is connected is not known. */
  fenced(lease: Lease, stoodStill: boolean): void;
  /** Redis has lost data, or holds older. */
  newEpoch(lease: Lease): void;
  /** Redis knows no client of this node, in this partition. */
  unknown(lease: Lease): void;
  /** Another node has died, or stopped. */
  died(lease: Lease): void;
  /** In that many milliseconds the clients of a dead node are to be ended, and the leases renewed before. */
  dueIn(ms: number): void;
  /** Another renewal is going to come. */
  failed(error: unknown): void;
}

/** Milliseconds late that a look may be; beyond, the process stood still. */
const STOOD_STILL = 3_000;

export class Leases {
  readonly all: readonly Lease[];
  /** Each for itself: a master that stands still keeps no other from being told that this node lives. */
  private readonly renewing: readonly Chore[];
  private readonly due = new Map<Lease, readonly string[]>();
  private readonly dead = new Map<Lease, readonly string[]>();
  private lookedAt = performance.now();
  /** Milliseconds by which the last look was late. */
  private lag = 0;
  /** This process stood still since the last renewal. */
  private stoodStill = false;

  constructor(private readonly options: LeasesOptions) {
    const { hub, node, clients, failed } = options;
    const { redis, partitions, epochs } = hub;
    const about = () => ({ clients: clients(), lag: this.lag });
    this.all = partitions.namespaces.map((namespace, partition) => {
      const keys = new EngineKeys(namespace, partitions.scope);
      return new Lease(redis.commands, keys, () => epochs.lookAt(partition), node, about);
    });
    this.renewing = this.all.map((lease) => new Chore(() => this.renewOne(lease), failed));
  }

  /** Whether each was had once: before, nothing can be asked of Redis, since it is not known in which epoch it is. */
  get wereHad(): boolean {
    return this.all.every(({ epoch }) => epoch !== '');
  }

  /** How many could not be renewed the last time. */
  get away(): number {
    return this.all.filter(({ isAway }) => isAway).length;
  }

  /** The lease of a client's partition. */
  of(clientId: string): Lease {
    return this.all[this.options.hub.partitions.of(clientId)] as Lease;
  }

  /** Dead nodes whose clients are to be ended. */
  dueOf(lease: Lease): readonly string[] {
    return this.due.get(lease) ?? [];
  }

  /** The look of every second, or one between. */
  look(): Promise<void> {
    const late = performance.now() - this.lookedAt - RENEW_MS;
    this.lookedAt = performance.now();
    this.lag = Math.max(0, Math.round(late));
    this.stoodStill ||= late > STOOD_STILL;
    return this.renew();
  }

  /** Resolves once the renewals that are under way, or these, are done or have failed. */
  async renew(): Promise<void> {
    if (this.options.hub.redis.commands.status !== 'ready') return;
    const { lookedAt } = this;
    await Promise.all(this.renewing.map((chore) => chore.run()));
    // Of a look since then it is not known yet.
    if (this.lookedAt === lookedAt) this.stoodStill = false;
  }

  /** Gives them up; clients have `linger` ms to go elsewhere. */
  async retire(linger: number): Promise<void> {
    await this.renew();
    await Promise.allSettled(this.all.map((lease) => lease.retire(linger)));
  }

  private async renewOne(lease: Lease): Promise<void> {
    const { outcome, due, dead, dueIn } = await lease.renew();
    const known = this.dead.get(lease) ?? [];
    this.due.set(lease, due);
    this.dead.set(lease, dead);
    if (dead.some((name) => !known.includes(name))) this.options.died(lease);
    if (dueIn !== undefined && dueIn < RENEW_MS) this.options.dueIn(dueIn);
    if (outcome === 'fenced') this.options.fenced(lease, this.stoodStill);
    if (outcome === 'new epoch') this.options.newEpoch(lease);
    if (outcome === 'renewed' && !lease.hasClients) this.options.unknown(lease);
  }
}
