import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Client } from '../../src/engine/client.js';
import { Deadlines } from '../../src/engine/deadlines.js';

/** Milliseconds: by so much a client may be over late, and the time between two ticks. */
const SPAN = 250;

const newClient = (id: string): Client => ({
  id,
  isOwned: true,
  channels: new Set(),
  stream: null,
  step: null,
  heardOf: null,
  waiting: null,
  delivered: null,
  withdrawn: null,
  deadline: 0,
  silentUntil: 0,
  bucket: 0,
  cameAt: 0,
});

describe('Deadlines', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** On the fake clock, which its interval goes by too. */
  function start(over: (client: Client) => void = () => {}) {
    const ended = new Map<string, number[]>();
    const deadlines = new Deadlines((client) => {
      ended.set(client.id, [...(ended.get(client.id) ?? []), Date.now()]);
      over(client);
    }, Date.now);
    return { deadlines, ended };
  }

  it('ends a client once, not before its time and at most a span and a tick after', () => {
    const { deadlines, ended } = start();
    deadlines.set(newClient('a'), 1_000);
    vi.advanceTimersByTime(999);
    expect(ended.size).toBe(0);
    vi.advanceTimersByTime(1 + 2 * SPAN);
    expect(ended.get('a')).toHaveLength(1);
    vi.advanceTimersByTime(60_000);
    expect(ended.get('a')).toHaveLength(1);
    deadlines.close();
  });

  it('puts a client off, and brings its end nearer', () => {
    const { deadlines, ended } = start();
    const [a, b] = [newClient('a'), newClient('b')];
    deadlines.set(a, 1_000);
    deadlines.set(b, 60_000);
    vi.advanceTimersByTime(900);
    deadlines.set(a, 10_000);
    deadlines.set(b, 500);
    vi.advanceTimersByTime(500 + 2 * SPAN);
    expect([...ended.keys()]).toEqual(['b']);
    vi.advanceTimersByTime(9_500);
    expect([...ended.keys()]).toEqual(['b', 'a']);
    deadlines.close();
  });

  it('spares one that is removed, also where the end of another removes it', () => {
    const [a, b, c] = ['a', 'b', 'c'].map(newClient) as [Client, Client, Client];
    const { deadlines, ended } = start(() => {
      for (const client of [a, b, c]) deadlines.remove(client);
    });
    for (const client of [a, b, c]) deadlines.set(client, 1_000);
    deadlines.set(c, 1_200);
    vi.advanceTimersByTime(60_000);
    expect([...ended.keys()]).toEqual(['a']);
    deadlines.close();
  });

  it('takes one whose time is set while another ends', () => {
    const late = newClient('late');
    const { deadlines, ended } = start((client) => {
      if (client.id === 'a') deadlines.set(late, 0);
    });
    deadlines.set(newClient('a'), 1_000);
    vi.advanceTimersByTime(1_000 + 4 * SPAN);
    expect([...ended.keys()]).toEqual(['a', 'late']);
    deadlines.close();
  });

  it('ends nobody after it was closed, and leaves no timer', () => {
    const { deadlines, ended } = start();
    deadlines.set(newClient('a'), 1_000);
    deadlines.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(60_000);
    expect(ended.size).toBe(0);
  });

  it('goes by a clock that nobody can set', () => {
    const ended: string[] = [];
    const deadlines = new Deadlines(({ id }) => ended.push(id));
    deadlines.set(newClient('a'), 5_000);
    vi.setSystemTime(Date.now() + 86_400_000);
    vi.advanceTimersByTime(1_000);
    expect(ended).toEqual([]);
    vi.setSystemTime(0);
    vi.advanceTimersByTime(5_000);
    expect(ended).toEqual(['a']);
    deadlines.close();
  });

  it('keeps to the last word about each of many clients', () => {
    const step = fc.record({
      client: fc.nat(7),
      /** Milliseconds; null is a removal. */
      delay: fc.option(fc.integer({ min: 0, max: 5_000 }), { freq: 6 }),
      /** Until the next step, odd numbers that fall on no tick. */
      pause: fc.integer({ min: 0, max: 1_500 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const { deadlines, ended } = start();
        const clients = Array.from({ length: 8 }, (_, index) => newClient(String(index)));
        const due = new Map<string, number>();
        /** Those that were over, as they must be: in time, and once. */
        const checkEnds = () => {
          for (const [id, times] of ended) {
            const deadline = due.get(id) ?? Number.POSITIVE_INFINITY;
            expect(times).toHaveLength(1);
            expect(times[0]).toBeGreaterThanOrEqual(deadline);
            expect(times[0]).toBeLessThanOrEqual(deadline + 2 * SPAN);
            due.delete(id);
          }
          ended.clear();
          for (const deadline of due.values()) expect(Date.now()).toBeLessThanOrEqual(deadline + 2 * SPAN);
        };
        for (const { client: index, delay, pause } of steps) {
          const client = clients[index] as Client;
          if (delay === null) {
            deadlines.remove(client);
            due.delete(client.id);
          } else {
            deadlines.set(client, delay);
            due.set(client.id, Date.now() + delay);
          }
          vi.advanceTimersByTime(pause);
          checkEnds();
        }
        vi.advanceTimersByTime(10_000);
        checkEnds();
        expect(due.size).toBe(0);
        deadlines.close();
      }),
      { numRuns: 200 },
    );
  });

  it('has one timer, and no more to keep, for a hundred thousand clients that are put off ten times', () => {
    const { deadlines, ended } = start();
    const clients = Array.from({ length: 100_000 }, (_, index) => newClient(String(index)));
    for (let time = 0; time < 10; time += 1) {
      for (const client of clients) deadlines.set(client, 20_000);
      expect(vi.getTimerCount()).toBe(1);
      expect(kept(deadlines)).toBe(100_000);
      vi.advanceTimersByTime(10_000);
    }
    expect(ended.size).toBe(0);
    for (const client of clients.slice(0, 50_000)) deadlines.remove(client);
    expect(kept(deadlines)).toBe(50_000);
    vi.advanceTimersByTime(20_000 + SPAN);
    expect(ended.size).toBe(50_000);
    expect(kept(deadlines)).toBe(0);
    deadlines.close();
  });
});

/** Clients that it holds, counted as often as it holds them. */
function kept(deadlines: Deadlines): number {
  const { buckets } = deadlines as unknown as { buckets: Map<number, Set<Client>> };
  return [...buckets.values()].reduce((sum, { size }) => sum + size, 0);
}
