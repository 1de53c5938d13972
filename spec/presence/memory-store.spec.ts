import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/presence/memory-store.js';
import { enter, LivingClients, memoryNode } from '../support/presence-node.js';
import { behavesLikeAStore, WINDOW } from './store-behaviour.js';

describe('MemoryStore', () => {
  behavesLikeAStore(async () => {
    const store = new MemoryStore(WINDOW);
    const node = memoryNode(new LivingClients(), store);
    const left = () => [
      ...(store.channels.size > 0 ? ['channels'] : []),
      ...[...node.clients.bound()].map(({ clientId }) => clientId),
    ];
    return { node, otherNode: node, left: async () => left(), close: () => node.close() };
  });

  it('has one moment for a step, however long it takes', async () => {
    let now = 1_000;
    const store = new MemoryStore(WINDOW, () => now++);
    const node = memoryNode(new LivingClients(), store);
    const ann = { uid: 1, uname: 'Ann' };
    await store.journal.open('sql');
    await enter(node, '/a', ann, 'c1');
    await enter(node, '/a', ann, 'c2');
    const entries = await store.journal.read('sql', 'n', 10, 0);
    expect(entries.map(({ at }) => at)).toEqual(node.clients.held(() => true).map(({ at }) => at));
    await node.close();
  });
});
