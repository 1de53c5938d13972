/** Short runs of the model (`npm run model`), of fixed seeds: nothing is wrong, and each rule turned off is found. */
import { describe, expect, it } from 'vitest';
import { type RunOptions, runModel } from './model/model.js';
import { DEFAULTS, type ModelOptions } from './model/options.js';
import type { Rule } from './model/rules.js';

interface Found {
  off: Rule[];
  /** The seed of the first round. */
  seed: number;
  /** The number of rounds in which the model finds that the rules are off. */
  within: number;
  with?: Partial<ModelOptions>;
}

const LATE: Partial<ModelOptions> = {
  lateChance: 0.1,
  latest: 20_000,
  stallChance: 0.02,
  longestCut: 14_000,
};

const RULES: Found[] = [
  { off: ['leaving'], seed: 10, within: 6 },
  { off: ['orphans'], seed: 15, within: 4 },
  { off: ['orphanByRecord'], seed: 15, within: 4 },
  { off: ['ownIndex'], seed: 15, within: 4 },
  { off: ['verifyOnBack'], seed: 18, within: 4 },
  { off: ['notify'], seed: 1, within: 4, with: { noticeChance: 0 } },
  { off: ['notify'], seed: 158, within: 4 },
  { off: ['objectFirst'], seed: 196, within: 4 },
  { off: ['recheck'], seed: 3, within: 4, with: { stallChance: 0.05 } },
  { off: ['term'], seed: 20_000, within: 1, with: LATE },
  { off: ['termMonotone'], seed: 20_437, within: 4, with: LATE },
  { off: ['waitTerm'], seed: 20_204, within: 4, with: LATE },
  { off: ['writtenRule'], seed: 20_384, within: 4, with: LATE },
  { off: ['staleMine'], seed: 20_663, within: 4, with: LATE },
  {
    off: ['scanEpoch'],
    seed: 40_935,
    within: 4,
    with: { faults: ['older', 'kill'], lateChance: 0.03, latest: 20_000 },
  },
  {
    off: ['leaseMembers'],
    seed: 40_006,
    within: 4,
    with: { faults: ['freeze', 'kill', 'pfreeze'], lateChance: 0.1, latest: 30_000 },
  },
  // Each of the two covers for the other.
  {
    off: ['timeGen', 'runCheck'],
    seed: 70_025,
    within: 4,
    with: { faults: ['older', 'loss', 'freeze', 'deaf'], lateChance: 0.05, latest: 20_000 },
  },
];

async function run(options: Partial<RunOptions>) {
  const { wrong, firstWrong } = await runModel({
    ...DEFAULTS,
    seed: 1,
    rounds: 100,
    stopsAtFirst: true,
    ...options,
  });
  return { wrong, seed: firstWrong?.seed, violations: firstWrong?.violations ?? [] };
}

const RIGHT = { wrong: 0, seed: undefined, violations: [] };

describe('the model of sessions and memberships', () => {
  it.each<[string, Partial<RunOptions>]>([
    ['in two partitions', { rounds: 100 }],
    ['in one partition', { rounds: 80, isSingle: true }],
    ['in two partitions, with late commands and stalled nodes', { ...LATE, seed: 1_000, rounds: 80 }],
  ])('finds nothing wrong %s', async (_, options) => {
    expect(await run(options)).toEqual(RIGHT);
  });

  it.each(RULES)('finds $off turned off within $within rounds from seed $seed', async (found) => {
    const options = { ...found.with, seed: found.seed, rounds: found.within };
    expect(await run(options)).toEqual(RIGHT);
    expect(await run({ ...options, off: found.off })).toMatchObject({ wrong: 1 });
  });
});
