/** What every journal must do, with the store that writes it. An implementation's spec is a few lines that make them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../src/presence/journal.js';
import type { Store } from '../../src/presence/store.js';
import { until } from '../support/until.js';
import { enter, forget, leave } from './steps.js';

export interface JournalUnderTest {
  store: Store;
  /** Another node's view of the same data; the same store where there is only one process. */
  other: Store;
  /** What is left of the journal. */
  left(): Promise<string[]>;
  close(): Promise<void>;
}

/** Entries that the journal is to hold at most. */
export const BOUND = 20;

const ann = { uid: 1, uname: 'Ann' };
const bob = { uid: 'b', uname: 'Bob' };

export function behavesLikeAJournal(make: () => Promise<JournalUnderTest>): void {
  let tested: JournalUnderTest;
  let store: Store;
  let journal: Journal;
  let elsewhere: Journal;

  beforeEach(async () => {
    tested = await make();
    store = tested.store;
    journal = store.journal;
    elsewhere = tested.other.journal;
  });
  afterEach(() => tested.close());

  const read = (count = 100, group = 'sql', consumer = 'n1') => journal.read(group, consumer, count, 0);
  const said = async (group = 'sql') =>
    (await read(100, group)).map(({ type, uid, clientId }) => `${type} ${uid} ${clientId}`);
  const come = async (many: number) => {
    for (let index = 0; index < many; index += 1) await enter(store, '/a', ann, `c${index}`);
  };

  describe('writing', () => {
    it('puts down every client in and out, and which of them is a join or a leave', async () => {
      await journal.open('sql');
      const before = Date.now();
      await enter(store, '/a', ann, 'c1');
      await enter(tested.other, '/a', ann, 'c2');
      await leave(store, '/a', 1, 'c1');
      await leave(store, '/a', '1', 'c2');
      const entries = await read();
      const entry = { channel: '/a', uid: '1', partition: 0 };
      expect(entries).toMatchObject([
        { ...entry, type: 'in', clientId: 'c1', transition: true, user: ann },
        { ...entry, type: 'in', clientId: 'c2', transition: false, user: ann },
        { ...entry, type: 'out', clientId: 'c1', transition: false },
        { ...entry, type: 'out', clientId: 'c2', transition: true },
      ]);
      const { epoch } = await store.snapshot('/a', 1);
      for (const { at, ...rest } of entries) {
        expect(rest.epoch).toBe(epoch);
        expect(at).toBeGreaterThanOrEqual(before);
        expect(at).toBeLessThanOrEqual(Date.now());
      }
      expect(new Set(entries.map(({ id }) => id)).size).toBe(4);
    });

    it('puts down nothing for a repeat, a refusal, or a stay that goes on', async () => {
      await journal.open('sql');
      const { since } = await enter(store, '/a', ann, 'c1');
      await read();
      await enter(tested.other, '/a', ann, 'c1');
      await enter(store, '/a', bob, 'c2', since);
      await enter(store, '/a', ann, 'c3', since);
      await forget(store, 'c3');
      expect(await store.enter('/a', ann, 'c3', 0)).toBeNull();
      await leave(store, '/a', 2, 'c1');
      await leave(store, '/b', 1, 'c1');
      expect(await said()).toEqual([]);
      await leave(store, '/a', 1, 'c1');
      expect(await said()).toEqual(['out 1 c1']);
    });

    it('puts down when it was, where that is given', async () => {
      await journal.open('sql');
      await enter(store, '/a', ann, 'c1');
      await leave(store, '/a', 1, 'c1', 1_700_000_000_000);
      expect((await read()).map(({ at }) => at)[1]).toBe(1_700_000_000_000);
    });

    it('keeps what a user is called as it was given', async () => {
      const user = { uid: '__proto__', uname: 'é😀 {} [] "' };
      await journal.open('sql');
      await enter(store, '/a', user, 'c1');
      expect((await read())[0]).toMatchObject({ uid: '__proto__', user });
    });

    it('is not done where nobody reads, before the first group and after the last', async () => {
      await enter(store, '/a', ann, 'c1');
      expect(await tested.left()).toEqual([]);
      await journal.open('sql');
      await journal.open('webhooks');
      await enter(store, '/a', bob, 'c2');
      await journal.closeGroup('sql');
      expect(await said('webhooks')).toEqual(['in b c2']);
      await elsewhere.closeGroup('webhooks');
      await leave(store, '/a', 1, 'c1');
      expect(await tested.left()).toEqual([]);
    });
  });

  describe('visibility', () => {
    it('puts down each change once, with the time since when it is so, and no in or out', async () => {
      await journal.open('sql');
      await enter(store, '/a', ann, 'c1');
      await read();
      const hidden = await store.setVisibility('c1', true);
      await tested.other.setVisibility('c1', true);
      const shown = await tested.other.setVisibility('c1', false);
      await store.setVisibility('c1', false);
      const { epoch } = await store.snapshot('/a', 1);
      const entry = { epoch, uid: '1', clientId: 'c1', partition: 0, id: expect.any(String) };
      const entries = await read();
      expect(entries).toEqual([
        { ...entry, type: 'hidden', at: hidden?.since },
        { ...entry, type: 'shown', at: shown?.since },
      ]);
      expect(new Set(entries.map(({ id }) => id)).size).toBe(2);
      expect(await leave(store, '/a', 1, 'c1')).toMatchObject({ changed: true });
      expect(await said()).toEqual(['out 1 c1']);
    });

    it('puts down the first word of a client, that of one that is nowhere yet, and nothing of an unknown one', async () => {
      await journal.open('sql');
      await store.bind('c1', ann);
      await store.setVisibility('c1', false);
      await store.setVisibility('nobody', true);
      await store.beginEnd('c1');
      await store.setVisibility('c1', true);
      expect(await said()).toEqual(['shown 1 c1']);
    });

    it('puts down again what is said again, where that was lost, with the time that it had', async () => {
      await journal.open('sql');
      await store.bind('c1', ann);
      await store.setVisibility('c1', true, { since: 1_700_000_000_000 });
      await tested.other.setVisibility('c1', true, { since: 1_700_000_000_000 });
      await tested.other.setVisibility('c1', false, { since: 1_600_000_000_000 });
      expect(await read()).toMatchObject([{ type: 'hidden', clientId: 'c1', at: 1_700_000_000_000 }]);
    });

    it('is bounded as the rest', async () => {
      await journal.open('sql');
      await store.bind('c1', ann);
      for (let index = 0; index < BOUND + 5; index += 1) await store.setVisibility('c1', index % 2 === 0);
      expect(await journal.dropped()).toBe(5);
      expect(await read()).toHaveLength(BOUND);
    });

    it('is not put down where nobody reads', async () => {
      await store.bind('c1', ann);
      await store.setVisibility('c1', true);
      expect(await tested.left()).toEqual([]);
    });
  });

  describe('reading', () => {
    it('gives each entry to each group, and to one consumer of it', async () => {
      await journal.open('sql');
      await elsewhere.open('sql');
      await journal.open('webhooks');
      await come(6);
      const [mine, its] = await Promise.all([read(4), elsewhere.read('sql', 'n2', 4, 0)]);
      const ids = [...mine, ...its].map(({ clientId }) => clientId);
      expect(ids.sort()).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5']);
      expect(await said('webhooks')).toHaveLength(6);
      expect(await said()).toEqual([]);
    });

    it('begins a group with what comes from then on', async () => {
      await journal.open('sql');
      await come(2);
      await journal.open('late');
      await enter(store, '/a', bob, 'c9');
      expect(await said('late')).toEqual(['in b c9']);
      expect(await said()).toHaveLength(3);
    });

    it('waits for an entry, and not for longer than it was told', async () => {
      await journal.open('sql');
      expect(await journal.read('sql', 'n1', 10, 10)).toEqual([]);
      const waiting = journal.read('sql', 'n1', 10, 20_000);
      await enter(store, '/a', ann, 'c1');
      expect(await waiting).toHaveLength(1);
    });

    it('waits no longer than until the signal', async () => {
      await journal.open('sql');
      const signal = AbortSignal.abort();
      expect(await journal.read('sql', 'n1', 10, 60_000, signal)).toEqual([]);
      const stopping = new AbortController();
      const waiting = journal.read('sql', 'n1', 10, 60_000, stopping.signal);
      stopping.abort();
      expect(await waiting).toEqual([]);
      await enter(store, '/a', ann, 'c1');
      expect(await journal.read('sql', 'n1', 10, 60_000, signal)).toHaveLength(1);
    });
  });

  describe('acknowledging', () => {
    it('removes what every group is done with, and nothing else', async () => {
      await journal.open('sql');
      await journal.open('webhooks');
      await come(4);
      const entries = await read();
      await journal.acknowledge('sql', entries.slice(0, 3));
      expect([await journal.lag('sql'), await journal.lag('webhooks')]).toEqual([1, 4]);
      expect(await said('webhooks')).toHaveLength(4);
      const all = await elsewhere.takeOver('webhooks', 'n2', 0);
      await elsewhere.acknowledge('webhooks', all.slice(1));
      expect(await journal.lag('webhooks')).toBe(1);
      expect((await journal.takeOver('webhooks', 'n3', 0)).map(({ clientId }) => clientId)).toEqual(['c0']);
      await journal.acknowledge('webhooks', all);
      await journal.acknowledge('sql', entries);
      expect([await journal.lag('sql'), await journal.lag('webhooks')]).toEqual([0, 0]);
      await journal.open('later');
      expect(await said('later')).toEqual([]);
      expect(await journal.dropped()).toBe(0);
    });

    it('takes over what a consumer that died had got, and not from one that is at work', async () => {
      await journal.open('sql');
      await come(3);
      const [first] = await read();
      await journal.acknowledge('sql', first ? [first] : []);
      expect(await elsewhere.takeOver('sql', 'n2', 60_000)).toEqual([]);
      const taken = await until(async () => {
        const entries = await elsewhere.takeOver('sql', 'n2', 30);
        return entries.length > 0 && entries;
      }, 'the entries to be old enough');
      expect(taken.map(({ clientId }) => clientId)).toEqual(['c1', 'c2']);
      expect(taken[0]).toMatchObject({ type: 'in', uid: '1', user: ann });
    });
  });

  describe('the bound', () => {
    it('drops the oldest that are not acknowledged, and counts them', async () => {
      await journal.open('sql');
      await come(BOUND);
      expect(await journal.dropped()).toBe(0);
      expect(await read(2)).toHaveLength(2);
      for (let index = 0; index < 5; index += 1) await leave(store, '/a', 1, `c${index}`);
      expect(await elsewhere.dropped()).toBe(5);
      const rest = await said();
      expect(rest[0]).toBe('in 1 c5');
      expect(rest).toHaveLength(BOUND);
      await journal.closeGroup('sql');
      expect([await journal.dropped(), await tested.left()]).toEqual([0, []]);
    });

    it('drops nothing of what was acknowledged in time', async () => {
      await journal.open('sql');
      for (let round = 0; round < 3; round += 1) {
        await come(BOUND);
        await journal.acknowledge('sql', await read());
        for (let index = 0; index < BOUND; index += 1) await leave(store, '/a', 1, `c${index}`);
        await journal.acknowledge('sql', await read());
      }
      expect([await journal.dropped(), await journal.lag('sql')]).toEqual([0, 0]);
    });
  });
}
