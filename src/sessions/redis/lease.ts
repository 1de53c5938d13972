/**
 * A node's lease in one partition: its proof of life there.
 *
 * The term is raised whenever the lease becomes uncertain: an unknown outcome, a lost connection, a lost lease. No step is sent until a renewal in that
 * term is answered: from then on what was sent in an earlier term does nothing, and the node knows the epoch.
 */
import { hostname } from 'node:os';
import { setTimeout as after } from 'node:timers/promises';
import { UnavailableError } from '../../errors.js';
import type { Epoch } from '../../redis/epochs.js';
import type { Commands } from '../../redis/scripts.js';
import { ADOPTION_GRACE_MS, LEASE_MS, RENEW_TIMEOUT_MS, STABLE_MS } from '../../timings.js';
import { scripts } from './scripts.js';
import type { SessionKeys } from './session-keys.js';

export interface Renewal {
  /** The node held no lease any more: it was declared dead, and its clients may have been claimed. */
  wasLost: boolean;
  isNewEpoch: boolean;
  /** Dead nodes whose clients are to be ended. */
  due: string[];
  /** Milliseconds until the clients of the next dead node are to be ended; undefined where there is none. */
  dueIn: number | undefined;
  /** How many clients the index of this node has. */
  indexed: number;
}

type Reply = [outcome: 'renewed' | 'lost' | 'stale', due: string[], indexed: number, dueIn: number];

const startedAt = new Date().toISOString();

export class Lease {
  private known = '';
  /** Until when it holds for certain, by `now`. */
  private until = 0;
  /** Until when the epoch is new, likewise. */
  private settlingUntil = 0;
  /** Since when all renewals have gone well, by `now`; undefined after one that failed. */
  private goodSince: number | undefined;
  private currentTerm = 1;
  /** The term of the last renewal that was answered. */
  private answered = 0;
  private failed = false;

  constructor(
    private readonly commands: Commands,
    readonly keys: SessionKeys,
    /** Looks in which epoch the partition is. */
    private readonly look: () => Promise<Epoch>,
    readonly node: string,
    /** What people are shown of the node. */
    private readonly about: () => Record<string, unknown>,
    /** Milliseconds. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The epoch that this node knows; empty until it has asked. */
  get epoch(): string {
    return this.known;
  }

  get term(): number {
    return this.currentTerm;
  }

  /** Whether a step may be sent: the lease holds, and nothing that was sent in an earlier term will still land. */
  get holds(): boolean {
    return this.now() < this.until && this.answered === this.currentTerm;
  }

  /** Whether the last renewal has failed: Redis, or the master of this partition, is away. */
  get isAway(): boolean {
    return this.failed;
  }

  /** Whether the epoch is so new that other nodes may not have written their clients yet. */
  get isSettling(): boolean {
    return this.now() < this.settlingUntil;
  }

  /** It is not known whether a step will still land: after the next renewal it will not. */
  raiseTerm(): void {
    this.currentTerm += 1;
  }

  async renew(): Promise<Renewal> {
    try {
      const renewal = await this.renewNow();
      this.failed = false;
      return renewal;
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }

  /** Gives it up; clients have `grace` ms to go elsewhere. */
  async retire(grace: number): Promise<void> {
    const { nodes, about, terms, dead, clientsOf, lastSigns } = this.keys;
    this.until = 0;
    await scripts.retire(
      this.commands,
      [nodes, about, terms, dead, clientsOf(this.node), lastSigns],
      [this.node, grace],
    );
  }

  private async renewNow(): Promise<Renewal> {
    const { goodSince } = this;
    this.goodSince = undefined;
    const { id: epoch, settling } = await timely(this.look());
    const isFirst = this.known === '';
    const isNewEpoch = !isFirst && epoch !== this.known;
    const isStable = goodSince !== undefined && this.now() - goodSince >= STABLE_MS;
    let [outcome, due, indexed, dueIn] = await this.send({ isFirst, isStable });
    const wasLost = outcome === 'lost';
    if (wasLost) {
      this.raiseTerm();
      [outcome, due, indexed, dueIn] = await this.send({ isFirst: true, isStable: false });
    }
    this.known = epoch;
    this.settlingUntil = this.now() + settling;
    this.goodSince = goodSince ?? this.now();
    return {
      wasLost,
      isNewEpoch,
      due,
      dueIn: dueIn < 0 ? undefined : dueIn,
      indexed,
    };
  }

  private async send({ isFirst, isStable }: { isFirst: boolean; isStable: boolean }): Promise<Reply> {
    const { nodes, about, terms, dead, epoch, lastSigns, clientsOf } = this.keys;
    const { node, currentTerm: term } = this;
    const sentAt = this.now();
    const description = JSON.stringify({ host: hostname(), pid: process.pid, startedAt, ...this.about() });
    const reply = await timely(
      scripts.renew(
        this.commands,
        [nodes, about, terms, dead, epoch, lastSigns, clientsOf(node)],
        [node, LEASE_MS, description, term, isFirst ? 1 : 0, isStable ? 1 : 0, ADOPTION_GRACE_MS],
      ),
    );
    const [outcome] = reply;
    if (outcome === 'stale') throw new UnavailableError('a renewal in an earlier term');
    if (outcome === 'renewed') Object.assign(this, { until: sentAt + LEASE_MS, answered: term });
    return reply;
  }
}

/** A step of a renewal. One that lands later than that only makes the lease longer. */
async function timely<T>(step: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = after(RENEW_TIMEOUT_MS, undefined, { signal: over.signal, ref: false }).then(() => {
    throw new UnavailableError('Redis, in the time that a renewal has,');
  });
  late.catch(() => {});
  try {
    return await Promise.race([step, late]);
  } finally {
    over.abort();
  }
}
