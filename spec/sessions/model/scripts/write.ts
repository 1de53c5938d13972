/** Writes the record of a session, and its memberships in the home partition in the same step. */
import type { Channel, Layout } from '../layout.js';
import type { RedisPartition, SessionRecord } from '../redis-partition.js';
import type { Version } from '../version.js';

export interface WriteArgs extends Version {
  id: string;
  node: string;
  term: number;
  desired: Channel[];
  /** The epoch in which the node has last written the record, or ''. */
  written: string;
  isEnding: boolean;
  layout: Layout;
}

export type WriteAnswer =
  /** `outs`: channels of other partitions that are to be left. `isEnded`: the record is gone already. */
  | { is: 'ok'; outs: Channel[]; isEnded: boolean }
  /** There was nothing to end. */
  | { is: 'absent' }
  | { is: 'gone' }
  | { is: 'other' }
  | { is: 'newer'; generation: number }
  | { is: 'old' }
  | { is: 'fenced' }
  | { is: 'later' };

export function write(partition: RedisPartition, args: WriteArgs): WriteAnswer {
  if (partition.hasNoEpoch) return { is: 'later' };
  if (partition.isFenced(args.node, args.term)) return { is: 'fenced' };
  const { data, rules } = partition;
  const existing = data.records.get(args.id);
  if (existing) return refusal(existing, args) ?? update(partition, existing, args);
  if (rules.on('writtenRule') && args.written === data.epoch) return { is: 'gone' };
  if (args.isEnding) {
    for (const channel of args.layout.homeChannels) changeHome(partition, channel, args);
    return { is: 'absent' };
  }
  return update(partition, create(partition, args), args);
}

function refusal(record: SessionRecord, { node, generation, revision }: WriteArgs): WriteAnswer | undefined {
  const isOwn = record.node === node;
  if (record.isEnding && !isOwn) return { is: 'gone' };
  if (!isOwn && record.generation >= generation) return { is: 'other' };
  if (isOwn && record.generation > generation) return { is: 'newer', generation: record.generation };
  if (record.generation === generation && record.revision > revision) return { is: 'old' };
  return undefined;
}

function create(partition: RedisPartition, args: WriteArgs): SessionRecord {
  const { id, node, generation, revision, isEnding, written } = args;
  const { epoch, records } = partition.data;
  const record: SessionRecord = { node, generation, revision, epoch, isEnding, channels: new Map() };
  records.set(id, record);
  partition.log(`${node} creates ${id} gen ${generation} (written in ${written})`);
  return record;
}

function update(partition: RedisPartition, record: SessionRecord, args: WriteArgs): WriteAnswer {
  const { id, node, generation, revision, isEnding, desired, layout } = args;
  const { data, rules } = partition;
  const before = [...record.channels.keys()];
  const outs = before.filter((channel) => !desired.includes(channel) && layout.isForeign(channel));
  const channels = new Map<Channel, 'in' | 'out'>(desired.map((channel) => [channel, 'in']));
  if (rules.on('leaving')) for (const channel of outs) channels.set(channel, 'out');
  Object.assign(record, { node, generation, revision, isEnding, channels, epoch: data.epoch });
  for (const channel of new Set([...before, ...desired]))
    if (layout.isHome(channel)) changeHome(partition, channel, args);
  const isEnded = isEnding && outs.length === 0;
  if (isEnded) {
    data.records.delete(id);
    partition.log(`${id} ended by ${node}`);
  }
  return { is: 'ok', outs, isEnded };
}

function changeHome(partition: RedisPartition, channel: Channel, args: WriteArgs): void {
  const { id, generation, revision, desired } = args;
  partition.change({ channel, id, generation, revision, isIn: desired.includes(channel) });
}
