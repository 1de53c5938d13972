/**
 * A user's time in a channel: the union of the user's stays there, or of what was visible of them.
 *
 * What must hold: spent, and what has passed since the open start, are together exactly what the stays cover. A change
 * of some stays changes nothing before the first moment in which they differ, so only stays that reach beyond that are
 * needed, and none of those that retention has removed.
 */
import { clip, type Interval, total, union } from './intervals.js';
import type { Stay, StayChange } from './stays.js';

export interface OnlineTime {
  /** Until `started_at`, where the user is in. */
  spent_ms: number;
  started_at: number | null;
}

export const intervalOf = ({ started_at, ended_at }: Stay): Interval => ({
  from: started_at,
  to: ended_at ?? Number.POSITIVE_INFINITY,
});

/** The first moment, in milliseconds, in which the changed stays say something else than before. */
export function firstDifference(changes: readonly StayChange[]): number {
  return Math.min(
    ...changes.map(({ before, after }) => {
      if (!before) return after.started_at;
      if (before.started_at !== after.started_at) return Math.min(before.started_at, after.started_at);
      return Math.min(
        before.ended_at ?? Number.POSITIVE_INFINITY,
        after.ended_at ?? Number.POSITIVE_INFINITY,
      );
    }),
  );
}

/**
 * `changes` are of one user in one channel, `others` the user's other stays there that have not ended before the first
 * difference. Stays may be given that have.
 */
export function afterChanges(
  time: OnlineTime,
  others: readonly Stay[],
  changes: readonly StayChange[],
): OnlineTime {
  const since = firstDifference(changes);
  if (since === Number.POSITIVE_INFINITY) return time;
  const befores = changes.flatMap(({ before }) => before ?? []);
  const earlier = [...others, ...befores].map(intervalOf);
  const later = [...others, ...changes.map(({ after }) => after)].map(intervalOf);
  return timeAfter(time, since, earlier, later);
}

/**
 * The time that intervals cover which were others, and are the same up to `since`. Neither need have those that had ended by
 * then.
 */
export function timeAfter(
  time: OnlineTime,
  since: number,
  earlier: Interval[],
  later: Interval[],
): OnlineTime {
  // Any moment after all that is known: until then both are measured.
  const horizon = Math.max(since, time.started_at ?? 0, ...finite(earlier), ...finite(later));
  const known = time.spent_ms + open(time.started_at, horizon);
  const bounds = { from: since, to: horizon };
  const covered = known + total(clip(later, bounds)) - total(clip(earlier, bounds));

  const started_at = openStart(later, since, time.started_at);
  return { spent_ms: covered - open(started_at, horizon), started_at };
}

const finite = (intervals: Interval[]): number[] =>
  intervals.flatMap(({ from, to }) => (Number.isFinite(to) ? [from, to] : [from]));

const open = (started: number | null, until: number): number => (started === null ? 0 : until - started);

/** Since when the user is in without a break. What was before the first difference goes on where it reaches that. */
function openStart(intervals: Interval[], since: number, known: number | null): number | null {
  const last = union(intervals).at(-1);
  if (last?.to !== Number.POSITIVE_INFINITY) return null;
  return last.from <= since && known !== null ? Math.min(known, last.from) : last.from;
}
