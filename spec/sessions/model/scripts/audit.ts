/** The scripts of an audit: reads of all records and of all memberships, and the removal of an orphan. */
import { type Channel, membershipKey, parseMembershipKey } from '../layout.js';
import type { RedisPartition } from '../redis-partition.js';
import type { Version } from '../version.js';

export interface RecordRow extends Version {
  id: string;
  node: string;
  isOfThisEpoch: boolean;
  /** Its owner has a lease. */
  isAlive: boolean;
  channels: Channel[];
}

export interface MembershipRow extends Version {
  id: string;
  channel: Channel;
}

export function listRecords(partition: RedisPartition): RecordRow[] {
  const { data } = partition;
  return [...data.records].map(([id, { node, generation, revision, epoch, channels }]) => ({
    id,
    node,
    generation,
    revision,
    isOfThisEpoch: epoch === data.epoch,
    isAlive: partition.isAlive(node),
    channels: [...channels.keys()],
  }));
}

/** Undefined where the partition has no epoch. */
export function listMemberships(partition: RedisPartition): MembershipRow[] | undefined {
  if (partition.hasNoEpoch) return undefined;
  return [...partition.data.rows].map(([key, row]) => ({ ...parseMembershipKey(key), ...row }));
}

/** Removes a membership that is not newer than what was read. */
export function removeOrphan(partition: RedisPartition, row: MembershipRow): void {
  const isThere = partition.data.rows.has(membershipKey(row.channel, row.id));
  if (isThere) partition.changeIfNewer({ ...row, isIn: false });
}
