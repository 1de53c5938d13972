import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Published } from '../../src/engine/backplane.js';
import { Waiting } from '../../src/engine/waiting.js';

/** A message of so many bytes. */
const message = (n: number, bytes: number): Published => ({
  id: String(n),
  channel: '/a',
  json: String(n).padEnd(bytes, '.'),
});

const numbers = (messages: readonly Published[]) => messages.map(({ id }) => Number(id));

function waiting(messages: number, bytes: number) {
  const counted = { dropped: 0 };
  const queue = new Waiting({ messages, bytes }, () => {
    counted.dropped += 1;
  });
  return { queue, counted };
}

describe('Waiting', () => {
  it('gives what it was given, oldest first, once', () => {
    const { queue, counted } = waiting(10, 1_000);
    const given = [1, 2, 3].map((n) => message(n, 10));
    for (const each of given) queue.push(each);
    expect(queue.take()).toEqual(given);
    expect(queue.take()).toEqual([]);
    expect(counted.dropped).toBe(0);
  });

  it('drops the oldest of too many, and counts them', () => {
    const { queue, counted } = waiting(1_000, 1_048_576);
    for (let n = 0; n < 1_250; n += 1) queue.push(message(n, 10));
    expect(numbers(queue.take())).toEqual(Array.from({ length: 1_000 }, (_, index) => 250 + index));
    expect(counted.dropped).toBe(250);
  });

  it('drops the oldest of too much, and keeps a newest that is too much alone', () => {
    const { queue, counted } = waiting(1_000, 100);
    for (const n of [1, 2, 3]) queue.push(message(n, 40));
    expect(counted.dropped).toBe(1);
    queue.push(message(4, 500));
    expect(counted.dropped).toBe(3);
    expect(numbers(queue.take())).toEqual([4]);
    for (const bytes of [60, 40]) queue.push(message(5, bytes));
    expect(queue.take()).toHaveLength(2);
  });

  it('keeps the newest that fit, whatever comes', () => {
    // Two at least: that is what the number of the last takes.
    const sizes = fc.array(fc.integer({ min: 2, max: 120 }), { maxLength: 40, size: 'max' });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 10 }), (given, most) => {
        const { queue, counted } = waiting(most, 100);
        given.forEach((bytes, index) => {
          queue.push(message(index, bytes));
        });
        const kept = numbers(queue.take());
        expect(kept).toEqual(given.map((_, index) => index).slice(given.length - kept.length));
        expect(counted.dropped).toBe(given.length - kept.length);
        const held = kept.reduce((sum, index) => sum + (given[index] ?? 0), 0);
        expect(kept.length <= most && (held <= 100 || kept.length === 1)).toBe(true);
        // One more would have been too many, or too much.
        const next = given[given.length - kept.length - 1];
        if (next !== undefined) expect(kept.length === most || held + next > 100).toBe(true);
      }),
    );
  });
});
