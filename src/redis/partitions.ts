/**
 * Which keys belong together. One Redis is one partition, and its keys have the namespace as it is. With Redis Cluster
 * a script may touch the keys of one slot only: the names of channels and of clients are divided among partitions, each
 * with a hash tag of its own, and a step that concerns two partitions is two scripts.
 */
import type { Commands } from './scripts.js';

/** How many there are with Redis Cluster unless configured. */
export const PARTITIONS = 16;

export class Partitions {
  /** The namespaces, by partition. */
  readonly namespaces: readonly string[];

  /** string: their number with Redis Cluster, as the first node has set it. Stays. */
  readonly key: string;

  /** `count`: null for a Redis that is no Cluster. */
  constructor(
    namespace: string,
    readonly count: number | null,
  ) {
    this.key = `/${namespace}/partitions`;
    this.namespaces =
      count === null
        ? [namespace]
        : Array.from({ length: count }, (_, partition) => `{${namespace}:${partition}}`);
  }

  /** The partition of a channel or a client, from 0. */
  of(name: string): number {
    return this.namespaces.length === 1 ? 0 : fnv1a(name) % this.namespaces.length;
  }
}

/** The one place where their number is decided: `count` counts for a Redis Cluster alone. */
export const partitionsOf = (
  { commands }: { commands: Commands },
  namespace: string,
  count = PARTITIONS,
): Partitions => new Partitions(namespace, commands.isCluster ? count : null);

/** FNV-1a, 32 bits: which partition a name belongs to must be the same on every node, for ever. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
