/**
 * A node's proof of life in one partition. The name changes when the lease was lost: what others have done with its
 * clients meanwhile, they have done to another node.
 */
import { hostname } from 'node:os';
import { setTimeout as after } from 'node:timers/promises';
import { UnavailableError } from '../../errors.js';
import type { Epoch } from '../../redis/epochs.js';
import type { Commands } from '../../redis/scripts.js';
import { ADOPTION_GRACE_MS, LEASE_MS, RENEW_TIMEOUT_MS, STABLE_MS } from '../../timings.js';
import type { EngineKeys } from './keys.js';
import { steps } from './scripts.js';

export interface Renewal {
  /** `fenced`: the lease had been lost, and the node has another name now. `new epoch`: so has Redis' data. */
  outcome: 'renewed' | 'fenced' | 'new epoch';
  /** Dead nodes whose clients are to be ended. */
  due: string[];
  /** All dead nodes that have, or had, clients. */
  dead: string[];
  /** Milliseconds until the clients of the next dead node are to be ended; undefined where there is none. */
  dueIn: number | undefined;
}

const startedAt = new Date().toISOString();

export class Lease {
  private names = 0;
  private known = '';
  /** Until when it holds for certain, by `now`. */
  private until = 0;
  /** Until when the epoch is new, likewise. */
  private quietUntil = 0;
  /** Since when all renewals have gone well, by `now`; undefined after one that failed. */
  private goodSince: number | undefined;
  private round = 1;
  private said = 0;
  private failed = false;
  private knowsClients = false;

  constructor(
    private readonly commands: Commands,
    readonly keys: EngineKeys,
    /** Looks in which epoch the partition is. */
    private readonly look: () => Promise<Epoch>,
    private readonly node: string,
    /** What people are shown of the node. */
    private readonly about: () => Record<string, unknown>,
    /** Milliseconds. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The name that clients are this node's by. */
  get name(): string {
    return this.names === 0 ? this.node : `${this.node}.${this.names}`;
  }

  /** The epoch that this node knows; empty until it has asked. */
  get epoch(): string {
    return this.known;
  }

  /** What this node writes down is valid in this round alone. */
  get inRound(): number {
    return this.round;
  }

  /** Whether this node may take it that its clients are its own, and that nothing that it began before will still land. */
  get holds(): boolean {
    return this.now() < this.until && this.said === this.round;
  }

  /** Whether the last renewal has failed: Redis, or the master of this partition, is away. */
  get isAway(): boolean {
    return this.failed;
  }

  /** Whether Redis knew any client of this node, in this partition, at the last renewal. */
  get hasClients(): boolean {
    return this.knowsClients;
  }

  /** Whether the epoch is so new that other nodes may not have written down their clients yet. */
  get isNew(): boolean {
    return this.now() < this.quietUntil;
  }

  /** The node's own name, at which it gets its letters. */
  static nodeOf(name: string): string {
    return name.split('.')[0] ?? name;
  }

  isOurs(name: string): boolean {
    return Lease.nodeOf(name) === this.node;
  }

  /** It is unknown whether something that was to be written down will still land: after the next renewal it will not. */
  doubt(): void {
    this.round += 1;
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

  /** Gives it up; clients have `linger` ms to go elsewhere. */
  async retire(linger: number): Promise<void> {
    const { keys } = this;
    this.until = 0;
    await steps.retire(
      this.commands,
      [keys.nodes, keys.about, keys.rounds, keys.dead, keys.clientsOf(this.name), keys.lastSigns],
      [this.name, linger],
    );
  }

  private async renewNow(): Promise<Renewal> {
    const { goodSince } = this;
    this.goodSince = undefined;
    const { id: epoch, settling } = await timely(this.look());
    const isNew = this.known !== '' && epoch !== this.known;
    const how = this.known === '' ? 'first' : isNew ? 'again' : 'on';
    const isStable = goodSince !== undefined && this.now() - goodSince >= STABLE_MS;
    const [outcome, due, others, known, dueIn] = await this.say(how, isStable);
    this.known = epoch;
    this.knowsClients = known === 1;
    this.quietUntil = this.now() + settling;
    if (outcome === 'fenced') {
      this.names += 1;
      await this.say('first', false);
    }
    this.goodSince = goodSince ?? this.now();
    return {
      outcome: outcome === 'renewed' && isNew ? 'new epoch' : outcome,
      due,
      dead: [...due, ...others],
      dueIn: dueIn < 0 ? undefined : dueIn,
    };
  }

  private async say(
    how: 'first' | 'again' | 'on',
    isStable: boolean,
  ): Promise<
    [outcome: 'renewed' | 'fenced', due: string[], dead: string[], hasClients: number, dueIn: number]
  > {
    const { keys, round } = this;
    const sentAt = this.now();
    const about = { host: hostname(), pid: process.pid, startedAt, ...this.about() };
    const [outcome, ...found] = await timely(
      steps.renew(
        this.commands,
        [
          ...[keys.nodes, keys.about, keys.rounds, keys.dead, keys.epoch, keys.lastSigns],
          keys.clientsOf(this.name),
        ],
        [this.name, LEASE_MS, JSON.stringify(about), round, how, isStable ? 1 : 0, ADOPTION_GRACE_MS],
      ),
    );
    if (outcome === 'stale') throw new UnavailableError('a renewal of an earlier round');
    if (outcome === 'renewed') Object.assign(this, { until: sentAt + LEASE_MS, said: round });
    return [outcome, ...found];
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
