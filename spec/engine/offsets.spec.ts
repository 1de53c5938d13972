import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Offsets } from '../../src/engine/redis/seen-messages.js';

const MINUTES = 60_000;
let offsets: Offsets;

beforeEach(() => {
  vi.useFakeTimers();
  offsets = new Offsets();
});
afterEach(() => {
  offsets.close();
  vi.useRealTimers();
});

it('knows what it has heard of each node', () => {
  expect([offsets.advance('a', 1), offsets.advance('a', 3), offsets.advance('b', 1)]).toEqual([
    true,
    true,
    true,
  ]);
  expect([offsets.advance('a', 3), offsets.advance('a', 2)]).toEqual([false, false]);
  expect(offsets.all).toEqual({ a: 3, b: 1 });
});

it('forgets a node that has been silent for long, and no other', () => {
  offsets.advance('gone', 1);
  offsets.advance('here', 1);
  for (let number = 2; number < 6; number += 1) {
    vi.advanceTimersByTime(10 * MINUTES);
    offsets.advance('here', number);
  }
  expect(offsets.all).toEqual({ here: 5 });
});
