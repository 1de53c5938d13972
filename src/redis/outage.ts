/**
 * For people, what can't be asked now: null where all can. `isOpen`: whether there is a connection; `away`: how many partitions did
 * not answer when they were asked last. With Redis Cluster a connection says nothing of the masters behind it.
 */
export function outageOf(isOpen: boolean, away: number, partitions: number): string | null {
  if (!isOpen || away === partitions) return AWAY;
  return away === 0 ? null : `misses ${away} of ${partitions} partitions`;
}

/** Nothing can be asked. */
export const AWAY = 'is away';
