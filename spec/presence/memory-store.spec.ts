import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { enter } from './steps.js';
import { behavesLikeAStore, WINDOW } from './store-behaviour.js';

describe('MemoryStore', () => {
  behavesLikeAStore(async () => {
    const store = new MemoryStore(WINDOW);
    return {
      store,
      other: store,
      seesRecords: true,
      left: async () => Object.entries(store.sizes).flatMap(([what, size]) => (size > 0 ? [what] : [])),
      close: () => store.close(),
    };
  });

  it('has one moment for a step, however long it takes', async () => {
    let now = 1_000;
    const store = new MemoryStore(WINDOW, () => now++);
    const ann = { uid: 1, uname: 'Ann' };
    await store.journal.open('sql');
    const entered = [await enter(store, '/a', ann, 'c1'), await enter(store, '/a', ann, 'c2')];
    const entries = await store.journal.read('sql', 'n', 10, 0);
    expect(entries.map(({ at }) => at)).toEqual(entered.map(({ came }) => came));
    expect(entered.map(({ since }) => since / 1_000)).toEqual([entries[0]?.at, entries[0]?.at]);
    await store.close();
  });
});
