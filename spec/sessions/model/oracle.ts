/** What must be right at the end of a round, long after the last fault. */
import type { Client } from './client.js';
import type { Cluster } from './cluster.js';
import { HOME, type Layout, membershipKey, parseMembershipKey } from './layout.js';
import type { JournalEntry, RedisPartition } from './redis-partition.js';

export interface End {
  now: number;
  clients: readonly Client[];
  cluster: Cluster;
  partitions: readonly RedisPartition[];
  layout: Layout;
  /** A partition has lost data, and its journal is incomplete. */
  hasLostData: boolean;
}

/** A client that was connected this long ago is served. */
const SERVED_WITHIN = 4_000;

export function judge(end: End): string[] {
  return [
    ...wrongMemberships(end),
    ...unservedClients(end),
    ...leftRecords(end),
    ...leftSessions(end),
    ...(end.hasLostData ? [] : end.partitions.flatMap(({ data }) => repeatsIn(data.journal))),
  ];
}

function wrongMemberships({ partitions, clients }: End): string[] {
  const keys = partitions.flatMap(({ data }) => [...data.rows.keys()]);
  return keys.flatMap((key) => {
    const { channel, id } = parseMembershipKey(key);
    const client = find(clients, id);
    if (!client) return [`ghost: ${key}`];
    return client.room === channel ? [] : [`${id} is in ${channel}, and should be in ${client.room}`];
  });
}

function unservedClients({ clients, partitions, layout, now }: End): string[] {
  return clients
    .filter(({ isWanted }) => isWanted)
    .flatMap(({ id, room, connectedAt }) => {
      const rows = partitions[layout.partition(room)]?.data.rows;
      const isPresent = id !== undefined && rows?.has(membershipKey(room, id));
      const isServed = now - connectedAt <= SERVED_WITHIN;
      return [
        ...(isPresent ? [] : [`missing: ${id ?? 'a client'} in ${room}`]),
        ...(isServed ? [] : [`${id} is not served`]),
      ];
    });
}

function leftRecords({ partitions, clients }: End): string[] {
  const ids = [...(partitions[HOME]?.data.records.keys() ?? [])];
  return ids.filter((id) => !find(clients, id)).map((id) => `record left: ${id}`);
}

function leftSessions({ cluster, clients }: End): string[] {
  return cluster
    .alive()
    .flatMap(({ name, sessions }) =>
      [...sessions.all()]
        .filter(({ id }) => !find(clients, id))
        .map(({ id, state }) => `${name} still holds ${id} (${state})`),
    );
}

/** Each membership begins and ends by turns. */
function repeatsIn(journal: readonly JournalEntry[]): string[] {
  const present = new Set<string>();
  return journal.flatMap(({ type, channel, id }) => {
    const key = membershipKey(channel, id);
    const isRepeat = present.has(key) === (type === 'in');
    if (type === 'in') present.add(key);
    else present.delete(key);
    return isRepeat ? [`journal: ${type} ${key} twice`] : [];
  });
}

function find(clients: readonly Client[], id: string): Client | undefined {
  return clients.find((client) => client.isWanted && client.id === id);
}
