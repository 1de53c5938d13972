/** Does a fault and heals it. Faults of different things overlap; those of one thing come one after the other. */
import type { Cluster, Place } from './cluster.js';
import type { Fault } from './history.js';

/** While a fault lasts; milliseconds since 1970. */
export interface Outage {
  from: number;
  /** Infinity until it is healed. */
  to: number;
}

export class Faults {
  /** Every fault that has begun. */
  readonly outages: Outage[] = [];
  private readonly underWay = new Map<string, Promise<void>>();

  constructor(
    private readonly cluster: Cluster,
    private readonly tell: (what: string) => void,
  ) {}

  begin(fault: Fault): void {
    const of = this.struckBy(fault);
    const before = this.underWay.get(of) ?? Promise.resolve();
    const done = before.then(async () => {
      this.tell(`${describe(fault)} begins`);
      const outage = { from: Date.now(), to: Number.POSITIVE_INFINITY };
      this.outages.push(outage);
      await this.strike(fault);
      outage.to = Date.now();
      this.tell(`${describe(fault)} is healed`);
    });
    this.underWay.set(of, done);
  }

  /** Resolves once every fault is healed. Rejects where one could not be. */
  async healed(): Promise<void> {
    await Promise.all(this.underWay.values());
    this.underWay.clear();
  }

  private struckBy({ kind, node }: Fault): string {
    if (kind === 'kill' || kind === 'stop' || kind === 'freeze') return `node ${node}`;
    if (kind === 'redis-cut' || kind === 'redis-delay' || kind === 'redis-one-way') return `way ${node}`;
    return 'redis';
  }

  private async strike({ kind, node, lasts, held }: Fault): Promise<void> {
    const { cluster } = this;
    const place = cluster.place(node);
    const redis = cluster.servers.one(node);
    const healing = () => pause(lasts);
    switch (kind) {
      case 'kill':
        await cluster.killNode(place);
        await healing();
        return cluster.startNode(place);
      case 'stop':
        await cluster.stopNode(place);
        await healing();
        return cluster.startNode(place);
      case 'freeze':
        place.node?.freeze();
        await healing();
        return place.node?.thaw();
      case 'redis-restart':
        return cluster.restartRedis(redis, { keeps: 'all', down: healing });
      case 'redis-loss':
        return cluster.restartRedis(redis, { keeps: 'nothing', down: healing });
      case 'redis-older':
        return cluster.restartRedis(redis, { keeps: 'older', ages: healing });
      case 'redis-flush':
        return redis.flush();
      case 'redis-freeze':
        redis.pause();
        await healing();
        return redis.resume();
      default:
        return this.harm(place, { kind, lasts, held });
    }
  }

  private async harm({ ways }: Place, { kind, lasts, held }: Omit<Fault, 'node'>): Promise<void> {
    for (const way of ways) {
      if (kind === 'redis-cut') way.cut();
      else if (kind === 'redis-delay') way.slow(lasts / 10);
      else way.hold(held);
    }
    await pause(lasts);
    for (const way of ways) way.heal();
  }
}

export function describe({ kind, node, lasts, held }: Fault): string {
  const seconds = `${(lasts / 1_000).toFixed(1)} s`;
  if (kind === 'redis-flush') return kind;
  if (kind.startsWith('redis-') && !['redis-cut', 'redis-delay', 'redis-one-way'].includes(kind))
    return `${kind} for ${seconds}`;
  return `${kind} of node ${node} for ${seconds}${kind === 'redis-one-way' ? `, held ${held}` : ''}`;
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
