/**
 * Ends of clients, in three steps: the record is marked, what belongs to the end is done, the record goes. Whoever marks it
 * goes on alone, so that an end is told once; where that node dies, another takes over, and it may be told twice.
 */
import type { EngineKeys } from './keys.js';
import type { Lease } from './lease.js';
import type { Records } from './records.js';

export interface EndsOptions {
  records: Records;
  leaseOf(clientId: string): Lease;
  /**
   * What is done between the first step and the last. An end whose step rejects is done again. `at`: the last sign of life of
   * the client's node, where it ends by that node's death, ms since 1970.
   */
  ending(clientId: string, at?: number): Promise<void>;
  /** A client has ended. */
  gone(clientId: string): void;
}

/** Whose the client must be, where that matters. */
export interface Whose {
  node?: string;
  generation?: number;
}

/** Clients of a dead node that are ended in one go. */
const BATCH = 200;

export class Ends {
  /** Clients of this node that have ended: in which generation, and by which name they were this node's. */
  private readonly waiting = new Map<string, { generation: number; name: string }>();
  private readonly underWay = new Set<string>();

  constructor(private readonly options: EndsOptions) {}

  has(clientId: string): boolean {
    return this.waiting.has(clientId);
  }

  /** Ends that are not known to be done. */
  get size(): number {
    return this.waiting.size;
  }

  /** A client of this node has ended. `name`: by which it was this node's, or empty where it had been lost. */
  ended(clientId: string, generation: number, name: string): void {
    this.waiting.set(clientId, { generation, name });
    this.end(clientId).catch(NOTHING);
  }

  /** What could not be done yet. */
  async retry(): Promise<void> {
    await Promise.all([...this.waiting.keys()].map((clientId) => this.end(clientId)));
  }

  /** Ends the clients of a node that is dead. */
  async bury(keys: EngineKeys, node: string): Promise<void> {
    const { records } = this.options;
    for (;;) {
      const clientIds = await records.someOf(keys, node, BATCH);
      const ended = await Promise.all(clientIds.map((clientId) => this.finish(clientId, { node })));
      if (clientIds.length === 0) await records.forgetNode(keys, node);
      // The rest is being ended by others.
      if (!ended.includes(true)) return;
    }
  }

  /** Ends that another has begun, and not finished for long. */
  async takeOver(keys: EngineKeys): Promise<void> {
    const overdue = await this.options.records.overdueEnds(keys);
    await Promise.all(overdue.map((clientId) => this.finish(clientId, {})));
  }

  /** True where this node has ended the client. `begun`: what else is to be done once no other can. */
  async finish(clientId: string, whose: Whose, begun: () => Promise<unknown> = NOBODY): Promise<boolean> {
    if (this.underWay.has(clientId)) return false;
    this.underWay.add(clientId);
    try {
      return await this.steps(clientId, whose, begun);
    } finally {
      this.underWay.delete(clientId);
    }
  }

  private async steps(clientId: string, whose: Whose, begun: () => Promise<unknown>): Promise<boolean> {
    const { records, leaseOf, ending, gone } = this.options;
    const { name } = leaseOf(clientId);
    const { outcome, diedAt } = await records.beginEnd(clientId, name, whose);
    // Of one of ours there may be no record: Redis was away since it came, or has lost it.
    const isOurs = outcome === 'gone' && this.waiting.get(clientId)?.name === name;
    if (outcome !== 'begun' && !isOurs) return false;
    await begun();
    // Of whom it is known in which generation, it is known too that it lived until now.
    await ending(clientId, whose.generation === undefined ? diedAt : undefined);
    if (outcome === 'begun' && !(await records.finishEnd(clientId, name))) return false;
    gone(clientId);
    return true;
  }

  /** While the lease may be over, or a save may still land, it waits for the next renewal. */
  private async end(clientId: string): Promise<void> {
    const waiting = this.waiting.get(clientId);
    if (!waiting || this.underWay.has(clientId) || !this.options.leaseOf(clientId).holds) return;
    await this.finish(clientId, { generation: waiting.generation });
    if (this.waiting.get(clientId) === waiting) this.waiting.delete(clientId);
  }
}

/** Done again at the next look. */
const NOTHING = (): void => {};
const NOBODY = async (): Promise<void> => {};
