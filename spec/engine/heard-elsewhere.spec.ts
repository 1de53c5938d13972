/** What a client has received on the node before. */
import { describe, expect, it } from 'vitest';
import type { Published } from '../../src/engine/backplane.js';
import { HeardElsewhere } from '../../src/engine/redis/heard-of.js';

const said = (id: string): Published => ({ id, channel: '/news', json: '{}' });
const elsewhere = (position: Record<string, number>) =>
  new HeardElsewhere([position], new Set(['/news']), () => 0);

describe('HeardElsewhere', () => {
  it('is over once each node has said something newer, and leaves what it was made of as it is', () => {
    const position = { w: 1, n: 2 };
    const heard = elsewhere(position);
    expect(['n 2', 'n 3', 'n 1', 'w 1'].map((id) => heard.has(said(id)))).toEqual([true, false, false, true]);
    expect(heard.isOver).toBe(false);
    expect(heard.has(said('w 2'))).toBe(false);
    expect(heard.isOver).toBe(true);
    expect(position).toEqual({ w: 1, n: 2 });
  });

  it('is of what the client subscribed to alone', () => {
    const { id, json } = said('w 1');
    expect(elsewhere({ w: 1 }).has({ id, json, channel: '/other' })).toBe(false);
  });
});
