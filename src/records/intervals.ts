/** Arithmetic on half-open intervals of time, [from, to): what ends when another begins meets it and overlaps nothing. */

export interface Interval {
  /** Milliseconds since 1970. */
  from: number;
  /** Milliseconds since 1970, not part of the interval itself. `Infinity` for one that has not ended. */
  to: number;
}

const isSome = ({ from, to }: Interval): boolean => from < to;

/** The same time as disjoint intervals that do not meet, oldest first. Empty ones are gone. */
export function union(intervals: readonly Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const { from, to } of intervals.filter(isSome).sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/** What of them lies within the bounds. */
export function clip(intervals: readonly Interval[], bounds: Interval): Interval[] {
  return intervals
    .map(({ from, to }) => ({ from: Math.max(from, bounds.from), to: Math.min(to, bounds.to) }))
    .filter(isSome);
}

/** The time that lies in both, as `union` gives it. */
export function overlap(some: readonly Interval[], others: readonly Interval[]): Interval[] {
  const bounds = union(others);
  return union(some).flatMap((each) => bounds.flatMap((bound) => clip([each], bound)));
}

/** How many milliseconds they cover together; what several of them cover counts once. */
export function total(intervals: readonly Interval[]): number {
  return union(intervals).reduce((sum, { from, to }) => sum + to - from, 0);
}
