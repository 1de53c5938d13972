/**
 * Makes a node the owner of a session, and notifies the old owner in the same step.
 *
 * `adopt`: for a request, whether or not the owner lives. `reap`: the owner is dead and its time is due. `self`: the
 * node owns the record already, and needs a newer generation or has no local session.
 */
import type { Channel } from '../layout.js';
import type { RedisPartition, SessionRecord } from '../redis-partition.js';
import { type LocateArgs, locate } from './locate.js';

export type ClaimMode =
  | { mode: 'adopt'; known: LocateArgs['known'] }
  | { mode: 'reap'; from: string }
  | { mode: 'self' };

export type ClaimArgs = ClaimMode & { id: string; node: string; term: number };

export type ClaimAnswer =
  | { is: 'mine'; generation: number; channels: Channel[]; from: string }
  | { is: 'unknown'; isMine?: boolean }
  | { is: 'changed' }
  | { is: 'fenced' }
  | { is: 'later' };

export function claim(partition: RedisPartition, args: ClaimArgs): ClaimAnswer {
  if (partition.hasNoEpoch) return { is: 'later' };
  if (partition.isFenced(args.node, args.term)) return { is: 'fenced' };
  if (args.mode === 'adopt') {
    const location = locate(partition, { id: args.id, known: args.known, asker: args.node });
    if (location.is !== 'at') return location;
  }
  const record = partition.data.records.get(args.id);
  if (!record) return { is: 'unknown' };
  if (args.mode === 'reap' && !mayReap(partition, record, args.from)) return { is: 'changed' };
  if (args.mode === 'self' && record.node !== args.node) return { is: 'changed' };
  return takeOver(partition, record, args);
}

function mayReap(partition: RedisPartition, record: SessionRecord, from: string): boolean {
  const due = partition.data.dead.get(from)?.due ?? Number.POSITIVE_INFINITY;
  return record.node === from && !partition.isAlive(from) && due <= partition.clock;
}

function takeOver(partition: RedisPartition, record: SessionRecord, args: ClaimArgs): ClaimAnswer {
  const { rules, clock, data } = partition;
  const { id, node } = args;
  const from = record.node;
  const next = record.generation + 1;
  record.generation = rules.on('timeGen') ? Math.max(next, clock) : next;
  record.revision = 0;
  record.node = node;
  record.epoch = data.epoch;
  const { generation } = record;
  if (rules.on('notify') && from !== node) partition.context.notices.send(from, { id, generation, by: node });
  partition.log(`${node} claims ${id} from ${from} (${args.mode}) gen ${generation}`);
  return { is: 'mine', generation, channels: [...record.channels.keys()], from };
}
