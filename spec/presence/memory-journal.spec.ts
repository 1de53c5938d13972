import { describe } from 'vitest';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { LivingClients, memoryNode } from '../support/presence-node.js';
import { BOUND, behavesLikeAJournal } from './journal-behaviour.js';
import { WINDOW } from './store-behaviour.js';

describe('MemoryJournal', () => {
  behavesLikeAJournal(async () => {
    const store = new MemoryStore(WINDOW, Date.now, BOUND);
    const node = memoryNode(new LivingClients(), store);
    return {
      node,
      otherNode: node,
      left: async () => (store.journal.size > 0 ? ['journal'] : []),
      close: () => node.close(),
    };
  });
});
