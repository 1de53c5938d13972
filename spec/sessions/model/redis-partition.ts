/** One Redis: an epoch, leases of nodes, records of sessions, memberships with tombstones, and a journal. */
import { type Channel, membershipKey, type PartitionId } from './layout.js';
import type { Notices } from './notices.js';
import type { RoundRandom } from './random.js';
import type { Rules } from './rules.js';
import { SETTLING } from './timings.js';
import type { Trace } from './trace.js';
import { isAtLeast, isSame, type Version } from './version.js';
import type { VirtualTime } from './virtual-time.js';

export interface Lease {
  /** By the clock of the partition. */
  until: number;
  term: number;
}

export interface DeadNode {
  /** When its sessions may be reaped, by the clock of the partition. */
  due: number;
}

export interface SessionRecord extends Version {
  node: string;
  epoch: string;
  isEnding: boolean;
  /** Each channel that the client is in or leaving. */
  channels: Map<Channel, 'in' | 'out'>;
}

export interface Tombstone extends Version {
  /** By the clock of the partition. */
  until: number;
}

export interface JournalEntry {
  type: 'in' | 'out';
  channel: Channel;
  id: string;
}

/** What Redis stores, and loses. */
export interface Data {
  epoch: string;
  /** The run of the partition in which the epoch began. */
  epochRun: number;
  /** By the clock of the partition. */
  settlingUntil: number;
  leases: Map<string, Lease>;
  dead: Map<string, DeadNode>;
  records: Map<string, SessionRecord>;
  rows: Map<string, Version>;
  tombstones: Map<string, Tombstone>;
  journal: JournalEntry[];
}

/** What a round has one of, and its partitions share. */
export interface PartitionContext {
  time: VirtualTime;
  random: RoundRandom;
  trace: Trace;
  rules: Rules;
  notices: Notices;
  /** How long a tombstone is kept, in milliseconds. */
  tombstone: number;
  /** A name that no epoch of the round has had. */
  nextEpoch(): string;
}

export interface Change extends Version {
  channel: Channel;
  id: string;
  isIn: boolean;
}

const CLOCK_START = 1_000_000;
/** How far the clocks of two partitions may be apart, in milliseconds. */
const CLOCK_SKEW = 30_000;

export class RedisPartition {
  data: Data = { ...empty(), epoch: 'e1', epochRun: 1 };
  /** Each start of the partition is another run. */
  run = 1;
  frozenUntil = 0;
  private readonly offset: number;

  constructor(
    readonly id: PartitionId,
    readonly context: PartitionContext,
  ) {
    const skew = id === 0 ? 0 : Math.floor(context.random.within(-CLOCK_SKEW, CLOCK_SKEW));
    this.offset = CLOCK_START + skew;
  }

  /** What the command `TIME` gives. */
  get clock(): number {
    return this.context.time.now + this.offset;
  }

  get rules(): Rules {
    return this.context.rules;
  }

  get isSettling(): boolean {
    return this.clock < this.data.settlingUntil;
  }

  /** The epoch began in an earlier run: nothing that is stored counts before a renewal has begun another epoch. */
  get hasNoEpoch(): boolean {
    return this.rules.on('runCheck') && this.data.epochRun !== this.run;
  }

  /** Begins an epoch where there is none of this run. */
  checkEpoch(): void {
    const { data } = this;
    if (data.epochRun === this.run && data.epoch) return;
    data.epoch = this.context.nextEpoch();
    data.epochRun = this.run;
    data.settlingUntil = this.clock + SETTLING;
    this.log(`new epoch ${data.epoch}`);
  }

  /** Whether a node may write under a term. */
  isFenced(node: string, term: number): boolean {
    return !this.isAlive(node) || (this.rules.on('term') && this.data.leases.get(node)?.term !== term);
  }

  isAlive(node: string): boolean {
    return (this.data.leases.get(node)?.until ?? 0) > this.clock;
  }

  /** Enters or leaves a channel, unless a newer version has been stored. */
  changeIfNewer(change: Change): 'ok' | 'stale' {
    const key = membershipKey(change.channel, change.id);
    const row = this.data.rows.get(key);
    const tombstone = this.tombstone(key);
    if (row && !isAtLeast(change, row)) return 'stale';
    if (tombstone && !isAtLeast(change, tombstone)) return 'stale';
    if (tombstone && change.isIn && isSame(change, tombstone)) return 'stale';
    this.change(change);
    return 'ok';
  }

  /** Enters or leaves a channel. */
  change({ channel, id, generation, revision, isIn }: Change): void {
    const { rows, tombstones } = this.data;
    const key = membershipKey(channel, id);
    if (rows.has(key) !== isIn) this.journal(isIn ? 'in' : 'out', channel, id);
    if (isIn) {
      rows.set(key, { generation, revision });
      tombstones.delete(key);
    } else {
      rows.delete(key);
      tombstones.set(key, { generation, revision, until: this.clock + this.context.tombstone });
    }
  }

  /** A restart without a data file. */
  loseData(): void {
    this.run += 1;
    this.data = { ...empty(), epochRun: this.data.epochRun, journal: this.data.journal };
    this.log('loses its data');
  }

  /** A restart from an old data file. */
  restore(data: Data): void {
    this.run += 1;
    this.data = structuredClone(data);
  }

  log(what: string): void {
    this.context.trace.add(`P${this.id}: ${what}`);
  }

  private tombstone(key: string): Tombstone | undefined {
    const found = this.data.tombstones.get(key);
    return found && found.until > this.clock ? found : undefined;
  }

  private journal(type: 'in' | 'out', channel: Channel, id: string): void {
    this.data.journal.push({ type, channel, id });
    this.log(`${type} ${channel} ${id}`);
  }
}

function empty(): Data {
  return {
    epoch: '',
    epochRun: 0,
    settlingUntil: 0,
    leases: new Map(),
    dead: new Map(),
    records: new Map(),
    rows: new Map(),
    tombstones: new Map(),
    journal: [],
  };
}
