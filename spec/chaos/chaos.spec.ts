/** A short run of the chaos (`npm run chaos`), of fixed seeds: nodes that die, and a Redis that loses everything. */
import { describe, it } from 'vitest';
import { chaos } from './chaos.js';
import type { FaultKind } from './history.js';
import { explain } from './report.js';

/** Milliseconds of steps in a round. */
const LASTS = 4_000;
/** Beyond the two limits of 30 s that a round itself has. */
const LIMIT = 120_000;
const RIGHT = { wrong: '', folds: true };

/** What was wrong, and whether lists were compared with what they fold to. */
async function play(seed: number, faults: FaultKind[]): Promise<{ wrong: string; folds: boolean }> {
  const { failures, outcomes } = await chaos({ seed, rounds: 1, faults, lasts: LASTS, log: () => {} });
  return { wrong: failures.map(explain).join('\n'), folds: outcomes.some(({ folds }) => folds > 0) };
}

// At the same time: a round is mostly waiting for what must not come.
describe.concurrent('through faults', () => {
  it(
    'lists are the truth, and nothing is left, where nodes are killed',
    async ({ expect }) => {
      expect(await play(1, ['kill'])).toEqual(RIGHT);
    },
    LIMIT,
  );

  it(
    'lists are the truth, and nothing is left, where Redis loses its data',
    async ({ expect }) => {
      expect(await play(1, ['redis-flush'])).toEqual(RIGHT);
    },
    LIMIT,
  );
});
