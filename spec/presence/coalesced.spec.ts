import { expect, it } from 'vitest';
import { Coalesced } from '../../src/presence/coalesced.js';

function gated() {
  const reads: { key: string; finish: (value: number) => void; fail: (error: Error) => void }[] = [];
  const shared = new Coalesced<number>(
    (key) => new Promise((finish, fail) => reads.push({ key, finish, fail })),
  );
  return { reads, shared };
}

it('gives those who ask during a read the next one, shared', async () => {
  const { reads, shared } = gated();
  const first = shared.get('a');
  const second = shared.get('a');
  const third = shared.get('a');
  expect(reads).toHaveLength(1);
  reads[0]?.finish(1);
  expect(await first).toBe(1);
  expect(reads).toHaveLength(2);
  reads[1]?.finish(2);
  expect(await Promise.all([second, third])).toEqual([2, 2]);
});

it('reads again once nobody is waiting, and keys apart', async () => {
  const { reads, shared } = gated();
  const a = shared.get('a');
  const b = shared.get('b');
  reads[0]?.finish(1);
  reads[1]?.finish(2);
  expect(await Promise.all([a, b])).toEqual([1, 2]);
  const again = shared.get('a');
  reads[2]?.finish(3);
  expect(await again).toBe(3);
});

it('fails those who asked for the read that failed, and nobody else', async () => {
  const { reads, shared } = gated();
  const first = shared.get('a');
  const second = shared.get('a');
  reads[0]?.fail(new Error('away'));
  await expect(first).rejects.toThrow('away');
  reads[1]?.finish(2);
  expect(await second).toBe(2);
});
