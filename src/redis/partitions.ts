/**
 * Which keys belong together. One Redis is one partition, and its keys have the namespace as it is. With Redis Cluster
 * a script may touch the keys of one slot only: the names of channels and of clients are divided among partitions, each
 * with a hash tag of its own, and a step that concerns two partitions is two scripts.
 */
import { keyRoot, PLAIN, type Scope } from './scope.js';
import type { Commands } from './scripts.js';

/** How many there are with Redis Cluster unless configured. */
export const PARTITIONS = 16;

export class Partitions {
  /** The namespaces, by partition. */
  readonly namespaces: readonly string[];

  /** string: their number with Redis Cluster, as the first node has set it. Stays. */
  readonly key: string;

  /** What the keys of handshake limits begin with. They are in no partition. */
  readonly rates: string;

  /** What all names of a partition begin with, by partition: those that begin with one are in one slot. */
  readonly tags: readonly string[];

  /** `count`: null for a Redis that is no Cluster. */
  constructor(
    namespace: string,
    readonly count: number | null,
    readonly scope: Scope = PLAIN,
  ) {
    this.key = `${keyRoot(namespace, scope)}/partitions`;
    this.rates = `${keyRoot(namespace, scope)}/rates`;
    this.namespaces =
      count === null
        ? [namespace]
        : Array.from({ length: count }, (_, partition) => `{${namespace}:${partition}}`);
    this.tags = this.namespaces.map((each) => keyRoot(each, scope));
  }

  /** The partition of a channel or a client, from 0. */
  of(name: string): number {
    return this.namespaces.length === 1 ? 0 : fnv1a(name) % this.namespaces.length;
  }
}

/** The one place where their number is decided: `count` counts for a Redis Cluster alone. */
export const partitionsOf = (
  { commands, scope }: { commands: Commands; scope: Scope },
  namespace: string,
  count = PARTITIONS,
): Partitions => new Partitions(namespace, commands.isCluster ? count : null, scope);

/** FNV-1a, 32 bits: which partition a name belongs to must be the same on every node, for ever. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
