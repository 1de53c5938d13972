/** Renews the lease of a node and begins an epoch where there is none. Reports the dead nodes that are due. */
import type { RedisPartition } from '../redis-partition.js';
import { ADOPTION_GRACE, LEASE } from '../timings.js';

export interface RenewArgs {
  node: string;
  term: number;
  /** The node has no lease yet, or has been told that it lost it. */
  isFirst: boolean;
  isStable: boolean;
}

export type RenewAnswer =
  | { is: 'renewed'; epoch: string; settling: number; due: string[] }
  | { is: 'stale' }
  | { is: 'lost' };

export function renew(partition: RedisPartition, { node, term, isFirst, isStable }: RenewArgs): RenewAnswer {
  partition.checkEpoch();
  const { data, clock, rules } = partition;
  const held = data.leases.get(node);
  if (rules.on('termMonotone') && held && held.term > term) return { is: 'stale' };
  if (!held && !isFirst && !partition.isSettling) return { is: 'lost' };
  const wasAlive = held !== undefined && held.until > clock;
  data.leases.set(node, { until: clock + LEASE, term });
  data.dead.delete(node);
  if (isStable && wasAlive && !partition.isSettling) expireLeases(partition);
  forgetBuried(partition);
  const due = isStable ? [...data.dead].filter(([, dead]) => dead.due <= clock).map(([name]) => name) : [];
  return { is: 'renewed', epoch: data.epoch, settling: Math.max(0, data.settlingUntil - clock), due };
}

function expireLeases(partition: RedisPartition): void {
  const { leases, dead, settlingUntil } = partition.data;
  for (const [node, { until }] of [...leases]) {
    if (until > partition.clock) continue;
    leases.delete(node);
    dead.set(node, { due: Math.max(until, settlingUntil) + ADOPTION_GRACE });
    partition.log(`${node} is dead`);
  }
}

/** Forgets dead nodes without records. */
function forgetBuried({ data, clock }: RedisPartition): void {
  const owners = new Set([...data.records.values()].map(({ node }) => node));
  for (const [node, { due }] of [...data.dead]) if (due <= clock && !owners.has(node)) data.dead.delete(node);
}
