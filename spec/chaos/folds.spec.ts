/** What the randomised run takes for a fold, and what not. */
import { describe, expect, it } from 'vitest';
import { Folds } from './folds.js';

const CHANNEL = '/rooms/1';
const users = (uids: string) => uids.split(' ').filter(Boolean);

/** `shown` by version; `announced` by version too: who joins, who leaves, and how many are in then. */
function folding(shown: Record<number, string>, announced: Record<number, [string, string, number]>) {
  const folds = new Folds();
  for (const [version, list] of Object.entries(shown)) {
    const user_list = users(list);
    folds.saw(CHANNEL, { count: user_list.length, user_list, version: Number(version), epoch: 'one' });
  }
  for (const [version, [joins, leaves, count]] of Object.entries(announced)) {
    const of = (uids: string) => users(uids).map((uid) => ({ uid, uname: uid }));
    folds.announces({
      ...{ channel: CHANNEL, epoch: 'one', version: Number(version), count, node: 'node' },
      ...{ joins: of(joins), leaves: of(leaves) },
    });
  }
  return { wrong: folds.judge(), compared: folds.compared };
}

describe('lists and announcements', () => {
  it('fold over several versions', () => {
    const { wrong, compared } = folding(
      { 3: 'a b', 5: 'b c', 6: '' },
      { 4: ['c', '', 3], 5: ['', 'a', 2], 6: ['', 'b c', 0] },
    );
    expect(wrong).toEqual([]);
    expect(compared).toBe(2);
  });

  it('fold wherever in the list those are who joined', () => {
    expect(folding({ 3: 'a b', 4: 'c a d b' }, { 4: ['d c', '', 4] })).toEqual({ wrong: [], compared: 1 });
  });

  it.each([
    ['a join is left out', { 3: 'a', 4: 'a b c' }, ['b', '', 2]],
    ['a leave is left out', { 3: 'a b', 4: 'c' }, ['c', 'a', 2]],
    ['the number of users is wrong', { 3: 'a', 4: 'a b' }, ['b', '', 3]],
    ['somebody joins who was in', { 3: 'a b', 4: 'a b' }, ['b', '', 2]],
    ['somebody leaves who was not in', { 3: 'a', 4: 'a' }, ['', 'b', 1]],
    ['those who stay change places', { 3: 'a b', 4: 'b a c' }, ['c', '', 3]],
  ] as const)('do not fold where %s', (_what, shown, announced) => {
    expect(folding(shown, { 4: [...announced] })).not.toMatchObject({ wrong: [] });
  });

  it('begin anew where an announcement was missed', () => {
    const { wrong, compared } = folding(
      { 3: 'a', 5: 'a c', 6: 'a c d' },
      { 5: ['c', '', 2], 6: ['d', '', 3] },
    );
    expect(wrong).toEqual([]);
    expect(compared).toBe(1);
  });

  it('leave out what is cut short', () => {
    const folds = new Folds();
    folds.saw(CHANNEL, { count: 9, user_list: ['a'], version: 1, epoch: 'one', truncated: true });
    folds.announces({
      ...{ channel: CHANNEL, epoch: 'one', version: 2, count: 10, joins: [], leaves: [], node: 'node' },
    });
    folds.saw(CHANNEL, { count: 10, user_list: ['a'], version: 2, epoch: 'one', truncated: true });
    expect(folds.judge()).toEqual([]);
    expect(folds.compared).toBe(0);
  });
});
