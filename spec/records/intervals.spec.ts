import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clip, type Interval, overlap, total, union } from '../../src/records/intervals.js';

const MOMENTS = 30;

/** The truth, moment by moment. */
const momentsOf = (intervals: readonly Interval[]): number[] =>
  Array.from({ length: MOMENTS }, (_, moment) => moment).filter((moment) =>
    intervals.some(({ from, to }) => from <= moment && moment < to),
  );

const interval = fc
  .tuple(fc.nat({ max: MOMENTS }), fc.nat({ max: MOMENTS }))
  .map(([a, b]): Interval => ({ from: Math.min(a, b), to: Math.max(a, b) }));
const intervals = fc.array(interval, { maxLength: 8 });

describe('#union', () => {
  it('covers what they cover, in disjoint intervals that do not meet, oldest first', () => {
    fc.assert(
      fc.property(intervals, (given) => {
        const united = union(given);
        expect(momentsOf(united)).toEqual(momentsOf(given));
        for (const [index, { from, to }] of united.entries()) {
          expect(from).toBeLessThan(to);
          expect(from).toBeGreaterThan(united[index - 1]?.to ?? -1);
        }
      }),
    );
  });

  it('leaves what it was given as it is', () => {
    const given = [
      { from: 1, to: 3 },
      { from: 2, to: 9 },
    ];
    union(given);
    expect(given).toEqual([
      { from: 1, to: 3 },
      { from: 2, to: 9 },
    ]);
  });

  it('knows intervals that have not ended', () => {
    expect(
      union([
        { from: 5, to: Number.POSITIVE_INFINITY },
        { from: 1, to: 5 },
      ]),
    ).toEqual([{ from: 1, to: Number.POSITIVE_INFINITY }]);
  });
});

it('#clip is what lies within the bounds', () => {
  fc.assert(
    fc.property(intervals, interval, (given, bounds) => {
      const within = momentsOf(given).filter((moment) => momentsOf([bounds]).includes(moment));
      expect(momentsOf(clip(given, bounds))).toEqual(within);
    }),
  );
});

it('#overlap is what lies in both, whichever comes first', () => {
  fc.assert(
    fc.property(intervals, intervals, (some, others) => {
      const both = momentsOf(some).filter((moment) => momentsOf(others).includes(moment));
      expect(momentsOf(overlap(some, others))).toEqual(both);
      expect(overlap(others, some)).toEqual(overlap(some, others));
    }),
  );
});

it('#total counts each moment once', () => {
  fc.assert(
    fc.property(intervals, (given) => {
      expect(total(given)).toBe(momentsOf(given).length);
    }),
  );
});
