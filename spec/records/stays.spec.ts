import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { total } from '../../src/records/intervals.js';
import { afterChanges, firstDifference, type OnlineTime } from '../../src/records/online-time.js';
import { type Movement, type Stay, Stays } from '../../src/records/stays.js';

type Step = { type: 'in' | 'out'; movement: Movement };

const NOW = 1_000_000;

const movement = (clientId: string, at: number): Movement => ({
  channel_id: 1,
  clientId,
  uid: 'alice',
  at,
  epoch: 'e',
  node: 'n',
});

/** Tabs of one user that come and go, as a store would tell of them: each in, out, in, out… */
const history = fc
  .array(fc.uniqueArray(fc.integer({ min: 0, max: 200 }), { maxLength: 7 }), { minLength: 1, maxLength: 5 })
  .map((tabs) =>
    tabs.map((moments, tab) =>
      moments
        .sort((a, b) => a - b)
        .map(
          (at, index): Step => ({
            type: index % 2 === 0 ? 'in' : 'out',
            movement: movement(`tab${tab}`, at),
          }),
        ),
    ),
  );

const byTime = (tabs: Step[][]): Step[] => tabs.flat().sort((a, b) => a.movement.at - b.movement.at);

/** What a tab's history says, without any of the code. */
const truth = (tabs: Step[][]) =>
  tabs.flatMap((steps) =>
    steps.flatMap(({ type, movement: { at } }, index) =>
      type === 'in' ? [{ from: at, to: steps[index + 1]?.movement.at ?? NOW }] : [],
    ),
  );

/** Keeps what the database would, and gives no more than it would be asked for. */
class Model {
  stays: Stay[] = [];
  time: OnlineTime = { spent_ms: 0, started_at: null };
  log: { t: number; status: number; clientId: string }[] = [];
  private ids = 0;

  write(steps: Step[]): void {
    this.apply((stays) => {
      for (const { type, movement } of steps) type === 'in' ? stays.enter(movement) : stays.leave(movement);
    });
  }

  apply(step: (stays: Stays) => void): void {
    const stays = new Stays(this.stays.map((stay) => ({ ...stay })));
    step(stays);
    const { changes } = stays;
    this.log.push(...stays.log);
    if (changes.length === 0) return;
    const since = firstDifference(changes);
    const changed = new Set(changes.map(({ after }) => after.id));
    const others = this.stays.filter(
      (stay) => !changed.has(stay.id) && (stay.ended_at === null || stay.ended_at >= since),
    );
    this.time = afterChanges(this.time, others, changes);
    this.stays = [
      ...this.stays.filter((stay) => !changed.has(stay.id)),
      ...changes.map(({ after }) => {
        this.ids += after.id === undefined ? 1 : 0;
        return { ...after, id: after.id ?? this.ids };
      }),
    ];
  }

  get spent(): number {
    const { spent_ms, started_at } = this.time;
    return spent_ms + (started_at === null ? 0 : NOW - started_at);
  }
}

/** Cuts into batches. */
function batches(steps: Step[], sizes: number[]): Step[][] {
  const cut: Step[][] = [];
  let rest = steps;
  for (const size of sizes) {
    cut.push(rest.slice(0, size));
    rest = rest.slice(size);
  }
  return [...cut, rest];
}

const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 10 });

describe('stays and online time', () => {
  it('time is the union of the stays, whatever the batches', () => {
    fc.assert(
      fc.property(history, sizes, (tabs, sizes) => {
        const model = new Model();
        for (const batch of batches(byTime(tabs), sizes)) model.write(batch);
        expect(model.spent).toBe(total(truth(tabs)));
        expect(model.stays.map(({ started_at, ended_at }) => [started_at, ended_at ?? NOW]).sort()).toEqual(
          truth(tabs)
            .map(({ from, to }) => [from, to])
            .sort(),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('the open start is that of the first of the tabs that are in without a break', () => {
    const model = new Model();
    model.write([{ type: 'in', movement: movement('a', 10) }]);
    model.write([{ type: 'in', movement: movement('b', 20) }]);
    model.write([{ type: 'out', movement: movement('a', 30) }]);
    expect(model.time).toEqual({ spent_ms: 0, started_at: 10 });
    model.write([{ type: 'out', movement: movement('b', 40) }]);
    expect(model.time).toEqual({ spent_ms: 30, started_at: null });
  });

  it('and of one that has gone long ago, where the others went on', () => {
    const model = new Model();
    model.write([{ type: 'in', movement: movement('a', 10) }]);
    model.write([{ type: 'in', movement: movement('b', 15) }]);
    model.write([{ type: 'out', movement: movement('a', 20) }]);
    model.write([{ type: 'in', movement: movement('c', 25) }]);
    model.write([{ type: 'out', movement: movement('b', 30) }]);
    model.write([{ type: 'in', movement: movement('d', 35) }]);
    expect(model.time).toEqual({ spent_ms: 0, started_at: 10 });
  });

  it('a batch that comes after a later one changes nothing in the end', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.integer({ min: 1, max: 8 }), (tabs, where, size) => {
        // One batch of one reader, written by another after the next: what each tab did in it, at most once.
        const steps = byTime(tabs);
        const at = where % (steps.length + 1);
        const late = steps.slice(at, at + size);
        const rest = steps.slice(at + size);
        const next = rest.slice(0, size);
        fc.pre(new Set(late.map(({ movement }) => movement.clientId)).size === late.length);

        const model = new Model();
        for (const batch of [steps.slice(0, at), next, late, rest.slice(size)]) model.write(batch);
        expect(model.spent).toBe(total(truth(tabs)));
        expect(model.log.map(({ t, status, clientId }) => [t, clientId, status]).sort()).toEqual(
          steps.map(({ type, movement: { at, clientId } }) => [at, clientId, type === 'in' ? 1 : 0]).sort(),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('an in of a client that is in changes nothing but where it was last told of', () => {
    const model = new Model();
    model.write([{ type: 'in', movement: movement('a', 10) }]);
    model.write([{ type: 'in', movement: { ...movement('a', 20), epoch: 'f', node: 'm' } }]);
    expect(model.stays).toMatchObject([{ started_at: 10, ended_at: null, epoch: 'f', node: 'm' }]);
    expect(model.log).toHaveLength(1);
    expect(model.time).toEqual({ spent_ms: 0, started_at: 10 });
  });

  it('a client may come, go and come in one millisecond', () => {
    const model = new Model();
    model.write([
      { type: 'in', movement: movement('a', 10) },
      { type: 'out', movement: movement('a', 10) },
      { type: 'in', movement: movement('a', 10) },
    ]);
    expect(model.stays).toMatchObject([{ started_at: 10, ended_at: null }]);
    expect(model.log.map(({ status }) => status)).toEqual([1, 0, 1]);
    expect(model.time).toEqual({ spent_ms: 0, started_at: 10 });
  });

  it('a stay never ends before it began', () => {
    const model = new Model();
    model.write([{ type: 'in', movement: movement('a', 10) }]);
    model.write([{ type: 'out', movement: movement('a', 7) }]);
    expect(model.stays).toMatchObject([{ started_at: 10, ended_at: 10, ending: 'out' }]);
    expect(model.time).toEqual({ spent_ms: 0, started_at: null });
  });

  describe('a lost stay', () => {
    const lost = () => {
      const model = new Model();
      model.write([
        { type: 'in', movement: movement('a', 10) },
        { type: 'in', movement: movement('b', 15) },
      ]);
      model.write([{ type: 'out', movement: movement('b', 20) }]);
      model.apply((stays) => {
        const [open] = [...model.stays].filter((stay) => stay.ended_at === null);
        const known = stays as unknown as { ofClient: Map<string, Stay[]> };
        const stay = [...known.ofClient.values()].flat().find(({ id }) => id === open?.id);
        if (stay) stays.lose(stay, 18);
      });
      return model;
    };

    it('ends at the given moment, in the log too, and time with it', () => {
      const model = lost();
      expect(model.time).toEqual({ spent_ms: 10, started_at: null });
      expect(model.log.filter(({ clientId }) => clientId === 'tab0' || clientId === 'a')).toMatchObject([
        { status: 1, t: 10 },
        { status: 0, t: 18 },
      ]);
    });

    it('hears no out any more', () => {
      const model = lost();
      model.write([{ type: 'out', movement: movement('a', 30) }]);
      expect(model.time).toEqual({ spent_ms: 10, started_at: null });
      expect(model.log).toHaveLength(4);
    });

    it('goes on where its client is found', () => {
      const model = lost();
      model.apply((stays) => stays.resume(movement('a', 10)));
      expect(model.time).toEqual({ spent_ms: 0, started_at: 10 });
      expect(model.log.at(-1)).toMatchObject({ status: 1, t: 18 });
    });

    it('does not go on where its client went meanwhile', () => {
      const model = lost();
      model.write([{ type: 'out', movement: movement('a', 30) }]);
      model.apply((stays) => stays.resume(movement('a', 10)));
      expect(model.time).toEqual({ spent_ms: 10, started_at: null });
    });
  });

  describe('a client that is said to be in', () => {
    it('and has gone meanwhile is not in', () => {
      const model = new Model();
      model.write([{ type: 'in', movement: movement('a', 10) }]);
      model.write([{ type: 'out', movement: movement('a', 20) }]);
      model.apply((stays) => stays.resume(movement('a', 10)));
      expect(model.time).toEqual({ spent_ms: 10, started_at: null });
    });

    it('is in once, whether its entry is read before or after, or after it has gone', () => {
      const entered: Step = { type: 'in', movement: movement('a', 10) };
      const left: Step = { type: 'out', movement: movement('a', 20) };
      const told = (model: Model) => model.apply((stays) => stays.resume(movement('a', 10)));

      const before = new Model();
      before.write([entered]);
      told(before);
      before.write([left]);
      const after = new Model();
      told(after);
      after.write([entered]);
      after.write([left]);
      const late = new Model();
      told(late);
      late.write([left]);
      late.write([entered]);
      for (const { stays, time, log } of [before, after, late]) {
        expect(stays).toMatchObject([{ started_at: 10, ended_at: 20, ending: 'out' }]);
        expect(time).toEqual({ spent_ms: 10, started_at: null });
        expect(log.map(({ t, status }) => [t, status])).toEqual([
          [10, 1],
          [20, 0],
        ]);
      }
    });

    it('and was never heard of is in since then', () => {
      const model = new Model();
      model.apply((stays) => stays.resume(movement('a', 10)));
      expect(model.time).toEqual({ spent_ms: 0, started_at: 10 });
      expect(model.log).toMatchObject([{ status: 1, t: 10 }]);
    });
  });
});
