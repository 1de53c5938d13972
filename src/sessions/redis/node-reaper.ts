/** Ends the clients of dead nodes, and those that this node has left behind in older data. */
import type { Logger } from 'pino';
import type { Claims } from './claims.js';
import type { Lease, Renewal } from './lease.js';
import type { Reconciler } from './reconciler.js';
import type { SessionRecords } from './session-records.js';

export interface NodeReaperOptions {
  node: string;
  records: SessionRecords;
  claims: Claims;
  reconciler: Reconciler;
  /** Which of the clients of a dead node live all the same, where the engine knows no owners. */
  living?: ((clientIds: readonly string[]) => Promise<Iterable<string>>) | undefined;
  log: Logger;
}

export class NodeReaper {
  private readonly running = new Set<Lease>();
  /** By how many clients the index of this node differed from its sessions at the last renewal. */
  private readonly skews = new Map<Lease, number>();
  /** Leases in a new epoch, until the index of this node was looked through. */
  private readonly unaudited = new Set<Lease>();

  constructor(private readonly options: NodeReaperOptions) {}

  /** Called after each renewal. */
  renewed(lease: Lease, { due, isNewEpoch, indexed }: Renewal): void {
    if (isNewEpoch || this.isSkewed(lease, indexed)) this.unaudited.add(lease);
    if (this.running.has(lease)) return;
    this.running.add(lease);
    this.run(lease, due)
      .catch((error) => this.options.log.debug({ err: error }, 'not all clients of the dead were ended'))
      .finally(() => this.running.delete(lease));
  }

  /** Whether the index of this node has more or fewer clients than it has sessions, twice running. */
  private isSkewed(lease: Lease, indexed: number): boolean {
    const size = this.options.reconciler.certainSize(lease);
    const skew = size === undefined ? 0 : indexed - size;
    const isSame = skew !== 0 && this.skews.get(lease) === skew;
    this.skews.set(lease, skew);
    if (isSame) this.options.reconciler.suspectAll(lease);
    return isSame;
  }

  private async run(lease: Lease, due: readonly string[]): Promise<void> {
    if (this.unaudited.has(lease) && !lease.isSettling) await this.audit(lease);
    for (const node of due) await this.reap(lease, node);
  }

  /** What other nodes leave over is ended after the next renewal. */
  private async reap(lease: Lease, node: string): Promise<void> {
    const { records, claims } = this.options;
    for (;;) {
      const clientIds = await records.someOf(lease, node);
      if (clientIds.length === 0) {
        await records.forgetNode(lease, node);
        return;
      }
      const living = new Set(await this.options.living?.(clientIds));
      const ended = await Promise.all(
        clientIds.map((clientId) =>
          living.has(clientId) ? claims.claim(clientId) : claims.end(clientId, 'reap', node),
        ),
      );
      if (!ended.includes(true)) return;
    }
  }

  /** Redis may have lost that clients of this node have gone. */
  private async audit(lease: Lease): Promise<void> {
    const { node, records, claims, reconciler } = this.options;
    const clientIds = await records.allOf(lease, node);
    const left = clientIds.filter((clientId) => !reconciler.get(clientId));
    await Promise.all(left.map((clientId) => claims.end(clientId, 'self')));
    this.unaudited.delete(lease);
  }
}
