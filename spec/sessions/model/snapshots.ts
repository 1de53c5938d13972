/** What each partition had stored in the last seconds: what a restart from an old data file brings back. */
import type { Data, RedisPartition } from './redis-partition.js';
import { FAULTS_UNTIL } from './timings.js';
import type { VirtualTime } from './virtual-time.js';

export interface Snapshot {
  at: number;
  data: Data;
}

const FIRST_AT = 500;
const INTERVAL = 1_000;
const KEPT = 6;

export class Snapshots {
  private readonly snapshots = new Map<RedisPartition, Snapshot[]>();

  constructor(
    private readonly time: VirtualTime,
    partitions: readonly RedisPartition[],
  ) {
    for (const partition of partitions) time.at(FIRST_AT, () => this.take(partition));
  }

  of(partition: RedisPartition): readonly Snapshot[] {
    return this.snapshots.get(partition) ?? [];
  }

  private take(partition: RedisPartition): void {
    const { now } = this.time;
    const kept = this.of(partition).slice(1 - KEPT);
    this.snapshots.set(partition, [...kept, { at: now, data: structuredClone(partition.data) }]);
    if (now < FAULTS_UNTIL) this.time.at(now + INTERVAL, () => this.take(partition));
  }
}
