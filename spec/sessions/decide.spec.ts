import { describe, expect, it } from 'vitest';
import { type Action, decide, type Local, type Recorded } from '../../src/sessions/decide.js';

type Present = Extract<Recorded, { is: 'present' }>;

const STATES = ['acquiring', 'owned', 'ending'] as const;
/** What this node knows. Records are of the same generation, of an earlier or of a later one. */
const GENERATION = 5;
const [EARLIER, SAME, LATER] = [4, 5, 6];

const present = (of: Partial<Present>): Present => ({
  is: 'present',
  isOurs: true,
  generation: SAME,
  isEnding: false,
  isOutdated: false,
  isSettled: true,
  ...of,
});

const local = (state: Local['state']): Local => ({ state, generation: GENERATION });

const BOTH = [false, true] as const;

describe('a record of a new epoch that is not known yet', () => {
  it.each(STATES)('is asked for again by a session that is %s', (state) => {
    expect(decide(local(state), { is: 'later' })).toBe('retry');
  });
});

describe('a record that is absent', () => {
  it.each<[Local['state'], Action]>([
    ['acquiring', 'expire'],
    ['owned', 'expire'],
    ['ending', 'expire'],
  ])('makes a session that is %s %s', (state, action) => {
    expect(decide(local(state), { is: 'absent' })).toBe(action);
  });
});

describe('a session that is acquiring', () => {
  it.each<[string, Partial<Present>, Action]>([
    ['current', {}, 'own'],
    ['current, in an earlier generation', { generation: EARLIER }, 'own'],
    ['current, in a later generation', { generation: LATER }, 'own'],
    ['current, and not settled', { isSettled: false }, 'own'],
    ['outdated', { isOutdated: true }, 'end'],
    ['outdated, in an earlier generation', { isOutdated: true, generation: EARLIER }, 'end'],
    ['outdated, and not settled', { isOutdated: true, isSettled: false }, 'retry'],
    ['outdated, in a later generation', { isOutdated: true, generation: LATER }, 'own'],
    [
      'outdated, in a later generation, and not settled',
      { isOutdated: true, generation: LATER, isSettled: false },
      'own',
    ],
    ['ending', { isEnding: true }, 'end'],
    ['ending, in an earlier generation', { isEnding: true, generation: EARLIER }, 'end'],
    ['ending, in a later generation', { isEnding: true, generation: LATER }, 'end'],
    ['ending, and not settled', { isEnding: true, isSettled: false }, 'retry'],
    [
      'ending, in a later generation, and not settled',
      { isEnding: true, generation: LATER, isSettled: false },
      'retry',
    ],
    ['ending and outdated', { isEnding: true, isOutdated: true }, 'end'],
    ['ending and outdated, and not settled', { isEnding: true, isOutdated: true, isSettled: false }, 'retry'],
    [
      'ending and outdated, in a later generation',
      { isEnding: true, isOutdated: true, generation: LATER },
      'end',
    ],
    [
      'ending and outdated, in a later generation, and not settled',
      { isEnding: true, isOutdated: true, generation: LATER, isSettled: false },
      'retry',
    ],
  ])('whose own record is %s: %j, does this: %s', (_what, recorded, action) => {
    expect(decide(local('acquiring'), present(recorded))).toBe(action);
  });

  describe.each([EARLIER, SAME, LATER])(
    "whose client's record is another node's, in generation %i,",
    (generation) => {
      it.each(BOTH.flatMap((isOutdated) => BOTH.map((isSettled) => ({ isOutdated, isSettled }))))(
        'yields where it lives, and expires where it is ending: %j',
        (more) => {
          const its = (isEnding: boolean) => present({ isOurs: false, isEnding, generation, ...more });
          expect(decide(local('acquiring'), its(false))).toBe('yield');
          expect(decide(local('acquiring'), its(true))).toBe('expire');
        },
      );
    },
  );
});

describe.each(['owned', 'ending'] as const)('a session that is %s', (state) => {
  describe.each(
    BOTH.flatMap((isEnding) =>
      BOTH.flatMap((isOutdated) => BOTH.map((isSettled) => ({ isEnding, isOutdated, isSettled }))),
    ),
  )('by its own record, %j,', (more) => {
    it.each<[number, Action]>([
      [EARLIER, 'write'],
      [SAME, 'write'],
      [LATER, 'take over'],
    ])('in generation %i does this: %s', (generation, action) => {
      expect(decide(local(state), present({ generation, ...more }))).toBe(action);
    });
  });

  describe.each(BOTH.flatMap((isOutdated) => BOTH.map((isSettled) => ({ isOutdated, isSettled }))))(
    "by another node's record, %j,",
    (more) => {
      it.each<[number, Action]>([
        [EARLIER, 'write'],
        [SAME, 'yield'],
        [LATER, 'yield'],
      ])('in generation %i does this: %s', (generation, action) => {
        expect(decide(local(state), present({ isOurs: false, generation, ...more }))).toBe(action);
      });

      it.each([EARLIER, SAME, LATER])(
        'which is ending in generation %i, gives the client up',
        (generation) => {
          const recorded = present({ isOurs: false, isEnding: true, generation, ...more });
          expect(decide(local(state), recorded)).toBe(state === 'owned' ? 'expire' : 'yield');
        },
      );
    },
  );
});
