/** Changes the memberships of a client in another partition than that of its record. */
import type { Channel } from '../layout.js';
import type { RedisPartition } from '../redis-partition.js';
import type { Version } from '../version.js';

export interface MembersArgs extends Version {
  id: string;
  node: string;
  term: number;
  ins: Channel[];
  outs: Channel[];
}

/** `stale`: a newer version refused an `in`. */
export type MembersAnswer = { is: 'ok' | 'stale' | 'fenced' | 'later' };

export function members(partition: RedisPartition, args: MembersArgs): MembersAnswer {
  if (partition.hasNoEpoch) return { is: 'later' };
  const { node, term, ins, outs, ...version } = args;
  if (partition.rules.on('leaseMembers') && partition.isFenced(node, term)) return { is: 'fenced' };
  for (const channel of outs) partition.changeIfNewer({ ...version, channel, isIn: false });
  const answers = ins.map((channel) => partition.changeIfNewer({ ...version, channel, isIn: true }));
  return { is: answers.includes('stale') ? 'stale' : 'ok' };
}
