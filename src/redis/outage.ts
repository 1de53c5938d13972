/** What can't be asked now. */
export interface Outage {
  /** For people, as it goes on from the name of what it is about: `is away`. */
  reason: string;
  /** Whether all of it can't be asked now. */
  isAway: boolean;
  /** Whether other nodes may do better. Where some partitions of a Redis Cluster are away, they can't. */
  isReady: boolean;
}

export interface Asked {
  /** Whether there is a connection. With Redis Cluster it says nothing of the masters behind it. */
  isOpen: boolean;
  /** How many partitions did not answer when they were asked last. */
  away: number;
  partitions: number;
  /** Why Redis refuses commands; null where it does not. */
  refusal: string | null;
}

/** Null where all can be asked. What Redis has refused a moment ago it may take by now, so that does not count as away. */
export function outageOf({ isOpen, away, partitions, refusal }: Asked): Outage | null {
  if (!isOpen || away === partitions) return { reason: refusal ?? 'is away', isAway: true, isReady: false };
  if (away === 0) return refusal === null ? null : { reason: refusal, isAway: false, isReady: false };
  const missing = `misses ${away} of ${partitions} partitions`;
  return { reason: refusal === null ? missing : `${missing}, ${refusal}`, isAway: false, isReady: true };
}
