import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Positions } from '../../src/engine/redis/positions.js';

const MINUTES = 60_000;
let positions: Positions;

beforeEach(() => {
  vi.useFakeTimers();
  positions = new Positions();
});
afterEach(() => {
  positions.close();
  vi.useRealTimers();
});

it('knows what it has heard of each node', () => {
  expect([positions.goesOn('a', 1), positions.goesOn('a', 3), positions.goesOn('b', 1)]).toEqual([
    true,
    true,
    true,
  ]);
  expect([positions.goesOn('a', 3), positions.goesOn('a', 2)]).toEqual([false, false]);
  expect([positions.all, positions.of('a'), positions.of('c')]).toEqual([{ a: 3, b: 1 }, 3, 0]);
});

it('forgets a node that has been silent for long, and no other', () => {
  positions.goesOn('gone', 1);
  positions.goesOn('here', 1);
  for (let number = 2; number < 6; number += 1) {
    vi.advanceTimersByTime(10 * MINUTES);
    positions.goesOn('here', number);
  }
  expect(positions.all).toEqual({ here: 5 });
});
