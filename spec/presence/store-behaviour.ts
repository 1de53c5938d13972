/** What every store must do. An implementation's spec is a few lines that make it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Announcement, Store } from '../../src/presence/store.js';
import { until } from '../support/until.js';
import { enter, forget, leave, take } from './steps.js';

export interface StoreUnderTest {
  store: Store;
  /** Another node's view of the same data; the same store where there is only one process. */
  other: Store;
  /** Whether an `enter` sees the client's record; else it goes by the age of the intent. */
  seesRecords: boolean;
  /** What is left, but for what may stay. */
  left(): Promise<string[]>;
  close(): Promise<void>;
}

export const WINDOW = { base: 20, perUser: 1, max: 60 };

const ann = { uid: 1, uname: 'Ann' };
const bob = { uid: 'b', uname: 'Bob' };

export function behavesLikeAStore(make: () => Promise<StoreUnderTest>): void {
  let tested: StoreUnderTest;
  let store: Store;
  let other: Store;

  beforeEach(async () => {
    tested = await make();
    ({ store, other } = tested);
  });
  afterEach(() => tested.close());

  const uids = async (channel: string, limit = 100) =>
    (await other.members(channel, limit)).users.map(({ uid }) => uid);

  describe('#enter', () => {
    it("makes a join of a user's first client only", async () => {
      expect(await enter(store, '/a', ann, 'c1')).toMatchObject({ changed: true });
      expect(await enter(other, '/a', ann, 'c2')).toMatchObject({ changed: false, dueIn: null });
      expect(await uids('/a')).toEqual([1]);
    });

    it('changes nothing when repeated', async () => {
      await enter(store, '/a', ann, 'c1');
      expect(await enter(store, '/a', ann, 'c1')).toMatchObject({ changed: false, dueIn: null });
      expect(await leave(store, '/a', 1, 'c1')).toMatchObject({ changed: true });
    });

    it('takes 1 and "1" for one user, shown in the type first given', async () => {
      await enter(store, '/a', ann, 'c1');
      expect(await enter(store, '/a', { uid: '1', uname: 'Ann' }, 'c2')).toMatchObject({ changed: false });
      expect(await uids('/a')).toEqual([1]);
    });

    it('lists the oldest first, over many channels apart', async () => {
      for (const uid of ['z', 'b', 'm', 'a']) await enter(store, '/a', { uid, uname: uid }, `c-${uid}`);
      await enter(store, '/a/b', bob, 'c9');
      expect(await uids('/a')).toEqual(['z', 'b', 'm', 'a']);
      expect(await uids('/a/b')).toEqual(['b']);
    });

    it('takes __proto__ and other hostile names for plain uids', async () => {
      const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', ' ', '"', '\u0000', 'é😀'];
      for (const uid of names) await enter(store, '/a', { uid, uname: uid }, `c${uid}`);
      expect(await uids('/a')).toEqual(names);
      for (const uid of names)
        expect(await leave(store, '/a', uid, `c${uid}`)).toMatchObject({ changed: true });
      expect(await uids('/a')).toEqual([]);
    });

    it('keeps what a user is called as it was given', async () => {
      const user = { uid: 9007199254740991, uname: '1e400 [] {} \\ "' };
      await enter(store, '/a', user, 'c1');
      expect((await other.members('/a', 10)).users).toEqual([user]);
    });

    it('is refused to a client that does not mean to, or not any more', async ({ skip }) => {
      skip(!tested.seesRecords, 'the records are in other partitions');
      const intended = Date.now();
      expect(await store.enter('/a', ann, 'nobody', intended)).toBeNull();
      await store.bind('c1', ann);
      expect(await store.enter('/a', ann, 'c1', intended)).toBeNull();
      await store.intend('c1', ['/a', '/a/b']);
      expect(await store.enter('/b', ann, 'c1', intended)).toBeNull();
      await other.intend('c1', ['/a/b']);
      expect(await store.enter('/a', ann, 'c1', intended)).toBeNull();
      await other.beginEnd('c1');
      expect(await store.enter('/a/b', ann, 'c1', intended)).toBeNull();
      await other.forget('c1');
      expect(await store.enter('/a/b', ann, 'c1', intended)).toBeNull();
      for (const channel of ['/a', '/b', '/a/b']) expect(await uids(channel)).toEqual([]);
      expect(await tested.left()).toEqual([]);
    });

    it('says since when the user is there, to every client of it', async () => {
      const { since } = await enter(store, '/a', ann, 'c1');
      expect((await enter(other, '/a', ann, 'c2')).since).toBe(since);
      expect((await enter(store, '/a', ann, 'c1')).since).toBe(since);
      expect((await enter(store, '/a', bob, 'c3')).since).toBeGreaterThan(since);
    });

    it('says when the client came, as the journal does, where it did', async () => {
      await store.journal.open('sql');
      const first = await enter(store, '/a', ann, 'c1');
      const second = await enter(tested.other, '/a', ann, 'c2');
      const entries = await store.journal.read('sql', 'n', 10, 0);
      expect(entries.map(({ at }) => at)).toEqual([first.came, second.came]);
      expect(entries.map(({ epoch }) => epoch)).toEqual([store.epochOf('/a'), store.epochOf('/a')]);
      expect(store.epochs).toContain(store.epochOf('/a'));
      expect((await enter(store, '/a', ann, 'c2')).came).toBeNull();
      expect((await enter(store, '/a', bob, 'c3', first.since)).came).toBeNull();
      await store.journal.closeGroup('sql');
    });

    it('takes up a stay where it was: in its place, by the earliest of its clients', async () => {
      const first = await enter(store, '/a', ann, 'c1');
      const second = await enter(store, '/a', bob, 'c2');
      await leave(store, '/a', 1, 'c1');
      await enter(store, '/a', ann, 'c3');
      expect(await uids('/a')).toEqual(['b', 1]);
      expect((await enter(other, '/a', ann, 'c1', first.since)).since).toBe(first.since);
      expect(await uids('/a')).toEqual([1, 'b']);
      await leave(store, '/a', 'b', 'c2');
      await enter(store, '/a', { uid: 3, uname: 'Cy' }, 'c4');
      await enter(other, '/a', bob, 'c2', second.since);
      expect(await uids('/a')).toEqual([1, 'b', 3]);
      expect((await enter(store, '/a', bob, 'c2', second.since + 1)).since).toBe(second.since);
    });

    it('shows a user under the name of its newest client, also once the others have left', async () => {
      const names = async () => (await other.members('/a', 10)).users;
      await enter(store, '/a', ann, 'c1');
      await enter(store, '/a', bob, 'c2');
      await enter(other, '/a', { uid: 1, uname: 'Anne' }, 'c3');
      expect(await names()).toEqual([{ uid: 1, uname: 'Anne' }, bob]);
      // A client that is in already and comes once more does not bring its older name back.
      await enter(store, '/a', ann, 'c1');
      expect(await names()).toEqual([{ uid: 1, uname: 'Anne' }, bob]);
      await leave(store, '/a', 1, 'c1');
      expect(await names()).toEqual([{ uid: 1, uname: 'Anne' }, bob]);
    });

    it('shows the newer name of a client that is in, and the uid in the type first given', async () => {
      const renamed = async (uid: string | number, uname: string) => {
        await enter(other, '/a', { uid, uname }, `c-${uid}`, undefined, true);
        return (await store.members('/a', 10)).users;
      };
      await enter(store, '/a', { uid: 7, uname: 'Old' }, 'c-7');
      expect(await renamed(7, 'é "😀"')).toEqual([{ uid: 7, uname: 'é "😀"' }]);
      expect(await renamed('7', 'New')).toEqual([{ uid: 7, uname: 'New' }]);
      await leave(store, '/a', 7, 'c-7');
      await enter(store, '/b', { uid: '7', uname: 'Old' }, 'c-7');
      await enter(store, '/b', { uid: 7, uname: 'New' }, 'c-8');
      expect((await other.members('/b', 10)).users).toEqual([{ uid: '7', uname: 'New' }]);
    });

    it('loses none of a hundred tabs opened at once on two nodes', async () => {
      const tabs = Array.from({ length: 100 }, (_, index) => `tab${index}`);
      const entered = await Promise.all(
        tabs.map((tab, index) => enter(index % 2 ? store : other, '/a', ann, tab)),
      );
      expect(entered.filter(({ changed }) => changed)).toHaveLength(1);
      const left = await Promise.all(
        tabs.map((tab, index) => leave(index % 2 ? other : store, '/a', 1, tab)),
      );
      expect(left.filter(({ changed }) => changed)).toHaveLength(1);
      expect(await uids('/a')).toEqual([]);
    });
  });

  describe('#leave', () => {
    it("makes a leave of a user's last client only", async () => {
      await enter(store, '/a', ann, 'c1');
      await enter(store, '/a', ann, 'c2');
      expect(await leave(store, '/a', 1, 'c1')).toEqual({ changed: false, dueIn: null });
      expect(await uids('/a')).toEqual([1]);
      expect(await leave(other, '/a', '1', 'c2')).toMatchObject({ changed: true });
      expect(await uids('/a')).toEqual([]);
    });

    it('changes nothing where the client means to be there: it comes too late', async () => {
      await store.bind('c1', { ...ann });
      const before = await store.intend('c1', []);
      await enter(store, '/a', ann, 'c1');
      expect(await other.leave('/a', 1, 'c1', before?.at ?? 0)).toEqual({ changed: false, dueIn: null });
      expect(await uids('/a')).toEqual([1]);
      const end = await store.beginEnd('c1');
      expect(await other.leave('/a', 1, 'c1', end?.intended ?? 0)).toMatchObject({ changed: true });
      expect(await uids('/a')).toEqual([]);
    });

    it('lets nobody enter any more by what was meant before', async () => {
      await store.bind('c1', { ...ann });
      const early = await store.intend('c1', ['/a', '/b']);
      const late = await other.intend('c1', ['/b']);
      await other.leave('/a', 1, 'c1', late?.at ?? 0);
      expect(await store.enter('/a', ann, 'c1', early?.at ?? 0)).toBeNull();
      const end = await other.beginEnd('c1');
      await other.leave('/b', 1, 'c1', end?.intended ?? 0);
      expect(await store.enter('/b', ann, 'c1', late?.at ?? 0)).toBeNull();
      await other.forget('c1');
      expect([await uids('/a'), await uids('/b')]).toEqual([[], []]);
      // With partitions what is meant in the millisecond of the end may be refused: whoever was binds, and means it once more.
      const comes = () => enter(store, '/a', ann, 'c1').catch(() => null);
      await until(async () => (await comes())?.changed, 'it to come again');
      expect(await uids('/a')).toEqual([1]);
    });

    it('does nothing for a client, user or channel that is not there', async () => {
      await enter(store, '/a', ann, 'c1');
      expect(await leave(store, '/a', 1, 'c2')).toEqual({ changed: false, dueIn: null });
      expect(await leave(store, '/a', 2, 'c1')).toEqual({ changed: false, dueIn: null });
      expect(await leave(store, '/b', 1, 'c1')).toEqual({ changed: false, dueIn: null });
      expect(await uids('/a')).toEqual([1]);
    });
  });

  describe('#members', () => {
    it('of an unknown channel is empty', async () => {
      expect(await store.members('/nobody', 10)).toEqual({ count: 0, users: [] });
    });

    it('counts all where it lists some', async () => {
      for (let uid = 0; uid < 30; uid += 1) await enter(store, '/a', { uid, uname: `u${uid}` }, `c${uid}`);
      const { count, users } = await store.members('/a', 7);
      expect(count).toBe(30);
      expect(users.map(({ uid }) => uid)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    });

    it('reads thousands', async () => {
      const users = Array.from({ length: 2500 }, (_, uid) => ({ uid, uname: 'x'.repeat(50) }));
      await Promise.all(users.map((user) => enter(store, '/a', user, `c${user.uid}`)));
      expect((await store.members('/a', 10_000)).users).toHaveLength(2500);
    });
  });

  describe('#snapshot', () => {
    const announceAll = async () => {
      const taken = await take(store, '/a', 'k');
      if (!taken) throw new Error('nothing to take');
      const { epoch, version, count, changes } = taken;
      const said = { channel: '/a', epoch, version: version + 1, count, joins: [], leaves: [], node: 'n' };
      await store.announce('/a', 'k', changes.length, said);
    };
    const listed = async (limit = 10) => {
      const { count, users } = await other.snapshot('/a', limit);
      return [count, users.map(({ uid }) => uid)];
    };
    const user = (uid: string | number) => ({ uid, uname: 'é😀' });

    it('of an unknown channel is empty', async () => {
      expect(await store.snapshot('/nobody', 10)).toMatchObject({ count: 0, users: [] });
    });

    it('is what was announced last, whatever is pending', async () => {
      for (const uid of ['a', 'ü😀{', 'c', 'd']) await enter(store, '/a', user(uid), `c-${uid}`);
      expect(await listed()).toEqual([0, []]);
      await announceAll();
      const all = [4, ['a', 'ü😀{', 'c', 'd']];
      expect(await listed()).toEqual(all);
      await leave(store, '/a', 'ü😀{', 'c-ü😀{');
      await enter(store, '/a', user('e'), 'c-e');
      await leave(store, '/a', 'a', 'c-a');
      expect(await listed()).toEqual(all);
      await enter(store, '/a', user('a'), 'c-a2');
      expect(await listed()).toEqual(all);
      expect(await listed(2)).toEqual([4, ['a', 'ü😀{']]);
      await announceAll();
      // Nobody was told that a was away.
      expect(await listed()).toEqual([4, ['a', 'c', 'd', 'e']]);
      expect(await listed(2)).toEqual([4, ['a', 'c']]);
    });

    it('is the same for everybody at one version, where a join and a leave cancel out too', async () => {
      await enter(store, '/a', user('a'), 'c-a');
      await announceAll();
      const before = await other.snapshot('/a', 10);
      await enter(store, '/a', user('b'), 'c-b');
      expect(await other.snapshot('/a', 10)).toEqual(before);
      await leave(store, '/a', 'b', 'c-b');
      expect(await other.snapshot('/a', 10)).toEqual(before);
      const taken = await take(store, '/a', 'k');
      await store.announce('/a', 'k', taken?.changes.length ?? 0, null);
      expect(await other.snapshot('/a', 10)).toEqual(before);
    });

    it('keeps the place of who leaves and comes back in one window', async () => {
      await enter(store, '/a', user('a'), 'c-a');
      await enter(store, '/a', user('b'), 'c-b');
      await announceAll();
      const before = await other.snapshot('/a', 10);
      await leave(store, '/a', 'a', 'c-a');
      await enter(store, '/a', user('a'), 'c-a');
      expect(await other.snapshot('/a', 10)).toEqual(before);
      const taken = await take(store, '/a', 'k');
      await store.announce('/a', 'k', taken?.changes.length ?? 0, null);
      expect(await other.snapshot('/a', 10)).toEqual(before);
    });

    it('is the same list where a user has another name, which is announced', async () => {
      await enter(store, '/a', user('a'), 'c-a');
      await enter(store, '/a', user('b'), 'c-b');
      await announceAll();
      const before = await other.snapshot('/a', 10);
      expect(await enter(store, '/a', { uid: 'a', uname: 'New' }, 'c-a2')).toMatchObject({
        changed: false,
        dueIn: expect.any(Number),
      });
      expect(await listed()).toEqual([2, ['a', 'b']]);
      expect((await other.snapshot('/a', 10)).version).toBe(before.version);
      await announceAll();
      expect(await listed()).toEqual([2, ['a', 'b']]);
      expect((await other.snapshot('/a', 10)).users[0]).toEqual({ uid: 'a', uname: 'New' });
      expect(await enter(store, '/a', { uid: 'a', uname: 'New' }, 'c-a3')).toMatchObject({ dueIn: null });
    });

    it('is in the order that was announced, also where a stay turns out to be older', async () => {
      const [a, b] = [await enter(store, '/a', user('a'), 'c-a'), await enter(store, '/a', user('b'), 'c-b')];
      await announceAll();
      const before = await other.snapshot('/a', 10);
      expect((await enter(store, '/a', user('b'), 'c-b2', a.since - 1)).since).toBe(b.since);
      expect(await other.snapshot('/a', 10)).toEqual(before);
      expect(await store.take('/a', 'k')).toMatchObject({ changes: [] });
    });

    it('of a channel that everybody has left but nobody was told is still what it was', async () => {
      await enter(store, '/a', user('a'), 'c-a');
      await announceAll();
      await leave(store, '/a', 'a', 'c-a');
      expect(await listed()).toEqual([1, ['a']]);
      await announceAll();
      expect(await listed()).toEqual([0, []]);
    });
  });

  describe('announcing', () => {
    const heard: Announcement[] = [];
    const announcement = (version: number, epoch: string): Announcement => ({
      channel: '/a',
      epoch,
      version,
      count: 1,
      joins: [ann],
      leaves: [],
      node: 'n1',
    });

    beforeEach(() => {
      heard.length = 0;
      other.onAnnouncement((said) => heard.push(said));
    });

    it('is marked once a window, for as long as the window is', async () => {
      expect(await enter(store, '/a', ann, 'c1')).toMatchObject({ changed: true, dueIn: 21 });
      expect(await enter(other, '/a', bob, 'c2')).toMatchObject({ changed: true, dueIn: null });
      for (let uid = 10; uid < 100; uid += 1) await enter(store, '/big', { uid, uname: 'x' }, `c${uid}`);
      const taken = await take(store, '/big', 'k');
      await enter(store, '/big', bob, 'c2');
      expect(await store.announce('/big', 'k', taken?.changes.length ?? 0, null)).toEqual({
        done: true,
        dueIn: WINDOW.max,
      });
    });

    it('takes without removing, announces to every node, bumps the version', async () => {
      const { version, epoch } = await store.snapshot('/a', 1);
      await enter(store, '/a', ann, 'c1');
      const taken = await take(store, '/a', 'k1');
      expect(taken).toMatchObject({ version, count: 1, changes: [{ type: 'join', user: ann }] });
      const said = announcement(version + 1, taken?.epoch ?? epoch);
      expect(await store.announce('/a', 'k1', 1, said)).toEqual({ done: true, dueIn: null });
      await until(() => heard.length > 0, 'the announcement');
      expect(heard).toEqual([said]);
      expect(await other.snapshot('/a', 10)).toMatchObject({ version: version + 1, epoch: taken?.epoch });
      expect(await store.overdue(-60_000, 10)).toEqual([]);
    });

    it('lets only one of two claims announce', async () => {
      await enter(store, '/a', ann, 'c1');
      const taken = await take(store, '/a', 'first');
      expect(await take(other, '/a', 'second')).toBeNull();
      const said = announcement((taken?.version ?? 0) + 1, taken?.epoch ?? '');
      expect(await other.announce('/a', 'second', 1, said)).toEqual({ done: false, dueIn: null });
      expect(await store.announce('/a', 'first', 1, said)).toMatchObject({ done: true });
    });

    it('marks again for what came in between taking and announcing', async () => {
      await enter(store, '/a', ann, 'c1');
      const taken = await take(store, '/a', 'k1');
      await enter(other, '/a', bob, 'c2');
      await leave(other, '/a', 1, 'c1');
      const said = announcement((taken?.version ?? 0) + 1, taken?.epoch ?? '');
      expect(await store.announce('/a', 'k1', 1, said)).toEqual({ done: true, dueIn: 21 });
      expect(await take(other, '/a', 'k2')).toMatchObject({
        version: said.version,
        count: 1,
        changes: [
          { type: 'join', user: bob },
          { type: 'leave', user: ann },
        ],
      });
    });

    it('without an announcement trims and keeps the version', async () => {
      await enter(store, '/a', ann, 'c1');
      await leave(store, '/a', 1, 'c1');
      const { version } = await store.snapshot('/a', 1);
      expect((await take(store, '/a', 'k1'))?.changes).toHaveLength(2);
      await store.announce('/a', 'k1', 2, null);
      expect(heard).toEqual([]);
      expect((await store.snapshot('/a', 1)).version).toBe(version);
      await forget(store, 'c1');
      expect(await tested.left()).toEqual([]);
    });

    it('goes on from the last version when a channel fills again', async () => {
      const say = async () => {
        const taken = await take(store, '/a', 'k');
        if (!taken) throw new Error('nothing to take');
        await store.announce('/a', 'k', taken.changes.length, announcement(taken.version + 1, taken.epoch));
      };
      const { version } = await store.snapshot('/a', 1);
      await enter(store, '/a', ann, 'c1');
      await say();
      await leave(store, '/a', 1, 'c1');
      await say();
      await forget(store, 'c1');
      expect(await tested.left()).toEqual([]);
      await enter(store, '/a', ann, 'c1');
      await say();
      expect((await store.snapshot('/a', 1)).version).toBe(version + 3);
    });

    it('tells what is overdue, and no longer once it is announced', async () => {
      await enter(store, '/a', ann, 'c1');
      expect(await store.overdue(60_000, 10)).toEqual([]);
      await until(async () => (await other.overdue(0, 10)).length > 0, 'the window to pass');
      expect(await other.overdue(0, 10)).toEqual(['/a']);
      await take(other, '/a', 'k');
      await other.announce('/a', 'k', 1, null);
      expect(await other.overdue(0, 10)).toEqual([]);
    });

    it('of an unknown channel takes nothing', async () => {
      expect(await take(store, '/nobody', 'k')).toBeNull();
    });
  });

  describe('clients', () => {
    const identity = { uid: 1, uname: 'Ann', channels: [], roles: ['x'], deep: { empty: [], n: 1.5 } };

    it('binds the first identity and keeps it from another user', async () => {
      expect(await store.bind('c1', identity)).toMatchObject({ identity, channels: [], state: 'bound' });
      expect((await other.bind('c1', { uid: 2, uname: 'Eve' })).identity).toEqual(identity);
      expect((await other.read('c1'))?.identity).toEqual(identity);
    });

    it('refreshes the identity of the same user, given as number or text', async () => {
      await store.bind('c1', identity);
      const fresh = { uid: '1', uname: 'Ann', expiresAt: 12 };
      expect((await other.bind('c1', fresh)).identity).toEqual(fresh);
      expect((await store.read('c1'))?.identity).toEqual(fresh);
    });

    it('lets one of two users win who prove themselves at once', async () => {
      const users = Array.from({ length: 20 }, (_, uid) => ({ uid, uname: `u${uid}` }));
      const records = await Promise.all(
        users.map((user, index) => (index % 2 ? store : other).bind('c1', user)),
      );
      expect(new Set(records.map((record) => record.identity.uid)).size).toBe(1);
    });

    it('tells with an intent what is to be left, and keeps it until it is settled', async () => {
      const rest = { at: expect.any(Number), visibility: null };
      await store.bind('c1', identity);
      expect(await store.intend('c1', ['/a', '/b'])).toEqual({ ...rest, leave: [] });
      expect(await other.intend('c1', ['/b', '/c'])).toEqual({ ...rest, leave: ['/a'] });
      const last = await store.intend('c1', ['/d', '/a']);
      expect(last).toEqual({ ...rest, leave: ['/b', '/c'] });
      expect(await other.read('c1')).toMatchObject({
        channels: ['/d', '/a'],
        leaving: ['/b', '/c'],
        intended: last?.at,
        state: 'in',
      });
      expect(await other.settle('c1', last?.at ?? 0)).toBe(true);
      expect(await store.read('c1')).toMatchObject({ channels: ['/d', '/a'], leaving: [] });
    });

    it('keeps what is to be left where another has moved the client since', async () => {
      await store.bind('c1', identity);
      const intents = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? store : other).intend('c1', [`/${index}`])),
      );
      const times = intents.map((intent) => intent?.at ?? 0).sort((a, b) => a - b);
      expect(new Set(times).size).toBe(20);
      for (const time of times.slice(0, -1)) expect(await store.settle('c1', time)).toBe(false);
      expect((await other.read('c1'))?.leaving).toHaveLength(19);
      expect(await store.settle('c1', times.at(-1) ?? 0)).toBe(true);
      expect((await other.read('c1'))?.leaving).toEqual([]);
    });

    it('refuses to let an unknown or ending client enter', async () => {
      expect(await store.intend('nobody', ['/a'])).toBeNull();
      await store.bind('c1', identity);
      await store.intend('c1', ['/b']);
      const last = await store.intend('c1', ['/a']);
      const ending = { channels: ['/a'], leaving: ['/b'] };
      expect(await other.beginEnd('c1')).toMatchObject(ending);
      expect(await store.intend('c1', ['/b'])).toBeNull();
      expect(await store.settle('c1', last?.at ?? 0)).toBe(false);
      expect(await store.settle('nobody', 1)).toBe(false);
      expect(await store.bind('c1', identity)).toMatchObject({ state: 'ending' });
      expect(await store.beginEnd('c1')).toMatchObject(ending);
    });

    it('forgets', async () => {
      await store.bind('c1', identity);
      await store.intend('c1', ['/a']);
      await other.beginEnd('c1');
      await other.forget('c1');
      expect(await store.read('c1')).toBeNull();
      expect(await store.beginEnd('c1')).toBeNull();
      expect(await tested.left()).toEqual([]);
    });

    it('does not forget one that is back as a new stay since its end', async () => {
      await store.bind('c1', identity);
      await forget(other, 'c1');
      await enter(store, '/a', ann, 'c1');
      await other.forget('c1');
      expect(await store.read('c1')).toMatchObject({ state: 'in', channels: ['/a'] });
    });

    it('knows whether the page of each is hidden, and since when, whatever else becomes of it', async () => {
      await store.bind('c1', identity);
      expect((await store.read('c1'))?.visibility).toBeNull();
      expect((await store.intend('c1', ['/a', '/b']))?.visibility).toBeNull();
      const hidden = await other.setVisibility('c1', true);
      expect(hidden).toEqual({ hidden: true, since: expect.any(Number) });
      expect(await store.setVisibility('c1', true)).toEqual(hidden);
      expect(await other.intend('c1', ['/c', '/d'])).toMatchObject({
        visibility: hidden,
        leave: ['/a', '/b'],
      });
      await other.bind('c1', { ...identity, expiresAt: 12 });
      expect((await store.read('c1'))?.visibility).toEqual(hidden);
      const shown = await store.setVisibility('c1', false);
      expect(shown?.hidden).toBe(false);
      expect(shown?.since).toBeGreaterThan(hidden?.since ?? 0);
      expect((await other.beginEnd('c1'))?.visibility).toEqual(shown);
    });

    it('gives no two changes of visibility one time, however many are said at once', async () => {
      await store.bind('c1', identity);
      const said = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 ? store : other).setVisibility('c1', index % 4 < 2),
        ),
      );
      const times = new Map(said.map((each) => [each?.since, each?.hidden]));
      for (const each of said) expect(times.get(each?.since)).toBe(each?.hidden);
      const last = Math.max(...said.map((each) => each?.since ?? 0));
      expect((await store.read('c1'))?.visibility).toEqual({ hidden: times.get(last), since: last });
    });

    it('takes a visibility that is said again where it knows nothing as late', async () => {
      await store.bind('c1', identity);
      const first = await store.setVisibility('c1', true, { since: 1_000 });
      expect(first).toEqual({ hidden: true, since: 1_000 });
      expect(await other.setVisibility('c1', false, { since: 1_000 })).toEqual(first);
      expect(await other.setVisibility('c1', false, { since: 999 })).toEqual(first);
      const later = { hidden: true, since: 2_000 };
      expect(await other.setVisibility('c1', true, { since: 2_000 })).toEqual(later);
      expect(await store.setVisibility('c1', true)).toEqual(later);
    });

    it('hears of no visibility of a client that is unknown, ending or gone', async () => {
      expect(await store.setVisibility('nobody', true)).toBeNull();
      expect(await store.read('nobody')).toBeNull();
      await store.bind('c1', identity);
      await other.beginEnd('c1');
      expect(await store.setVisibility('c1', true)).toBeNull();
      expect((await store.read('c1'))?.visibility).toBeNull();
      await other.forget('c1');
      expect(await store.setVisibility('c1', true, { since: 1_000 })).toBeNull();
      expect(await tested.left()).toEqual([]);
    });

    it('gives the reaper the longest unchecked first, and never brings back a forgotten one', async () => {
      for (const clientId of ['c1', 'c2', 'c3']) await store.bind(clientId, identity);
      expect(await other.unchecked(60_000, 10)).toEqual([]);
      await until(async () => (await other.unchecked(0, 10)).length === 3, 'three clients');
      expect(await other.unchecked(0, 2)).toHaveLength(2);
      await other.checked(['c1', 'c2', 'c3']);
      await forget(store, 'c2');
      await other.checked(['c2']);
      await until(async () => (await other.unchecked(0, 10)).length === 2, 'two clients');
      expect((await other.unchecked(0, 10)).sort()).toEqual(['c1', 'c3']);
    });
  });
}
