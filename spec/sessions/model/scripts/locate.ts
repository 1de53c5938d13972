/** Finds the owner of a session. */
import type { RedisPartition } from '../redis-partition.js';

export interface LocateArgs {
  id: string;
  /** The epoch that the asker knows. */
  known: string | undefined;
  asker: string;
}

export type Location =
  | { is: 'at'; node: string; generation: number }
  /** `isMine`: there is a record that does not count, and the asker owns it. */
  | { is: 'unknown'; isMine?: boolean }
  | { is: 'later' };

export function locate(partition: RedisPartition, { id, known, asker }: LocateArgs): Location {
  if (partition.hasNoEpoch) return { is: 'later' };
  const { data, isSettling, rules } = partition;
  const record = data.records.get(id);
  if (!record) return { is: known !== data.epoch || isSettling ? 'later' : 'unknown' };
  const isEarlier = record.epoch !== data.epoch;
  const isMine = record.node === asker;
  if (isEarlier && isSettling) return { is: 'later' };
  if (record.isEnding) return { is: 'unknown', isMine };
  if (isEarlier && rules.on('staleEpoch')) {
    if (isMine && rules.on('staleMine')) return { is: 'unknown', isMine };
    return { is: partition.isAlive(record.node) ? 'later' : 'unknown' };
  }
  return { is: 'at', node: record.node, generation: record.generation };
}
