/** The leases of this node, one in each partition, renewed each second; and what a renewal finds out. */
import type { Redis } from 'ioredis';
import type { RedisHub } from '../../redis/hub.js';
import { isCluster } from '../../redis/is-cluster.js';
import type { Commands } from '../../redis/scripts.js';
import { RENEW_MS } from '../../timings.js';
import { Lease, type Renewal } from './lease.js';
import { SessionKeys } from './session-keys.js';
import { NotYetError } from './session-records.js';
import { SingleFlight } from './single-flight.js';

export interface LeasesOptions {
  hub: RedisHub;
  /** The name of this node. */
  node: string;
  /** Clients of this node. */
  clients(): number;
  /** A lease was renewed: steps may be sent again. */
  renewed(lease: Lease, renewal: Renewal): void;
  /** Another renewal follows. */
  failed(error: unknown): void;
}

/** Milliseconds until the renewal after a failed step; twice as long after each further one. */
const RETRY_MS = 50;

export class Leases {
  readonly all: readonly Lease[];
  /** Each by itself: a master that does not answer delays the lease of no other. */
  private readonly renewals: ReadonlyMap<Lease, SingleFlight>;
  private renewedAt = performance.now();
  /** Milliseconds by which the last renewal was late. */
  private lag = 0;
  private retry = RETRY_MS;
  private timer: NodeJS.Timeout | undefined;
  private sooner: NodeJS.Timeout | undefined;

  constructor(private readonly options: LeasesOptions) {
    const { hub, node, clients, failed } = options;
    const { redis, partitions, epochs } = hub;
    const about = () => ({ clients: clients(), lag: this.lag });
    this.all = partitions.namespaces.map((namespace, partition) => {
      const keys = new SessionKeys(namespace, partitions.scope);
      return new Lease(redis.commands, keys, () => epochs.lookAt(partition), node, about);
    });
    this.renewals = new Map(
      this.all.map((lease) => [lease, new SingleFlight(() => this.renewOne(lease), failed)]),
    );
    // What was sent by a connection that is lost may still land.
    onCut(redis.commands, () => this.raiseTerms());
  }

  /** Whether each was held once: before, nothing can be asked of Redis, since its epoch is not known. */
  get wereHeld(): boolean {
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

  /** Renews them each second from now on. */
  start(): void {
    this.options.hub.redis.commands.on('ready', () => this.renew());
    this.renew();
    this.timer = setInterval(() => this.renew(), RENEW_MS);
    this.timer.unref();
  }

  /** Resolves once the lease holds in its term, or could not be renewed. */
  async renewed(lease: Lease): Promise<void> {
    // A renewal that is under way may be one in an earlier term.
    const { commands } = this.options.hub.redis;
    for (let attempt = 0; attempt < 2 && !lease.holds && commands.status === 'ready'; attempt += 1)
      await this.renewals.get(lease)?.run();
  }

  /** Runs a step of a session. Where its outcome is unknown, nothing else is sent in this term. A renewal follows soon. */
  async attempt<T>(lease: Lease, step: () => Promise<T>): Promise<T> {
    try {
      const answer = await step();
      this.retry = RETRY_MS;
      return answer;
    } catch (error) {
      if (!(error instanceof NotYetError)) lease.raiseTerm();
      this.renewSoon(this.retry);
      this.retry = Math.min(2 * this.retry, RENEW_MS);
      throw error;
    }
  }

  /** Gives them up; clients have `grace` ms to go elsewhere. */
  async retire(grace: number): Promise<void> {
    this.stop();
    await Promise.all([...this.renewals.values()].map((renewal) => renewal.run()));
    await Promise.allSettled(this.all.map((lease) => lease.retire(grace)));
  }

  stop(): void {
    clearInterval(this.timer);
    clearTimeout(this.sooner);
    this.sooner = this.timer;
  }

  private renew(): void {
    const late = performance.now() - this.renewedAt - RENEW_MS;
    this.renewedAt = performance.now();
    this.lag = Math.max(0, Math.round(late));
    if (this.options.hub.redis.commands.status !== 'ready') return;
    for (const renewal of this.renewals.values()) void renewal.run();
  }

  /** In a turn of its own: where each step fails at once, the end of the connection would never be noticed. */
  private renewSoon(delay: number): void {
    this.sooner ??= setTimeout(() => {
      this.sooner = undefined;
      this.renew();
    }, delay);
    this.sooner.unref();
  }

  private raiseTerms(): void {
    for (const lease of this.all) lease.raiseTerm();
  }

  private async renewOne(lease: Lease): Promise<void> {
    const renewal = await lease.renew();
    const { dueIn } = renewal;
    if (dueIn !== undefined && dueIn < RENEW_MS) this.renewSoon(dueIn);
    this.options.renewed(lease, renewal);
  }
}

/** With Redis Cluster, also where it is the connection to one master. */
function onCut(commands: Commands, listener: () => void): void {
  commands.on('close', listener);
  if (!isCluster(commands)) return;
  for (const node of commands.nodes()) node.on('close', listener);
  commands.on('+node', (node: Redis) => node.on('close', listener));
}
