/**
 * What the run knows of a time that the servers measure: all of `least` is in it, and nothing beyond `most`. In between lies what
 * no client can know: how long a message took, and when a node that died was last known to live.
 */
import type { Interval } from '../../src/records/intervals.js';

export interface Stretch {
  /** Milliseconds since 1970: when it may have begun, and when it had for certain; undefined where that was never known. */
  mayBegin: number;
  begun?: number;
  /** The same of its end; undefined while it goes on. */
  mayEnd?: number;
  ended?: number;
}

export interface Bounds {
  least: Interval[];
  most: Interval[];
}

/** `end`: when everything had ended. */
export function boundsOf(stretches: readonly Stretch[], end: number): Bounds {
  return {
    least: stretches.flatMap(({ begun, mayEnd = end }) =>
      begun === undefined ? [] : { from: begun, to: mayEnd },
    ),
    most: stretches.map(({ mayBegin, ended = end }) => ({ from: mayBegin, to: ended })),
  };
}

/** What lies in the one and not in the others. */
export function without(some: readonly Interval[], others: readonly Interval[]): Interval[] {
  return others.reduce<Interval[]>(
    (left, { from, to }) =>
      left.flatMap((each) =>
        [
          { from: each.from, to: Math.min(each.to, from) },
          { from: Math.max(each.from, to), to: each.to },
        ].filter((part) => part.from < part.to),
      ),
    [...some],
  );
}

export const endNoLaterThan = (stretch: Stretch, at: number): void => {
  stretch.mayEnd = Math.min(stretch.mayEnd ?? Number.POSITIVE_INFINITY, at);
};
