import { describe } from 'vitest';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { BOUND, behavesLikeAJournal } from './journal-behaviour.js';
import { WINDOW } from './store-behaviour.js';

describe('MemoryJournal', () => {
  behavesLikeAJournal(async () => {
    const store = new MemoryStore(WINDOW, Date.now, BOUND);
    return {
      store,
      other: store,
      left: async () => (store.journal.size > 0 ? ['journal'] : []),
      close: () => store.close(),
    };
  });
});
