/**
 * A short fuzz of each profile; `npm run fuzz` is the long one. Two looks each: the second must not find more held than
 * the first.
 */
import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz.js';
import { PROFILES } from './wire.js';

const SEED = 20;
/** Milliseconds. Mostly clients that have gone without a word are waited for. */
const LIMIT = 180_000;

describe.concurrent('random and mutated messages, requests and frames', () => {
  it.each(PROFILES)(
    'find nothing to complain of in the profile %s',
    async (profile) => {
      const summary = await fuzz({
        seed: SEED,
        count: 4_000,
        profile,
        warmUp: 0,
        lookEvery: 4_000,
        seconds: 60,
        log: () => {},
      });
      const { violations, shrunk, last, messages, measures } = summary;
      expect(violations, JSON.stringify({ shrunk, last }, null, 1)).toEqual([]);
      expect({ looks: measures.length, enough: messages >= 4_000 }).toEqual({ looks: 2, enough: true });
    },
    LIMIT,
  );
});
