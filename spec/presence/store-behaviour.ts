/** What every store must do, with the clients that it knows of. An implementation's spec is a few lines that make them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MembershipEntry } from '../../src/presence/journal.js';
import type { Announcement, Store } from '../../src/presence/store.js';
import { end, enter, leave, type PresenceNode } from '../support/presence-node.js';
import { until } from '../support/until.js';
import { take } from './steps.js';

export interface StoreUnderTest {
  node: PresenceNode;
  /** Another node over the same data; the same where there is only one process. */
  otherNode: PresenceNode;
  /** What is left, but for what may stay. */
  left(): Promise<string[]>;
  close(): Promise<void>;
}

export const WINDOW = { base: 20, perUser: 1, max: 60 };

const ann = { uid: 1, uname: 'Ann' };
const bob = { uid: 'b', uname: 'Bob' };

export function behavesLikeAStore(make: () => Promise<StoreUnderTest>): void {
  let tested: StoreUnderTest;
  let node: PresenceNode;
  let otherNode: PresenceNode;
  let store: Store;
  let other: Store;

  beforeEach(async () => {
    tested = await make();
    ({ node, otherNode } = tested);
    ({ store } = node);
    other = otherNode.store;
  });
  afterEach(() => tested.close());

  const uids = async (channel: string, limit = 100) =>
    (await other.channels.members(channel, limit)).users.map(({ uid }) => uid);
  /** What the nodes say of a client that they have. */
  const held = (clientId: string) =>
    [...new Set([node, otherNode])]
      .flatMap(({ clients }) => clients.held(() => true))
      .filter((membership) => membership.clientId === clientId);
  /** What entering and leaving did, on either node. */
  const transitions = () =>
    [...new Set([node, otherNode])].flatMap(({ changes }) =>
      changes.filter(({ changed }) => changed).map(({ type, channel }) => `${type} ${channel}`),
    );

  describe('#enter', () => {
    it("makes a join of a user's first client only", async () => {
      expect(await enter(node, '/a', ann, 'c1')).toMatchObject({ changed: true });
      expect(await enter(otherNode, '/a', ann, 'c2')).toMatchObject({ changed: false, dueIn: null });
      expect(await uids('/a')).toEqual([1]);
    });

    it('changes nothing when repeated', async () => {
      await enter(node, '/a', ann, 'c1');
      expect(await enter(node, '/a', ann, 'c1')).toMatchObject({ changed: false, dueIn: null });
      expect(await leave(node, '/a', 'c1')).toMatchObject({ changed: true });
    });

    it('takes 1 and "1" for one user, shown in the type first given', async () => {
      await enter(node, '/a', ann, 'c1');
      expect(await enter(node, '/a', { uid: '1', uname: 'Ann' }, 'c2')).toMatchObject({ changed: false });
      expect(await uids('/a')).toEqual([1]);
    });

    it('lists the oldest first, over many channels apart', async () => {
      for (const uid of ['z', 'b', 'm', 'a']) await enter(node, '/a', { uid, uname: uid }, `c-${uid}`);
      await enter(node, '/a/b', bob, 'c9');
      expect(await uids('/a')).toEqual(['z', 'b', 'm', 'a']);
      expect(await uids('/a/b')).toEqual(['b']);
    });

    it('takes __proto__ and other hostile names for plain uids', async () => {
      const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', ' ', '"', '\u0000', 'é😀'];
      for (const uid of names) await enter(node, '/a', { uid, uname: uid }, `c${uid}`);
      expect(await uids('/a')).toEqual(names);
      for (const uid of names) expect(await leave(node, '/a', `c${uid}`)).toMatchObject({ changed: true });
      expect(await uids('/a')).toEqual([]);
    });

    it('keeps what a user is called as it was given', async () => {
      const user = { uid: 9007199254740991, uname: '1e400 [] {} \\ "' };
      await enter(node, '/a', user, 'c1');
      expect((await other.channels.members('/a', 10)).users).toEqual([user]);
    });

    it('is refused to a client that is unknown, anonymous or gone, on whichever node', async () => {
      const { clients } = node;
      const isRefused = async (clientId: string) => {
        for (const each of [node, otherNode]) expect(await each.clients.enter(clientId, ['/a'])).toBe(false);
      };
      await isRefused('nobody');
      await enter(node, '/b', ann, 'c1');
      await clients.unbind('c1');
      await isRefused('c1');
      expect(await clients.bind('c1', { ...bob })).toBe('bound');
      await end(node, 'c1');
      await isRefused('c1');
      for (const channel of ['/a', '/b']) expect(await uids(channel)).toEqual([]);
      const taken = await take(store, '/b', 'k');
      await store.channels.announce('/b', 'k', taken?.changes.length ?? 0, null);
      expect(await tested.left()).toEqual([]);
    });

    it('knows since when each client is there, as the journal does', async () => {
      await store.journal.open('sql');
      await enter(node, '/a', ann, 'c1');
      await enter(otherNode, '/a', ann, 'c2');
      const entries = (await store.journal.read('sql', 'n', 10, 0)) as MembershipEntry[];
      const said = entries.map(({ at }) => at);
      const known = () => ['c1', 'c2'].flatMap(held).map(({ at }) => at);
      expect(known()).toEqual(said);
      expect(entries.map(({ epoch }) => epoch)).toEqual([store.epochs.of('/a'), store.epochs.of('/a')]);
      expect(store.epochs.all).toContain(store.epochs.of('/a'));
      await enter(otherNode, '/a', ann, 'c2');
      await enter(node, '/b', ann, 'c1');
      expect(held('c1').map(({ channel }) => channel)).toEqual(['/a', '/b']);
      expect([held('c1')[0]?.at, held('c2')[0]?.at]).toEqual(said);
      await store.journal.closeGroup('sql');
    });

    it('says who is held in which channel, of those that are asked for', async () => {
      await enter(node, '/a', ann, 'c1');
      await enter(node, '/b', ann, 'c1');
      await enter(node, '/b', bob, 'c2');
      const its = { clientId: 'c1', user: ann, at: expect.any(Number), visibility: null };
      expect(held('c1')).toEqual([
        { ...its, channel: '/a' },
        { ...its, channel: '/b' },
      ]);
      expect(node.clients.held((name) => name === '/a')).toEqual([{ ...its, channel: '/a' }]);
      await end(node, 'c1');
      expect(held('c1')).toEqual([]);
    });

    it('shows a user under the name of its newest client, also once the others have left', async () => {
      const names = async () => (await other.channels.members('/a', 10)).users;
      await enter(node, '/a', ann, 'c1');
      await enter(node, '/a', bob, 'c2');
      await enter(otherNode, '/a', { uid: 1, uname: 'Anne' }, 'c3');
      expect(await names()).toEqual([{ uid: 1, uname: 'Anne' }, bob]);
      // A client that is in already and comes once more does not bring its older name back.
      await enter(node, '/a', ann, 'c1');
      expect(await names()).toEqual([{ uid: 1, uname: 'Anne' }, bob]);
      await leave(node, '/a', 'c1');
      expect(await names()).toEqual([{ uid: 1, uname: 'Anne' }, bob]);
    });

    it('shows the newer name of a client that is in, and the uid in the type first given', async () => {
      const renamed = async (uid: string | number, uname: string) => {
        await enter(otherNode, '/a', { uid, uname }, 'c-7');
        return (await store.channels.members('/a', 10)).users;
      };
      await enter(node, '/a', { uid: 7, uname: 'Old' }, 'c-7');
      expect(await renamed(7, 'é "😀"')).toEqual([{ uid: 7, uname: 'é "😀"' }]);
      expect(await renamed('7', 'New')).toEqual([{ uid: 7, uname: 'New' }]);
      await leave(node, '/a', 'c-7');
      await enter(node, '/b', { uid: '7', uname: 'Old' }, 'c-9');
      await enter(node, '/b', { uid: 7, uname: 'New' }, 'c-8');
      expect((await other.channels.members('/b', 10)).users).toEqual([{ uid: '7', uname: 'New' }]);
    });

    it('loses none of a hundred tabs opened at once on two nodes', async () => {
      const tabs = Array.from({ length: 100 }, (_, index) => `tab${index}`);
      await Promise.all(tabs.map((tab, index) => enter(index % 2 ? node : otherNode, '/a', ann, tab)));
      expect(transitions()).toEqual(['join /a']);
      await Promise.all(tabs.map((tab, index) => leave(index % 2 ? otherNode : node, '/a', tab)));
      expect(transitions().sort()).toEqual(['join /a', 'leave /a']);
      expect(await uids('/a')).toEqual([]);
    });
  });

  describe('#leave', () => {
    it("makes a leave of a user's last client only", async () => {
      await enter(node, '/a', ann, 'c1');
      await enter(otherNode, '/a', { ...ann, uid: '1' }, 'c2');
      expect(await leave(node, '/a', 'c1')).toEqual({ changed: false, dueIn: null });
      expect(await uids('/a')).toEqual([1]);
      expect(await leave(otherNode, '/a', 'c2')).toMatchObject({ changed: true });
      expect(await uids('/a')).toEqual([]);
    });

    it('takes an ended client out of all that it was in, and lets it come again', async () => {
      const channels = ['/a', '/b', '/c', '/d'];
      const inAll = async () => Promise.all(channels.map((channel) => uids(channel)));
      node.engine.add('c1');
      const comes = async () => {
        expect(await node.clients.bind('c1', { ...ann })).toBe('bound');
        expect(await node.clients.enter('c1', channels)).toBe(true);
      };
      await comes();
      expect(await inAll()).toEqual(channels.map(() => [1]));
      await otherNode.clients.end('c1');
      expect(await inAll()).toEqual(channels.map(() => []));
      await comes();
      expect(await inAll()).toEqual(channels.map(() => [1]));
      expect(transitions().sort()).toEqual(
        [...channels, ...channels]
          .map((channel) => `join ${channel}`)
          .concat(channels.map((channel) => `leave ${channel}`))
          .sort(),
      );
    });

    it('does nothing for a client or channel that is not there', async () => {
      await enter(node, '/a', ann, 'c1');
      expect(await leave(node, '/a', 'c2')).toEqual({ changed: false, dueIn: null });
      expect(await leave(node, '/b', 'c1')).toEqual({ changed: false, dueIn: null });
      expect(await uids('/a')).toEqual([1]);
    });
  });

  describe('#members', () => {
    it('of an unknown channel is empty', async () => {
      expect(await store.channels.members('/nobody', 10)).toEqual({ count: 0, users: [] });
    });

    it('counts all where it lists some', async () => {
      for (let uid = 0; uid < 30; uid += 1) await enter(node, '/a', { uid, uname: `u${uid}` }, `c${uid}`);
      const { count, users } = await store.channels.members('/a', 7);
      expect(count).toBe(30);
      expect(users.map(({ uid }) => uid)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    });

    it('reads thousands', async () => {
      const users = Array.from({ length: 2500 }, (_, uid) => ({ uid, uname: 'x'.repeat(50) }));
      await Promise.all(users.map((user) => enter(node, '/a', user, `c${user.uid}`)));
      expect((await store.channels.members('/a', 10_000)).users).toHaveLength(2500);
    });
  });

  describe('#snapshot', () => {
    const announceAll = async () => {
      const taken = await take(store, '/a', 'k');
      if (!taken) throw new Error('nothing to take');
      const { epoch, version, count, changes } = taken;
      const said = { channel: '/a', epoch, version: version + 1, count, joins: [], leaves: [], node: 'n' };
      await store.channels.announce('/a', 'k', changes.length, said);
    };
    const listed = async (limit = 10) => {
      const { count, users } = await other.channels.snapshot('/a', limit);
      return [count, users.map(({ uid }) => uid)];
    };
    const user = (uid: string | number) => ({ uid, uname: 'é😀' });

    it('of an unknown channel is empty', async () => {
      expect(await store.channels.snapshot('/nobody', 10)).toMatchObject({ count: 0, users: [] });
    });

    it('is what was announced last, whatever is pending', async () => {
      for (const uid of ['a', 'ü😀{', 'c', 'd']) await enter(node, '/a', user(uid), `c-${uid}`);
      expect(await listed()).toEqual([0, []]);
      await announceAll();
      const all = [4, ['a', 'ü😀{', 'c', 'd']];
      expect(await listed()).toEqual(all);
      await leave(node, '/a', 'c-ü😀{');
      await enter(node, '/a', user('e'), 'c-e');
      await leave(node, '/a', 'c-a');
      expect(await listed()).toEqual(all);
      await enter(node, '/a', user('a'), 'c-a2');
      expect(await listed()).toEqual(all);
      expect(await listed(2)).toEqual([4, ['a', 'ü😀{']]);
      await announceAll();
      // Nobody was told that a was away.
      expect(await listed()).toEqual([4, ['a', 'c', 'd', 'e']]);
      expect(await listed(2)).toEqual([4, ['a', 'c']]);
    });

    it('is the same for everybody at one version, where a join and a leave cancel out too', async () => {
      await enter(node, '/a', user('a'), 'c-a');
      await announceAll();
      const before = await other.channels.snapshot('/a', 10);
      await enter(node, '/a', user('b'), 'c-b');
      expect(await other.channels.snapshot('/a', 10)).toEqual(before);
      await leave(node, '/a', 'c-b');
      expect(await other.channels.snapshot('/a', 10)).toEqual(before);
      const taken = await take(store, '/a', 'k');
      await store.channels.announce('/a', 'k', taken?.changes.length ?? 0, null);
      expect(await other.channels.snapshot('/a', 10)).toEqual(before);
    });

    it('keeps the place of who leaves and comes back in one window', async () => {
      await enter(node, '/a', user('a'), 'c-a');
      await enter(node, '/a', user('b'), 'c-b');
      await announceAll();
      const before = await other.channels.snapshot('/a', 10);
      await leave(node, '/a', 'c-a');
      await enter(node, '/a', user('a'), 'c-a');
      expect(await other.channels.snapshot('/a', 10)).toEqual(before);
      const taken = await take(store, '/a', 'k');
      await store.channels.announce('/a', 'k', taken?.changes.length ?? 0, null);
      expect(await other.channels.snapshot('/a', 10)).toEqual(before);
    });

    it('is the same list where a user has another name, which is announced', async () => {
      await enter(node, '/a', user('a'), 'c-a');
      await enter(node, '/a', user('b'), 'c-b');
      await announceAll();
      const before = await other.channels.snapshot('/a', 10);
      expect(await enter(node, '/a', { uid: 'a', uname: 'New' }, 'c-a2')).toMatchObject({
        changed: false,
        dueIn: expect.any(Number),
      });
      expect(await listed()).toEqual([2, ['a', 'b']]);
      expect((await other.channels.snapshot('/a', 10)).version).toBe(before.version);
      await announceAll();
      expect(await listed()).toEqual([2, ['a', 'b']]);
      expect((await other.channels.snapshot('/a', 10)).users[0]).toEqual({ uid: 'a', uname: 'New' });
      expect(await enter(node, '/a', { uid: 'a', uname: 'New' }, 'c-a3')).toMatchObject({ dueIn: null });
    });

    it('of a channel that everybody has left but nobody was told is still what it was', async () => {
      await enter(node, '/a', user('a'), 'c-a');
      await announceAll();
      await leave(node, '/a', 'c-a');
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
      other.channels.onAnnouncement((said) => heard.push(said));
    });

    it('is marked once a window, for as long as the window is', async () => {
      expect(await enter(node, '/a', ann, 'c1')).toMatchObject({ changed: true, dueIn: 21 });
      expect(await enter(otherNode, '/a', bob, 'c2')).toMatchObject({ changed: true, dueIn: null });
      for (let uid = 10; uid < 100; uid += 1) await enter(node, '/big', { uid, uname: 'x' }, `c${uid}`);
      const taken = await take(store, '/big', 'k');
      await enter(node, '/big', bob, 'c-b');
      expect(await store.channels.announce('/big', 'k', taken?.changes.length ?? 0, null)).toEqual({
        done: true,
        dueIn: WINDOW.max,
      });
    });

    it('takes without removing, announces to every node, bumps the version', async () => {
      const { version, epoch } = await store.channels.snapshot('/a', 1);
      await enter(node, '/a', ann, 'c1');
      const taken = await take(store, '/a', 'k1');
      expect(taken).toMatchObject({ version, count: 1, changes: [{ type: 'join', user: ann }] });
      const said = announcement(version + 1, taken?.epoch ?? epoch);
      expect(await store.channels.announce('/a', 'k1', 1, said)).toEqual({ done: true, dueIn: null });
      await until(() => heard.length > 0, 'the announcement');
      expect(heard).toEqual([said]);
      expect(await other.channels.snapshot('/a', 10)).toMatchObject({
        version: version + 1,
        epoch: taken?.epoch,
      });
      expect(await store.channels.overdue(-60_000, 10)).toEqual([]);
    });

    it('lets only one of two claims announce', async () => {
      await enter(node, '/a', ann, 'c1');
      const taken = await take(store, '/a', 'first');
      expect(await take(other, '/a', 'second')).toBeNull();
      const said = announcement((taken?.version ?? 0) + 1, taken?.epoch ?? '');
      expect(await other.channels.announce('/a', 'second', 1, said)).toEqual({ done: false, dueIn: null });
      expect(await store.channels.announce('/a', 'first', 1, said)).toMatchObject({ done: true });
    });

    it('marks again for what came in between taking and announcing', async () => {
      await enter(node, '/a', ann, 'c1');
      const taken = await take(store, '/a', 'k1');
      await enter(otherNode, '/a', bob, 'c2');
      await leave(node, '/a', 'c1');
      const said = announcement((taken?.version ?? 0) + 1, taken?.epoch ?? '');
      expect(await store.channels.announce('/a', 'k1', 1, said)).toEqual({ done: true, dueIn: 21 });
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
      await enter(node, '/a', ann, 'c1');
      await leave(node, '/a', 'c1');
      const { version } = await store.channels.snapshot('/a', 1);
      expect((await take(store, '/a', 'k1'))?.changes).toHaveLength(2);
      await store.channels.announce('/a', 'k1', 2, null);
      expect(heard).toEqual([]);
      expect((await store.channels.snapshot('/a', 1)).version).toBe(version);
      await end(node, 'c1');
      expect(await tested.left()).toEqual([]);
    });

    it('goes on from the last version when a channel fills again', async () => {
      const say = async () => {
        const taken = await take(store, '/a', 'k');
        if (!taken) throw new Error('nothing to take');
        await store.channels.announce(
          '/a',
          'k',
          taken.changes.length,
          announcement(taken.version + 1, taken.epoch),
        );
      };
      const { version } = await store.channels.snapshot('/a', 1);
      await enter(node, '/a', ann, 'c1');
      await say();
      await leave(node, '/a', 'c1');
      await say();
      await end(node, 'c1');
      expect(await tested.left()).toEqual([]);
      await enter(node, '/a', ann, 'c1');
      await say();
      expect((await store.channels.snapshot('/a', 1)).version).toBe(version + 3);
    });

    it('tells what is overdue, and no longer once it is announced', async () => {
      await enter(node, '/a', ann, 'c1');
      expect(await store.channels.overdue(60_000, 10)).toEqual([]);
      await until(async () => (await other.channels.overdue(0, 10)).length > 0, 'the window to pass');
      expect(await other.channels.overdue(0, 10)).toEqual(['/a']);
      await take(other, '/a', 'k');
      await other.channels.announce('/a', 'k', 1, null);
      expect(await other.channels.overdue(0, 10)).toEqual([]);
    });

    it('of an unknown channel takes nothing', async () => {
      expect(await take(store, '/nobody', 'k')).toBeNull();
    });
  });

  describe('clients', () => {
    const identity = { uid: 1, uname: 'Ann', channels: [], roles: ['x'], deep: { empty: [], n: 1.5 } };
    const isWhere = async (channels: readonly string[]) =>
      (
        await Promise.all(channels.map(async (channel) => ((await uids(channel)).length ? [channel] : [])))
      ).flat();

    beforeEach(() => {
      for (const clientId of ['c1', 'c2', 'c3']) node.engine.add(clientId);
    });

    it('are anonymous, and in no channel, until they are bound', async () => {
      expect(await node.clients.read('c1')).toBeNull();
      expect(node.clients.identityOf('c1')).toBeUndefined();
      expect(node.clients.channelsOf('c1')).toEqual([]);
      expect(node.clients.isIn('c1', [])).toBe(false);
      expect([...node.clients.bound()]).toEqual([]);
    });

    it('are bound to the first identity, and kept from another user', async () => {
      expect(await node.clients.bind('c1', identity)).toBe('bound');
      expect(await otherNode.clients.bind('c1', { uid: 2, uname: 'Eve' })).toBe('other');
      for (const { clients } of [node, otherNode]) {
        expect(await clients.read('c1')).toEqual(identity);
        expect(clients.identityOf('c1')).toEqual(identity);
      }
      expect([...node.clients.bound()]).toEqual([{ clientId: 'c1', identity }]);
    });

    it('have the last identity of the same user, given as number or text', async () => {
      await node.clients.bind('c1', identity);
      const fresh = { uid: '1', uname: 'Ann', expiresAt: 12 };
      expect(await otherNode.clients.bind('c1', fresh)).toBe('bound');
      for (const { clients } of [node, otherNode]) expect(await clients.read('c1')).toEqual(fresh);
    });

    it('are one of two users who prove themselves at once, on two nodes', async () => {
      const clientIds = Array.from({ length: 20 }, (_, index) => `both${index}`);
      const users = [ann, bob];
      await Promise.all(
        clientIds.map(async (clientId) => {
          node.engine.add(clientId);
          const outcomes = await Promise.all([
            node.clients.bind(clientId, { ...ann }),
            otherNode.clients.bind(clientId, { ...bob }),
          ]);
          expect([...outcomes].sort()).toEqual(['bound', 'other']);
          for (const { clients } of [node, otherNode])
            expect(await clients.read(clientId)).toEqual(users[outcomes.indexOf('bound')]);
        }),
      );
    });

    it('are unknown where the engine does not have them', async () => {
      for (const { clients } of [node, otherNode]) {
        expect(await clients.bind('nobody', identity)).toBe('gone');
        expect(await clients.read('nobody')).toBeNull();
      }
      expect(await tested.left()).toEqual([]);
    });

    it('are moved to exactly the channels that they enter, from whichever node', async () => {
      const channels = ['/a', '/b', '/c', '/d', '/e', '/f'];
      await node.clients.bind('c1', identity);
      for (const to of [['/a', '/b', '/c'], ['/c', '/d'], [], ['/f', '/a', '/e']]) {
        for (const { clients } of [node, otherNode]) {
          expect(await clients.enter('c1', to)).toBe(true);
          expect(await isWhere(channels)).toEqual([...to].sort());
          expect([...node.clients.channelsOf('c1')].sort()).toEqual([...to].sort());
          expect(node.clients.isIn('c1', to)).toBe(true);
          expect(node.clients.isIn('c1', [...to, '/z'])).toBe(false);
        }
      }
    });

    it('are in the channels of one move, where many come at once', async () => {
      const channels = Array.from({ length: 20 }, (_, index) => `/${index}`);
      await node.clients.bind('c1', identity);
      const moves = await Promise.all(
        channels.map((channel, index) => (index % 2 ? node : otherNode).clients.enter('c1', [channel])),
      );
      expect(moves.every((isIn) => isIn)).toBe(true);
      const at = node.clients.channelsOf('c1');
      expect(at).toHaveLength(1);
      expect(await isWhere(channels)).toEqual(at);
      expect(node.clients.isIn('c1', at)).toBe(true);
    });

    it('are in their channels under the name of their last proof, once they have entered', async () => {
      await enter(node, '/a', ann, 'c1');
      expect(node.clients.isIn('c1', ['/a'])).toBe(true);
      await enter(node, '/a', { ...ann, uname: 'Anne' }, 'c1');
      expect(node.clients.isIn('c1', ['/a'])).toBe(true);
      expect((await other.channels.members('/a', 10)).users).toEqual([{ uid: 1, uname: 'Anne' }]);
    });

    it('may be another user once they are anonymous again', async () => {
      const channels = ['/a', '/b', '/c', '/d'];
      await node.clients.bind('c1', { ...ann });
      await node.clients.enter('c1', channels);
      await otherNode.clients.unbind('c1');
      expect(await isWhere(channels)).toEqual([]);
      expect(await otherNode.clients.read('c1')).toBeNull();
      expect(await node.clients.bind('c1', { ...bob })).toBe('bound');
      expect(await isWhere(channels)).toEqual([]);
      await node.clients.enter('c1', channels);
      for (const channel of channels) expect(await uids(channel)).toEqual(['b']);
    });

    it('are forgotten with their end, which may be repeated', async () => {
      await node.clients.bind('c1', identity);
      for (const { clients } of [otherNode, node]) {
        await clients.end('c1');
        expect(await clients.read('c1')).toBeNull();
      }
      expect([...node.clients.bound()]).toEqual([]);
      expect(await tested.left()).toEqual([]);
    });

    it('are hidden or shown, since when, whatever else becomes of them', async () => {
      await node.clients.bind('c1', identity);
      await node.clients.enter('c1', ['/a', '/b']);
      const visibility = () => {
        const all = held('c1').map((each) => each.visibility);
        for (const each of all) expect(each).toEqual(all[0]);
        return all[0];
      };
      expect(visibility()).toBeNull();
      expect(await otherNode.clients.setVisibility('c1', true)).toBe(true);
      const hidden = visibility();
      expect(hidden).toEqual({ hidden: true, since: expect.any(Number) });
      expect(hidden?.since).toBeGreaterThan(0);
      expect(await node.clients.setVisibility('c1', true)).toBe(true);
      await otherNode.clients.enter('c1', ['/c', '/d']);
      await otherNode.clients.bind('c1', { ...identity, expiresAt: 12 });
      expect(visibility()).toEqual(hidden);
      expect(await node.clients.setVisibility('c1', false)).toBe(true);
      expect(visibility()?.hidden).toBe(false);
      expect(visibility()?.since).toBeGreaterThan(hidden?.since ?? 0);
    });

    it('have no two changes of visibility at one time, however many are said at once', async () => {
      await store.journal.open('sql');
      await enter(node, '/a', ann, 'c1');
      await store.journal.read('sql', 'n', 10, 0);
      const said = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 ? node : otherNode).clients.setVisibility('c1', index % 4 < 2),
        ),
      );
      expect(said.every((isSaid) => isSaid)).toBe(true);
      const entries = await store.journal.read('sql', 'n', 100, 0);
      const times = entries.map(({ at }) => at);
      expect(new Set(times).size).toBe(times.length);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      const last = entries.at(-1);
      expect(held('c1')[0]?.visibility).toEqual({ hidden: last?.type === 'hidden', since: last?.at });
      await store.journal.closeGroup('sql');
    });

    it('are neither hidden nor shown where they are unknown, anonymous or gone', async () => {
      const isRefused = async (clientId: string) => {
        for (const { clients } of [node, otherNode])
          expect(await clients.setVisibility(clientId, true)).toBe(false);
      };
      await store.journal.open('sql');
      await isRefused('nobody');
      await node.clients.bind('c1', identity);
      await node.clients.unbind('c1');
      await isRefused('c1');
      await node.clients.bind('c1', identity);
      await end(node, 'c1');
      await isRefused('c1');
      expect(await store.journal.read('sql', 'n', 10, 0)).toEqual([]);
      await store.journal.closeGroup('sql');
      expect(await tested.left()).toEqual([]);
    });
  });
}
