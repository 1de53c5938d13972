import { describe } from 'vitest';
import { MemoryStore } from '../../src/presence/memory-store.js';
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
});
