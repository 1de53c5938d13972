import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Waiting } from '../../src/engine/waiting.js';

const message = (data: unknown) => ({ channel: '/a', data });

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
    for (const data of [1, 2, 3]) queue.push(message(data), 10);
    expect(queue.take()).toEqual([1, 2, 3].map(message));
    expect(queue.take()).toEqual([]);
    expect(counted.dropped).toBe(0);
  });

  it('drops the oldest of too many, and counts them', () => {
    const { queue, counted } = waiting(1_000, 1_048_576);
    for (let data = 0; data < 1_250; data += 1) queue.push(message(data), 10);
    expect(queue.take().map(({ data }) => data)).toEqual(
      Array.from({ length: 1_000 }, (_, index) => 250 + index),
    );
    expect(counted.dropped).toBe(250);
  });

  it('drops the oldest of too much, and keeps a newest that is too much alone', () => {
    const { queue, counted } = waiting(1_000, 100);
    for (const bytes of [40, 40, 40]) queue.push(message(bytes), bytes);
    expect(counted.dropped).toBe(1);
    queue.push(message('large'), 500);
    expect(counted.dropped).toBe(3);
    expect(queue.take()).toEqual([message('large')]);
    for (const bytes of [60, 40]) queue.push(message(bytes), bytes);
    expect(queue.take()).toHaveLength(2);
  });

  it('keeps the newest that fit, whatever comes', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 40, size: 'max' });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 10 }), (given, most) => {
        const { queue, counted } = waiting(most, 100);
        given.forEach((bytes, index) => {
          queue.push(message(index), bytes);
        });
        const kept = queue.take().map(({ data }) => Number(data));
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
