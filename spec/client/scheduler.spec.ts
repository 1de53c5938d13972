import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Waits } from '../../src/client/scheduler.js';

/** Any number that Math.random may give. */
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** The waits of so many cuts in a row, a minute apart. */
function waitsOf(chances: number[], waits: Waits): number[] {
  return chances.map((_, cut) => waits.next(cut * 60_000));
}

const drawing = (chances: number[]): Waits => {
  const rest = [...chances];
  return new Waits(() => rest.shift() ?? 0);
};

describe('Waits', () => {
  it('is 0.5 to 2 s for the first four attempts, and never more than 10 s', () => {
    fc.assert(
      fc.property(fc.array(chance, { maxLength: 40 }), (chances) => {
        for (const [index, wait] of waitsOf(chances, drawing(chances)).entries()) {
          expect(wait).toBeGreaterThanOrEqual(0.5);
          expect(wait).toBeLessThanOrEqual(index < 4 ? 2 : 10);
        }
      }),
    );
  });

  it('uses the whole range, and grows to 10 s while the server stays away', () => {
    const longest = waitsOf(Array(8).fill(0), new Waits(() => 1));
    const shortest = waitsOf(Array(8).fill(0), new Waits(() => 0));
    expect(longest).toEqual([2, 2, 2, 2, 4, 8, 10, 10]);
    expect(shortest).toEqual([0.5, 0.5, 0.5, 0.5, 1, 2, 2.5, 2.5]);
  });

  it('is short again once the server answered', () => {
    const waits = new Waits(() => 1);
    waitsOf(Array(8).fill(0), waits);
    waits.reset();
    expect(waits.next(1e9)).toBe(2);
  });

  it('is one for all that fails together, and counts as one attempt', () => {
    const waits = new Waits(Math.random);
    const together = Array.from({ length: 20 }, (_, index) => waits.next(1000 + index));
    expect(new Set(together).size).toBe(1);
    expect(waits.next(5000)).toBeLessThanOrEqual(2);
  });
});
