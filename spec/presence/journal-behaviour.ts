/** What every journal must do, with the clients of which it tells. An implementation's spec is a few lines that make them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../src/presence/journal.js';
import type { Store } from '../../src/presence/store.js';
import type { Visibility } from '../../src/presence/visibility.js';
import { end, enter, leave, type PresenceNode } from '../support/presence-node.js';
import { until } from '../support/until.js';

export interface JournalUnderTest {
  node: PresenceNode;
  /** Another node over the same data; the same where there is only one process. */
  otherNode: PresenceNode;
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
  let node: PresenceNode;
  let otherNode: PresenceNode;
  let store: Store;
  let journal: Journal;
  let elsewhere: Journal;

  beforeEach(async () => {
    tested = await make();
    ({ node, otherNode } = tested);
    ({ store } = node);
    journal = store.journal;
    elsewhere = otherNode.store.journal;
  });
  afterEach(() => tested.close());

  const read = (count = 100, group = 'sql', consumer = 'n1') => journal.read(group, consumer, count, 0);
  const said = async (group = 'sql') =>
    (await read(100, group)).map(({ type, uid, clientId }) => `${type} ${uid} ${clientId}`);
  /** Bound, and in no channel. */
  const bind = async (clientId: string) => {
    node.engine.add(clientId);
    expect(await node.clients.bind(clientId, { ...ann })).toBe('bound');
  };
  const visibilityOf = (clientId: string): Visibility | null | undefined =>
    node.clients.held(() => true).find((membership) => membership.clientId === clientId)?.visibility;
  const come = async (many: number) => {
    for (let index = 0; index < many; index += 1) await enter(node, '/a', ann, `c${index}`);
  };

  describe('writing', () => {
    it('puts down every client in and out, and which of them is a join or a leave', async () => {
      await journal.open('sql');
      const before = Date.now();
      await enter(node, '/a', ann, 'c1');
      await enter(otherNode, '/a', ann, 'c2');
      await leave(node, '/a', 'c1');
      await end(node, 'c2');
      const entries = await read();
      const entry = { channel: '/a', uid: '1', partition: 0 };
      expect(entries).toMatchObject([
        { ...entry, type: 'in', clientId: 'c1', transition: true, user: ann },
        { ...entry, type: 'in', clientId: 'c2', transition: false, user: ann },
        { ...entry, type: 'out', clientId: 'c1', transition: false },
        { ...entry, type: 'out', clientId: 'c2', transition: true },
      ]);
      const { epoch } = await store.channels.snapshot('/a', 1);
      for (const { at, ...rest } of entries) {
        expect(rest.epoch).toBe(epoch);
        expect(at).toBeGreaterThanOrEqual(before);
        expect(at).toBeLessThanOrEqual(Date.now());
      }
      expect(new Set(entries.map(({ id }) => id)).size).toBe(4);
    });

    it('puts down nothing for a repeat, a refusal, or one that is in no channel', async () => {
      await journal.open('sql');
      await enter(node, '/a', ann, 'c1');
      await read();
      await enter(node, '/a', ann, 'c1');
      expect(await otherNode.clients.bind('c1', { ...bob })).toBe('other');
      await otherNode.clients.enter('c1', ['/a']);
      await bind('c3');
      await end(node, 'c3');
      expect(await node.clients.enter('c3', ['/a'])).toBe(false);
      await leave(node, '/a', 'c9');
      await leave(node, '/b', 'c1');
      expect(await said()).toEqual([]);
      await leave(node, '/a', 'c1');
      expect(await said()).toEqual(['out 1 c1']);
    });

    it('keeps what a user is called as it was given', async () => {
      const user = { uid: '__proto__', uname: 'é😀 {} [] "' };
      await journal.open('sql');
      await enter(node, '/a', user, 'c1');
      expect((await read())[0]).toMatchObject({ uid: '__proto__', user });
    });

    it('is not done where nobody reads, before the first group and after the last', async () => {
      await enter(node, '/a', ann, 'c1');
      expect(await tested.left()).toEqual([]);
      await journal.open('sql');
      await journal.open('webhooks');
      await enter(node, '/a', bob, 'c2');
      await journal.closeGroup('sql');
      expect(await said('webhooks')).toEqual(['in b c2']);
      await elsewhere.closeGroup('webhooks');
      await leave(node, '/a', 'c1');
      expect(await tested.left()).toEqual([]);
    });
  });

  describe('visibility', () => {
    it('puts down each change once, with the time since when it is so, and no in or out', async () => {
      await journal.open('sql');
      await enter(node, '/a', ann, 'c1');
      await read();
      await node.clients.setVisibility('c1', true);
      const hidden = visibilityOf('c1');
      await otherNode.clients.setVisibility('c1', true);
      await otherNode.clients.setVisibility('c1', false);
      const shown = visibilityOf('c1');
      await node.clients.setVisibility('c1', false);
      const { epoch } = await store.channels.snapshot('/a', 1);
      const entry = { epoch, uid: '1', clientId: 'c1', partition: 0, id: expect.any(String) };
      const entries = await read();
      expect(entries).toEqual([
        { ...entry, type: 'hidden', at: hidden?.since },
        { ...entry, type: 'shown', at: shown?.since },
      ]);
      expect(new Set(entries.map(({ id }) => id)).size).toBe(2);
      expect(await leave(node, '/a', 'c1')).toMatchObject({ changed: true });
      expect(await said()).toEqual(['out 1 c1']);
    });

    it('puts down the first word of a client, that of one that is nowhere yet, and nothing of an unknown one', async () => {
      await journal.open('sql');
      await bind('c1');
      await node.clients.setVisibility('c1', false);
      await node.clients.setVisibility('nobody', true);
      await end(node, 'c1');
      await node.clients.setVisibility('c1', true);
      expect(await said()).toEqual(['shown 1 c1']);
    });

    it('is bounded as the rest', async () => {
      await journal.open('sql');
      await bind('c1');
      for (let index = 0; index < BOUND + 5; index += 1)
        await node.clients.setVisibility('c1', index % 2 === 0);
      expect(await journal.dropped()).toBe(5);
      expect(await read()).toHaveLength(BOUND);
    });

    it('is not put down where nobody reads', async () => {
      await bind('c1');
      await node.clients.setVisibility('c1', true);
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
      await enter(node, '/a', bob, 'c9');
      expect(await said('late')).toEqual(['in b c9']);
      expect(await said()).toHaveLength(3);
    });

    it('waits for an entry, and not for longer than it was told', async () => {
      await journal.open('sql');
      expect(await journal.read('sql', 'n1', 10, 10)).toEqual([]);
      const waiting = journal.read('sql', 'n1', 10, 20_000);
      await enter(node, '/a', ann, 'c1');
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
      await enter(node, '/a', ann, 'c1');
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
      for (let index = 0; index < 5; index += 1) await leave(node, '/a', `c${index}`);
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
        for (let index = 0; index < BOUND; index += 1) await leave(node, '/a', `c${index}`);
        await journal.acknowledge('sql', await read());
      }
      expect([await journal.dropped(), await journal.lag('sql')]).toEqual([0, 0]);
    });
  });
}
