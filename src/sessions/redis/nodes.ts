/** The living nodes, as their leases in Redis say. */
import type { Partitions } from '../../redis/partitions.js';
import type { Commands } from '../../redis/scripts.js';
import { SessionKeys } from './session-keys.js';

export interface NodeStatus {
  /** Another one after each start. */
  node: string;
  host: string;
  pid: number;
  /** ISO 8601. */
  startedAt: string;
  /** Clients of this node. */
  clients: number;
  /** By how many milliseconds the node was late to renew its lease: what else it does comes as late. */
  lag: number;
  /** Milliseconds until the lease is over unless it is renewed. Of several partitions the shortest. */
  lease: number;
}

/** As one of them tells it. */
export interface FellowStatus extends NodeStatus {
  /** Whether it is the node that was asked. */
  isThis: boolean;
}

/** Oldest first. */
export async function readNodes(redis: Commands, { namespaces, scope }: Partitions): Promise<NodeStatus[]> {
  const parts = await Promise.all(
    namespaces.map((namespace) => nodesOfPartition(redis, new SessionKeys(namespace, scope))),
  );
  const nodes = new Map<string, NodeStatus>();
  for (const status of parts.flat()) {
    const known = nodes.get(status.node);
    if (!known || status.lease < known.lease) nodes.set(status.node, status);
  }
  return [...nodes.values()].sort((one, other) => one.startedAt.localeCompare(other.startedAt));
}

async function nodesOfPartition(redis: Commands, keys: SessionKeys): Promise<NodeStatus[]> {
  const [[seconds, micros], leases, about] = await Promise.all([
    redis.time(),
    redis.zrange(keys.nodes, '0', '-1', 'WITHSCORES'),
    redis.hgetall(keys.about),
  ]);
  const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  return Object.entries(about).flatMap(([name, json]) => {
    const place = leases.indexOf(name);
    if (place < 0) return [];
    return [{ ...(JSON.parse(json) as About), node: name, lease: Number(leases[place + 1]) - now }];
  });
}

type About = Omit<NodeStatus, 'node' | 'lease'>;
