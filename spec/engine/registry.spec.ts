import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Client } from '../../src/engine/client.js';
import { Registry } from '../../src/engine/registry.js';

const newClient = (id: string): Client => ({
  id,
  isOwned: true,
  channels: new Set(),
  stream: null,
  step: null,
  heardOf: null,
  waiting: null,
  delivered: null,
  withdrawn: null,
  deadline: 0,
  silentUntil: 0,
  bucket: 0,
  cameAt: 0,
});

describe('Registry', () => {
  it('says who is the first and who the last of a channel', () => {
    const registry = new Registry();
    const [a, b] = [newClient('a'), newClient('b')];
    expect(registry.subscribe(a, '/a')).toBe(true);
    expect(registry.subscribe(a, '/a')).toBe(false);
    expect(registry.subscribe(b, '/a')).toBe(true);
    expect(registry.unsubscribe(a, '/a')).toEqual({ removed: true, last: false });
    expect(registry.unsubscribe(a, '/a')).toEqual({ removed: false, last: false });
    expect(registry.unsubscribe(b, '/a')).toEqual({ removed: true, last: true });
    expect(registry.unsubscribe(b, '/nobody')).toEqual({ removed: false, last: false });
  });

  it('knows the clients that were added and not removed', () => {
    const registry = new Registry();
    const a = newClient('a');
    registry.add(a);
    expect(registry.get('a')).toBe(a);
    registry.remove(a);
    expect(registry.get('a')).toBeUndefined();
  });

  it('gives each subscriber once, and keeps nothing of those that left', () => {
    const channel = fc.constantFrom('/a', '/b', '/*', '/**');
    const steps = fc.array(fc.record({ leave: fc.boolean(), client: fc.nat(4), channel }), {
      maxLength: 60,
      size: 'max',
    });
    fc.assert(
      fc.property(steps, fc.uniqueArray(channel), (history, asked) => {
        const registry = new Registry();
        const clients = Array.from({ length: 5 }, (_, index) => newClient(String(index)));
        const model = new Set<string>();
        for (const { leave, client: index, channel: name } of history) {
          const client = clients[index] as Client;
          const known = model.has(`${index} ${name}`);
          if (leave) expect(registry.unsubscribe(client, name).removed).toBe(known);
          else expect(registry.subscribe(client, name)).toBe(!known);
          model[leave ? 'delete' : 'add'](`${index} ${name}`);
        }
        const found = [...registry.subscribers(asked)].map(({ id }) => id);
        const covered = clients.filter(({ id }) => asked.some((name) => model.has(`${id} ${name}`)));
        expect(found.sort()).toEqual(covered.map(({ id }) => id));
        for (const client of clients) {
          expect([...client.channels].every((name) => model.has(`${client.id} ${name}`))).toBe(true);
          for (const name of [...client.channels]) registry.unsubscribe(client, name);
        }
        expect(registry.size).toEqual({ clients: 0, channels: 0 });
      }),
    );
  });
});
