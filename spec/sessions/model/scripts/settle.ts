/** Removes from the record the channels that have been left, or the record once its client is in none. */
import type { Channel } from '../layout.js';
import type { RedisPartition } from '../redis-partition.js';
import { isSame, type Version } from '../version.js';

export interface SettleArgs extends Version {
  id: string;
  node: string;
  term: number;
  outs: Channel[];
  isEnding: boolean;
}

/** `changed`: the record is not what this step has written. */
export type SettleAnswer = { is: 'ok' | 'changed' | 'fenced' };

export function settle(partition: RedisPartition, args: SettleArgs): SettleAnswer {
  const { id, node, term, outs, isEnding } = args;
  const { data, rules } = partition;
  if (partition.isFenced(node, term)) return { is: 'fenced' };
  const record = data.records.get(id);
  if (!record || record.node !== node || !isSame(record, args)) return { is: 'changed' };
  for (const channel of outs) if (record.channels.get(channel) === 'out') record.channels.delete(channel);
  if (!isEnding) return { is: 'ok' };
  if (record.channels.size > 0 && rules.on('leaving')) return { is: 'changed' };
  data.records.delete(id);
  partition.log(`${id} ended by ${node}`);
  return { is: 'ok' };
}
