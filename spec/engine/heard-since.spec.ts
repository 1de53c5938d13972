/** What a client is held back, and what it gets in the end, where a node that had it before is silent. */
import { describe, expect, it } from 'vitest';
import type { Published } from '../../src/engine/backplane.js';
import { HeardElsewhere, HeardSince } from '../../src/engine/redis/heard-of.js';

const said = (id: string): Published => ({ id, channel: '/news', json: '{}' });
const elsewhere = (position: Record<string, number>) =>
  new HeardElsewhere([position], new Set(['/news']), () => 0);
const ids = (messages: readonly Published[]) => messages.map(({ id }) => id);

describe('HeardSince', () => {
  it('holds back what the silent node says, and lets others through', () => {
    const since = HeardSince.begin('w', false);
    expect(['w 1', 'n 1', 'w 2'].map((id) => since.has(said(id)))).toEqual([true, false, true]);
    expect(ids(since.release())).toEqual(['w 1', 'w 2']);
    expect(since.has(said('w 3'))).toBe(false);
  });

  it('holds back all where Redis was away, in order', () => {
    const since = HeardSince.begin('w', true);
    expect(['w 1', 'n 1', 'w 2'].map((id) => since.has(said(id)))).toEqual([true, true, true]);
    expect(ids(since.release())).toEqual(['w 1', 'n 1', 'w 2']);
  });

  it('holds nothing twice, and gives nothing twice', () => {
    const since = HeardSince.begin('w', false);
    for (const id of ['w 1', 'w 1', 'n 1']) since.has(said(id));
    expect(ids(since.release())).toEqual(['w 1']);
    expect(['w 1', 'n 1'].map((id) => since.has(said(id)))).toEqual([true, true]);
    expect(since.release()).toEqual([]);
  });

  it('drops what the silent node said last, where that is dead, and nothing that others said', () => {
    const since = HeardSince.begin('w', true);
    for (const id of ['w 1', 'n 1', 'w 2']) since.has(said(id));
    expect(ids(since.release({ isDead: true }))).toEqual(['n 1']);
  });

  it('knows what its client has had, or gets in the end', () => {
    const since = HeardSince.begin('w', false);
    for (const id of ['w 1', 'n 1']) since.has(said(id));
    expect(['w 1', 'n 1', 'w 2'].map((id) => since.got(said(id)))).toEqual([true, true, false]);
  });

  it('goes on to the next node with what is held and what was had', () => {
    const first = HeardSince.begin('w', false);
    for (const id of ['w 1', 'n 1']) first.has(said(id));
    expect(new HeardSince(first.all, []).has(said('n 1'))).toBe(true);
    // That node has heard of it what was held.
    const next = new HeardSince(first.all, [elsewhere({ w: 1, n: 1 })]);
    expect(['n 1', 'w 1', 'w 2', 'n 2'].map((id) => next.has(said(id)))).toEqual([true, true, true, false]);
    expect(ids(next.release())).toEqual(['w 1', 'w 2']);
  });

  it('does not give what the node before holds, where the client has had it here', () => {
    const since = HeardSince.begin('v', false);
    expect(since.has(said('w 1'))).toBe(false);
    const before = { silent: 'w', held: [said('w 1'), said('w 2')], had: ['n 1'], left: 1_000 };
    const known = since.after(elsewhere({ w: 2 }), [said('v 1')], before);
    expect(ids(known.release())).toEqual(['w 2']);
    expect(['w 1', 'n 1', 'v 1'].map((id) => known.has(said(id)))).toEqual([true, true, true]);
  });
});

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
