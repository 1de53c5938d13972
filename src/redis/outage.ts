/** What can't be asked now. */
export interface Outage {
  /** For people, as it goes on from the name of what it is about: `is away`. */
  reason: string;
  /** Whether that is all. With Redis Cluster it may be some partitions. */
  isTotal: boolean;
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

/** Null where all can be asked. A Redis that refuses commands counts as away where it is not known of which partitions. */
export function outageOf({ isOpen, away, partitions, refusal }: Asked): Outage | null {
  if (!isOpen || away === partitions) return { reason: refusal ?? 'is away', isTotal: true };
  if (away === 0) return refusal === null ? null : { reason: refusal, isTotal: true };
  const missing = `misses ${away} of ${partitions} partitions`;
  return { reason: refusal === null ? missing : `${missing}, ${refusal}`, isTotal: false };
}
