/**
 * A node's proof of life in one partition. The name changes when the lease was lost: what others have done with its
 * clients meanwhile, they have done to another node.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Commands } from '../../redis/scripts.js';
import { scripts } from '../../redis/scripts.js';
import type { EngineKeys } from './keys.js';
import { steps } from './scripts.js';

/** Milliseconds that a lease holds. */
export const LEASE = 6_000;
/** Milliseconds between two renewals. */
export const RENEW = 2_000;
/** Milliseconds that clients of a node that died have to go to another. */
const LINGER = 5_000;
/** Milliseconds in which nothing is announced in a new epoch. */
export const QUIET = 5_000;

export interface Renewal {
  /** `fenced`: the lease had been lost, and the node has another name now. `new epoch`: so has Redis' data. */
  outcome: 'renewed' | 'fenced' | 'new epoch';
  /** Dead nodes whose clients are to be ended. */
  dead: string[];
}

const startedAt = new Date().toISOString();

export class Lease {
  private names = 0;
  private epoch = '';

  constructor(
    private readonly commands: Commands,
    readonly keys: EngineKeys,
    private readonly node: string,
    /** What people are shown of the node. */
    private readonly about: () => Record<string, unknown>,
  ) {}

  /** The name that clients are this node's by. */
  get name(): string {
    return this.names === 0 ? this.node : `${this.node}.${this.names}`;
  }

  /** The node's own name, at which it gets its letters. */
  static nodeOf(name: string): string {
    return name.split('.')[0] ?? name;
  }

  isOurs(name: string): boolean {
    return Lease.nodeOf(name) === this.node;
  }

  async renew(): Promise<Renewal> {
    const { keys } = this;
    const [epoch] = await scripts.epoch(this.commands, [keys.epoch], [this.epoch, randomUUID(), QUIET]);
    const first = this.epoch === '';
    const isNew = epoch !== this.epoch;
    const [outcome, ...dead] = await this.say(isNew);
    this.epoch = epoch;
    if (isNew && !first) return { outcome: 'new epoch', dead };
    if (outcome === 'renewed') return { outcome, dead };
    this.names += 1;
    const [, ...others] = await this.say(true);
    return { outcome: 'fenced', dead: others };
  }

  /** Gives it up; clients have `linger` ms to go elsewhere. */
  async retire(linger: number): Promise<void> {
    const { keys } = this;
    await steps.retire(
      this.commands,
      [keys.nodes, keys.about, keys.dead, keys.clientsOf(this.name)],
      [this.name, linger],
    );
  }

  private say(begin: boolean): Promise<[outcome: 'renewed' | 'fenced', ...dead: string[]]> {
    const { keys } = this;
    const about = { host: hostname(), pid: process.pid, startedAt, ...this.about() };
    return steps.renew(
      this.commands,
      [keys.nodes, keys.about, keys.dead],
      [this.name, LEASE, JSON.stringify(about), begin ? 1 : 0, LINGER],
    );
  }
}
