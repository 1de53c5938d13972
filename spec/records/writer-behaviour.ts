import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, type OpenDatabase } from '../../src/records/database.js';
import { total } from '../../src/records/intervals.js';
import { migrate } from '../../src/records/migrate.js';
import { loseStays, loseStaysOfTheDead, SILENCE, signOfLife } from '../../src/records/nodes.js';
import { writeLists } from '../../src/records/online-lists.js';
import { status, timeOf } from '../../src/records/reports.js';
import { forgetWritten, removeOlder } from '../../src/records/retention.js';
import { type Held, hashed, Writer } from '../../src/records/writer.js';
import { Entries } from './entries.js';
import type { SqlServer } from './server.js';

const ROOM = '/courses/5/lessons/1';
const OTHER = '/classes/4';
const T = 1_700_000_000_000;
const DAY = 86_400_000;

export function writerBehaviour(server: () => SqlServer): void {
  let url: string;
  let database: OpenDatabase;
  let writer: Writer;
  let entries: Entries;

  beforeEach(async () => {
    url = await server().database();
    database = await connect(url);
    await migrate(database);
    writer = new Writer(database, { node: 'node-1', hashClientIds: false });
    entries = new Entries();
  });
  afterEach(async () => {
    await database.close();
  });

  const log = () =>
    database.tables
      .selectFrom('faye_user_login_logs')
      .innerJoin('faye_channels', 'faye_channels.id', 'channel_id')
      .select(['t', 'status', 'uid', 'clientId', 'name'])
      .orderBy('faye_user_login_logs.id')
      .execute();
  const timesOf = async (uid: string, now: number) =>
    (await timeOf(database, uid, { now })).map(({ channel, spentSecondsNow }) => [channel, spentSecondsNow]);
  const everything = async () => ({
    log: await log(),
    stays: await database.tables.selectFrom('faye_online_stays').selectAll().orderBy('id').execute(),
    times: await database.tables
      .selectFrom('faye_user_online_times')
      .selectAll()
      .orderBy('uid')
      .orderBy('channel_id')
      .execute(),
    users: await database.tables.selectFrom('faye_online_users').selectAll().orderBy('uid').execute(),
    said: await said(),
  });
  const said = () =>
    database.tables
      .selectFrom('faye_online_visibility')
      .select(['clientId', 'hidden', 'started_at', 'ended_at'])
      .orderBy('clientId')
      .orderBy('started_at')
      .execute();
  const visibleOf = async (uid: string, now: number) =>
    (await timeOf(database, uid, { now })).map(({ channel, visibleSecondsNow }) => [
      channel,
      visibleSecondsNow,
    ]);

  it('writes log, online time and last sight', async () => {
    const batch = [
      entries.in(470700, 'c1', ROOM, T),
      entries.in(470700, 'c2', ROOM, T + 10_000),
      entries.in(470700, 'c1', OTHER, T + 10_000),
      entries.out(470700, 'c1', ROOM, T + 20_000),
    ];
    expect(await writer.write(batch)).toBe(4);
    expect(await timeOf(database, '470700', { now: T + 60_000 })).toMatchObject([
      {
        channel: OTHER,
        spentSeconds: 0,
        startedAt: new Date(T + 10_000).toISOString(),
        spentSecondsNow: 50,
      },
      { channel: ROOM, spentSeconds: 0, startedAt: new Date(T).toISOString(), spentSecondsNow: 60 },
    ]);
    await writer.write([entries.out(470700, 'c2', ROOM, T + 30_000)]);
    expect(await timeOf(database, '470700', { channel: ROOM, now: T + 60_000 })).toMatchObject([
      { channel: ROOM, spentSeconds: 30, startedAt: null, spentSecondsNow: 30 },
    ]);
    expect(await log()).toEqual([
      { t: T, status: 1, uid: '470700', clientId: 'c1', name: ROOM },
      { t: T + 10_000, status: 1, uid: '470700', clientId: 'c2', name: ROOM },
      { t: T + 10_000, status: 1, uid: '470700', clientId: 'c1', name: OTHER },
      { t: T + 20_000, status: 0, uid: '470700', clientId: 'c1', name: ROOM },
      { t: T + 30_000, status: 0, uid: '470700', clientId: 'c2', name: ROOM },
    ]);
    expect(await database.tables.selectFrom('faye_online_users').selectAll().execute()).toEqual([
      { uid: '470700', info: '{"uid":470700,"uname":"470700 by name"}', seen_at: T + 30_000 },
    ]);
  });

  it('a batch that is written twice, in part too, changes nothing', async () => {
    const batch = [entries.in('a', 'c1', ROOM, T), entries.out('a', 'c1', ROOM, T + 1_000)];
    const next = [entries.in('a', 'c1', ROOM, T + 2_000)];
    await writer.write(batch);
    await writer.write(next);
    const before = await everything();
    expect(await writer.write(batch)).toBe(0);
    expect(await writer.write([...batch.slice(1), ...next, ...next])).toBe(0);
    expect(await everything()).toEqual(before);
  });

  it('two that write the same batches at the same time write them once', async () => {
    const other = await connect(url);
    const second = new Writer(other, { node: 'node-2', hashClientIds: false });
    const batches = Array.from({ length: 10 }, (_, index) => [
      entries.in('a', `c${index}`, ROOM, T + index),
      entries.out('a', `c${index}`, ROOM, T + index + 1_000),
    ]);
    const written = await Promise.all(
      batches.flatMap((batch) => [writer.write(batch), second.write([...batch])]),
    );
    expect(written.reduce((sum, count) => sum + count, 0)).toBe(20);
    expect(await log()).toHaveLength(20);
    expect(await timesOf('a', T + DAY)).toEqual([[ROOM, 1]]);
    await other.close();
  });

  it('entries of the same id in another epoch or partition are others', async () => {
    const batch = [
      entries.in('a', 'c1', ROOM, T),
      new Entries('epoch-1', 1).in('b', 'c2', OTHER, T),
      new Entries('epoch-2').in('c', 'c3', ROOM, T),
    ];
    expect(await writer.write(batch.slice(1, 2))).toBe(1);
    expect(await writer.write(batch)).toBe(2);
    expect(await log()).toHaveLength(3);
  });

  it('a batch that comes after a later one is written all the same', async () => {
    const late = [entries.in('a', 'c1', ROOM, T), entries.in('a', 'c2', ROOM, T + 30_000)];
    await writer.write([entries.out('a', 'c1', ROOM, T + 60_000), entries.out('a', 'c2', ROOM, T + 90_000)]);
    await writer.write(late.slice(0, 1));
    await writer.write(late.slice(1));
    expect(await timesOf('a', T + DAY)).toEqual([[ROOM, 90]]);
    expect(await status(database)).toEqual({ channels: [], users: 0, clients: 0, next: null });
  });

  it('a batch that fails writes nothing', async () => {
    const bad = { ...entries.in('b', 'c2', ROOM, T), channel: null as unknown as string };
    await expect(writer.write([entries.in('a', 'c1', ROOM, T), bad])).rejects.toThrow();
    expect(await everything()).toEqual({ log: [], stays: [], times: [], users: [], said: [] });
    expect(await database.tables.selectFrom('faye_online_written').selectAll().execute()).toEqual([]);
  });

  it('takes names that a database does not', async () => {
    const uid = 'nul\0half\uD800';
    await writer.write([entries.in(uid, 'c1', ROOM, T)]);
    await writer.write([entries.out(uid, 'c1', ROOM, T + 5_000)]);
    expect(await timesOf('nul\uFFFDhalf\uFFFD', T)).toEqual([[ROOM, 5]]);
  });

  it('keeps a hash of clientIds where it is to', async () => {
    const hashing = new Writer(database, { node: 'node-1', hashClientIds: true });
    await hashing.write([entries.in('a', 'secret', ROOM, T)]);
    await hashing.write([entries.out('a', 'secret', ROOM, T + 1_000)]);
    expect((await log()).map(({ clientId }) => clientId)).toEqual([hashed('secret'), hashed('secret')]);
    expect(JSON.stringify(await everything())).not.toContain('secret');
  });

  it('time is the union of many tabs in many channels, in whatever batches of however many readers', async () => {
    const visit = fc.record({
      user: fc.nat({ max: 3 }),
      channel: fc.constantFrom(ROOM, OTHER),
      from: fc.nat({ max: 300 }),
      length: fc.nat({ max: 100 }),
    });
    const other = await connect(url);
    const second = new Writer(other, { node: 'node-2', hashClientIds: false });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(visit, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 9 }),
        async (visits, size) => {
          run += 1;
          const steps = visits
            .flatMap(({ user, channel, from, length }, tab) => {
              const who = [`${run}-user${user}`, `${run}-tab${tab}`, channel] as const;
              return [
                { at: from, who, type: 'in' as const },
                { at: from + length, who, type: 'out' as const },
              ];
            })
            .sort((a, b) => a.at - b.at);
          const all = steps.map(({ at, who, type }) => entries[type](...who, T + at * 1_000));
          for (let start = 0; start < all.length; start += size) {
            const batch = all.slice(start, start + size);
            await Promise.all([writer.write(batch), second.write(batch)]);
          }
          for (const user of new Set(visits.map(({ user }) => user))) {
            const expected = [OTHER, ROOM].flatMap((channel) => {
              const stays = visits.filter((each) => each.user === user && each.channel === channel);
              const seconds = total(stays.map(({ from, length }) => ({ from, to: from + length })));
              return stays.length > 0 ? [[channel, seconds]] : [];
            });
            expect(await timesOf(`${run}-user${user}`, T)).toEqual(expected);
          }
        },
      ),
      { numRuns: 8 },
    );
    await other.close();
  });

  describe('visibility', () => {
    it('is visible time beside the other, and no row of the log, no list, no sight of the user', async () => {
      await writer.write([
        entries.in('a', 'c1', ROOM, T),
        entries.in('a', 'c1', OTHER, T),
        entries.hidden('a', 'c1', T + 10_000),
      ]);
      await writeLists(database, T + DAY);
      await writer.write([entries.shown('a', 'c1', T + 40_000), entries.hidden('a', 'c1', T + 45_000)]);
      expect(await writeLists(database, T + 2 * DAY)).toBe(0);
      await writer.write([entries.out('a', 'c1', ROOM, T + 60_000), entries.shown('a', 'c1', T + 70_000)]);
      const now = T + 100_000;
      expect(await timesOf('a', now)).toEqual([
        [OTHER, 100],
        [ROOM, 60],
      ]);
      expect(await visibleOf('a', now)).toEqual([
        [OTHER, 45],
        [ROOM, 15],
      ]);
      const { log, stays, users } = await everything();
      expect([log.length, users[0]?.seen_at]).toEqual([3, T + 60_000]);
      expect(stays).toMatchObject([
        { ended_at: T + 60_000, visible_ms: 15_000, visible_since: null },
        { ended_at: null, visible_ms: 15_000, visible_since: T + 70_000 },
      ]);
      expect(await said()).toEqual([
        { clientId: 'c1', hidden: 1, started_at: T + 10_000, ended_at: T + 40_000 },
        { clientId: 'c1', hidden: 0, started_at: T + 40_000, ended_at: T + 45_000 },
        { clientId: 'c1', hidden: 1, started_at: T + 45_000, ended_at: T + 70_000 },
        { clientId: 'c1', hidden: 0, started_at: T + 70_000, ended_at: null },
      ]);
    });

    it('of two tabs counts once, since when one of them is', async () => {
      await writer.write([
        entries.in('a', 'c1', ROOM, T),
        entries.in('a', 'c2', ROOM, T + 10_000),
        entries.hidden('a', 'c1', T + 20_000),
      ]);
      const [time] = await timeOf(database, 'a', { now: T + 30_000 });
      expect(time).toMatchObject({ visibleSince: new Date(T).toISOString(), visibleSecondsNow: 30 });
      await writer.write([entries.hidden('a', 'c2', T + 40_000), entries.shown('a', 'c1', T + 50_000)]);
      const [later] = await timeOf(database, 'a', { now: T + 60_000 });
      expect(later).toMatchObject({
        spentSecondsNow: 60,
        visibleSeconds: 40,
        visibleSince: new Date(T + 50_000).toISOString(),
      });
    });

    it('that is said before its client comes holds for its stays', async () => {
      await writer.write([entries.hidden('a', 'c1', T - 5_000)]);
      await writer.write([entries.in('a', 'c1', ROOM, T)]);
      await writer.write([
        entries.out('a', 'c1', ROOM, T + 10_000),
        entries.in('a', 'c1', OTHER, T + 10_000),
      ]);
      await writer.write([entries.shown('a', 'c1', T + 30_000)]);
      expect(await visibleOf('a', T + 40_000)).toEqual([
        [OTHER, 10],
        [ROOM, 0],
      ]);
    });

    it('is the same in whichever order it comes', async () => {
      const steps = [
        entries.in('a', 'c1', ROOM, T),
        entries.hidden('a', 'c1', T + 10_000),
        entries.in('a', 'c2', ROOM, T + 20_000),
        entries.shown('a', 'c1', T + 40_000),
        entries.hidden('a', 'c2', T + 50_000),
        entries.out('a', 'c1', ROOM, T + 60_000),
        entries.shown('a', 'c2', T + 70_000),
      ];
      for (const index of [4, 1, 0, 6, 3, 5, 2]) await writer.write(steps.slice(index, index + 1));
      // c1 0 to 10 and 40 to 60, c2 20 to 50 and from 70 on.
      expect(await visibleOf('a', T + 90_000)).toEqual([[ROOM, 10 + 40 + 20]]);
      const before = await everything();
      expect(before.stays.map(({ visible_ms }) => visible_ms)).toEqual([30_000, 30_000]);
      expect(await writer.write(steps)).toBe(0);
      await writer.resume([held('c2', { hidden: false, since: T + 70_000 })]);
      expect(await everything()).toEqual(before);
    });

    const held = (clientId: string, visibility: Held['visibility']): Held => ({
      epoch: 'epoch-1',
      channel: ROOM,
      uid: 'a',
      clientId,
      at: T,
      visibility,
    });

    it('is known of whom the node brings in', async () => {
      const clients = [held('c1', { hidden: true, since: T + 5_000 }), held('c2', null)];
      await writer.resume(clients.slice(0, 1));
      expect(await visibleOf('a', T + 20_000)).toEqual([[ROOM, 5]]);
      await writer.resume(clients);
      expect(await visibleOf('a', T + 20_000)).toEqual([[ROOM, 20]]);
    });

    it('ends with a stay that is lost, and goes on with one that is found', async () => {
      await signOfLife(database, 'node-1', T + 6_000);
      await writer.write([
        entries.in('a', 'c1', ROOM, T),
        entries.in('b', 'c2', ROOM, T),
        entries.hidden('b', 'c2', T + 4_000),
      ]);
      expect(await loseStaysOfTheDead(database, ['epoch-2'], T + DAY)).toBe(2);
      expect([await visibleOf('a', T + DAY), await visibleOf('b', T + DAY)]).toEqual([
        [[ROOM, 6]],
        [[ROOM, 4]],
      ]);
      const found = { ...held('c2', null), uid: 'b', epoch: 'epoch-2' };
      await writer.resume([found]);
      expect(await visibleOf('b', T + 20_000)).toEqual([[ROOM, 4]]);
      await writer.write([new Entries('epoch-2').shown('b', 'c2', T + 10_000)]);
      expect(await visibleOf('b', T + 20_000)).toEqual([[ROOM, 14]]);
      expect(await timesOf('b', T + 20_000)).toEqual([[ROOM, 20]]);
    });

    it('is kept under the hash of the client where that is', async () => {
      const hashing = new Writer(database, { node: 'node-1', hashClientIds: true });
      await hashing.write([entries.in('a', 'secret', ROOM, T), entries.hidden('a', 'secret', T + 1_000)]);
      expect(await said()).toMatchObject([{ clientId: hashed('secret'), hidden: 1 }]);
      expect(await visibleOf('a', T + 9_000)).toEqual([[ROOM, 1]]);
    });
  });

  describe('what nobody can tell any more', () => {
    const later = T + DAY;

    beforeEach(async () => {
      await signOfLife(database, 'node-1', T);
      await writer.write([entries.in('a', 'c1', ROOM, T), entries.in('a', 'c2', ROOM, T + 1_000)]);
      await writer.write([entries.out('a', 'c2', ROOM, T + 2_000)]);
      await signOfLife(database, 'node-1', T + 6_000);
    });

    it('a stay of a node that died ends at its last sign of life, once', async () => {
      expect(await loseStaysOfTheDead(database, ['epoch-2'], later)).toBe(1);
      expect(await loseStaysOfTheDead(database, ['epoch-2'], later)).toBe(0);
      expect(await timesOf('a', later)).toEqual([[ROOM, 6]]);
      expect((await log()).at(-1)).toMatchObject({ t: T + 6_000, status: 0, clientId: 'c1' });
    });

    it('not where its node lives, or the epoch goes on', async () => {
      expect(await loseStaysOfTheDead(database, ['epoch-2'], T + 6_000 + SILENCE)).toBe(0);
      expect(await loseStaysOfTheDead(database, ['epoch-1'], later)).toBe(0);
      expect(await loseStaysOfTheDead(database, [], later)).toBe(0);
      expect(await timesOf('a', T + 10_000)).toEqual([[ROOM, 10]]);
    });

    it('many go, and one whose node never gave a sign ends as it began', async () => {
      const silent = new Writer(database, { node: 'node-3', hashClientIds: false });
      await silent.write(Array.from({ length: 1_200 }, (_, index) => entries.in('b', `d${index}`, OTHER, T)));
      expect(await loseStaysOfTheDead(database, ['epoch-2'], later)).toBe(1_201);
      expect(await timesOf('b', later)).toEqual([[OTHER, 0]]);
      expect(await status(database)).toEqual({ channels: [], users: 0, clients: 0, next: null });
    });

    it('stays go on in the next epoch where their node says so, and end where it does not', async () => {
      await writer.write([entries.in('b', 'c3', ROOM, T + 3_000)]);
      const held = { epoch: 'epoch-2', channel: ROOM, uid: 'a', clientId: 'c1', at: T };
      await writer.resume([held]);
      await loseStays(database, { epochs: ['epoch-2'], of: { node: 'node-1', at: T + 9_000 } });
      expect(await loseStaysOfTheDead(database, ['epoch-2'], later)).toBe(0);
      await writer.write([new Entries('epoch-2').out('a', 'c1', ROOM, T + 20_000)]);
      expect(await timesOf('a', later)).toEqual([[ROOM, 20]]);
      expect(await timesOf('b', later)).toEqual([[ROOM, 6]]);
      expect(await log()).toHaveLength(6);
    });

    it('a node brings in whom it holds where nothing of them was read', async () => {
      const user = { uid: 7, uname: 'Seven' };
      const held = { epoch: 'epoch-1', channel: OTHER, uid: '7', clientId: 'c7', at: T + 4_000, user };
      await writer.resume([held]);
      await writer.resume([held]);
      expect(await timesOf('7', T + 10_000)).toEqual([[OTHER, 6]]);
      expect(await log()).toHaveLength(4);
    });
  });

  describe('#writeLists', () => {
    const lists = async () =>
      database.tables
        .selectFrom('faye_channel_online_lists')
        .innerJoin('faye_channels', 'faye_channels.id', 'channel_id')
        .select(['name', 'user_info_list', 'lock_version'])
        .orderBy('name')
        .execute();

    it('writes who is online, oldest first, in the type that was given', async () => {
      await writer.write([
        entries.in(1, 'c1', ROOM, T + 5),
        entries.in('b', 'c2', ROOM, T),
        entries.in(1, 'c3', ROOM, T + 9),
        entries.in('2', 'c4', OTHER, T),
      ]);
      expect(await writeLists(database, T)).toBe(2);
      expect(await writeLists(database, T + DAY)).toBe(0);
      expect(await lists()).toEqual([
        { name: OTHER, user_info_list: '["2"]', lock_version: 1 },
        { name: ROOM, user_info_list: '["b",1]', lock_version: 1 },
      ]);
    });

    it('at most once a second a channel, and the last word is written', async () => {
      await writer.write([entries.in('a', 'c1', ROOM, T)]);
      expect(await writeLists(database, T)).toBe(1);
      await writer.write([entries.out('a', 'c1', ROOM, T + 10)]);
      expect(await writeLists(database, T + 999)).toBe(0);
      expect(await writeLists(database, T + 1_000)).toBe(1);
      expect(await lists()).toEqual([{ name: ROOM, user_info_list: '[]', lock_version: 2 }]);
    });
  });

  describe('retention', () => {
    it('removes old rows and stays in steps; sums, the open and the new stay', async () => {
      const old = Array.from({ length: 700 }, (_, index) => [
        entries.in('a', `c${index}`, ROOM, T + index * 1_000),
        entries.out('a', `c${index}`, ROOM, T + index * 1_000 + 500),
      ]).flat();
      await writer.write([entries.in('a', 'open', OTHER, T), ...old]);
      await writer.write([entries.in('a', 'new', ROOM, T + DAY), entries.out('a', 'new', ROOM, T + DAY + 1)]);
      const removed: number[] = [];
      for (;;) {
        removed.push(await removeOlder(database, T + DAY));
        if (removed.at(-1) === 0) break;
      }
      expect(removed.length).toBeGreaterThan(2);
      expect(removed.reduce((sum, count) => sum + count)).toBe(1_401 + 700);
      expect(await timesOf('a', T + 10_000)).toEqual([
        [OTHER, 10],
        [ROOM, 350],
      ]);
      expect(await log()).toHaveLength(2);
      await writer.write([entries.out('a', 'open', OTHER, T + 2 * DAY)]);
      expect(await timesOf('a', T)).toEqual([
        [OTHER, (2 * DAY) / 1_000],
        [ROOM, 350],
      ]);
    });

    it('removes what clients had said, once nothing is left of their stays', async () => {
      const old = Array.from({ length: 1_200 }, (_, index) => entries.shown('a', `c${index}`, T + index));
      await writer.write([entries.in('a', 'gone', ROOM, T), ...old, entries.hidden('a', 'gone', T + 1_000)]);
      await writer.write([entries.in('a', 'open', OTHER, T), entries.hidden('a', 'open', T + 1_000)]);
      await writer.write([entries.out('a', 'gone', ROOM, T + 2_000), entries.hidden('a', 'new', T + DAY)]);
      const removed: number[] = [];
      do removed.push(await removeOlder(database, T + DAY));
      while (removed.at(-1) !== 0);
      expect((await said()).map(({ clientId }) => clientId)).toEqual(['new', 'open']);
      expect(await visibleOf('a', T + 2 * DAY)).toEqual([
        [OTHER, 1],
        [ROOM, 1],
      ]);
    });

    it('remembers for a day what was written', async () => {
      const batch = [entries.in('a', 'c1', ROOM, T)];
      await writer.write(batch);
      expect(await forgetWritten(database, Date.now())).toBe(0);
      expect(await writer.write(batch)).toBe(0);
      expect(await forgetWritten(database, Date.now() + 2 * DAY)).toBe(1);
    });
  });
}
