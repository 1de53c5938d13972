import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type OpenDatabase } from '../../src/records/database.js';
import { migrate } from '../../src/records/migrate.js';
import {
  channelReport,
  logRows,
  status,
  timeOf,
  timesOf,
  userLog,
  whereIs,
} from '../../src/records/reports.js';
import { Writer } from '../../src/records/writer.js';
import { Entries } from './entries.js';
import type { SqlServer } from './server.js';

const ROOM = '/courses/5/lessons/1';
const OTHER = '/classes/4';
const T = Date.UTC(2026, 0, 2, 3, 4, 5);
const NOW = T + 100_000;
const at = (seconds: number) => new Date(T + seconds * 1_000).toISOString();

/** Alice (7) has two tabs that overlap, each hidden for a time, and is in; Bob came and went. */
export function reportsBehaviour(server: () => SqlServer): void {
  let database: OpenDatabase;

  beforeAll(async () => {
    database = await connect(await server().database());
    await migrate(database);
    const writer = new Writer(database, { node: 'node-1', hashClientIds: false });
    const entries = new Entries();
    const moment = (seconds: number) => T + seconds * 1_000;
    await writer.write([
      entries.in(7, 'tab1', ROOM, moment(0)),
      entries.in(7, 'tab1', OTHER, moment(0)),
      entries.hidden(7, 'tab1', moment(10)),
      entries.in(7, 'tab2', ROOM, moment(20)),
      entries.in('bob', 'tab3', ROOM, moment(25)),
      entries.out(7, 'tab1', ROOM, moment(30)),
      entries.out('bob', 'tab3', ROOM, moment(35)),
      entries.hidden(7, 'tab2', moment(40)),
      entries.out(7, 'tab2', ROOM, moment(50)),
      entries.in(7, 'tab2', ROOM, moment(90)),
      entries.shown(7, 'tab2', moment(95)),
    ]);
  });
  afterAll(async () => {
    await database.close();
  });

  it('#status counts users and clients that are in', async () => {
    expect(await status(database)).toEqual({
      channels: [
        { channel: OTHER, users: 1, clients: 1 },
        { channel: ROOM, users: 1, clients: 1 },
      ],
      users: 1,
      clients: 2,
      next: null,
    });
    const first = await status(database, { limit: 1 });
    expect(first).toMatchObject({ channels: [{ channel: OTHER }], clients: 2, next: OTHER });
    const rest = await status(database, { limit: 1, after: first.next ?? '' });
    expect(rest).toMatchObject({ channels: [{ channel: ROOM }], clients: 2, next: null });
  });

  it('#timeOf is spent, and still running, and what was visible of it', async () => {
    expect(await timeOf(database, '7', { now: NOW })).toEqual([
      {
        channel: OTHER,
        spentSeconds: 0,
        startedAt: at(0),
        spentSecondsNow: 100,
        visibleSeconds: 10,
        visibleSince: null,
        visibleSecondsNow: 10,
      },
      {
        channel: ROOM,
        spentSeconds: 50,
        startedAt: at(90),
        spentSecondsNow: 60,
        visibleSeconds: 30,
        visibleSince: at(95),
        visibleSecondsNow: 35,
      },
    ]);
    expect(await timeOf(database, '7', { channel: ROOM, now: NOW })).toHaveLength(1);
    expect(await timeOf(database, 'nobody', { now: NOW })).toEqual([]);
    const first = await timesOf(database, '7', { limit: 1, now: NOW });
    expect(first).toMatchObject({ channels: [{ channel: OTHER }], next: OTHER });
    expect(await timesOf(database, '7', { limit: 1, after: OTHER, now: NOW })).toMatchObject({
      channels: [{ channel: ROOM }],
      next: null,
    });
  });

  describe('#whereIs', () => {
    it('is where somebody is, and since when', async () => {
      expect(await whereIs(database, '7')).toEqual({
        uid: 7,
        uname: '7 by name',
        online: true,
        lastSeenAt: at(90),
        channels: [
          { channel: OTHER, since: at(0), clients: 1 },
          { channel: ROOM, since: at(90), clients: 1 },
        ],
      });
    });

    it('knows those who went, and not those who never were', async () => {
      expect(await whereIs(database, 'bob')).toMatchObject({
        online: false,
        lastSeenAt: at(35),
        channels: [],
      });
      expect(await whereIs(database, 'nobody')).toBeUndefined();
    });
  });

  it('#channelReport is who is in a channel that ever was', async () => {
    expect(await channelReport(database, ROOM)).toEqual({
      channel: ROOM,
      count: 1,
      clients: 1,
      users: [{ uid: 7, uname: '7 by name', since: at(90), clients: 1 }],
      next: null,
    });
    expect(await channelReport(database, '/never')).toBeUndefined();
    await expect(channelReport(database, ROOM, { after: 'u1' })).rejects.toThrow(
      'Expected `after` to be the `next` of a page, got "u1"',
    );
    await expect(channelReport(database, ROOM, { limit: 0 })).rejects.toThrow(
      'Expected `limit` to be a whole number from 1 to 5000, got 0',
    );
  });

  it('#channelReport comes page by page, of the same moment by name', async () => {
    const crowd = await connect(await server().database());
    await migrate(crowd);
    const entries = new Entries();
    const users = [2, 1, 4, 3, 3].map((user, index) =>
      entries.in(`u${user}`, `c${index}`, ROOM, T + (user > 2 ? 5 : 0)),
    );
    await new Writer(crowd, { node: 'node-1', hashClientIds: false }).write(users);
    const pages: unknown[] = [];
    let after: string | undefined;
    do {
      const page = await channelReport(crowd, ROOM, { limit: 3, after });
      pages.push([page?.count, page?.clients, page?.users.map(({ uid }) => uid)]);
      after = page?.next ?? undefined;
    } while (after);
    expect(pages).toEqual([
      [4, 5, ['u1', 'u2', 'u3']],
      [4, 5, ['u4']],
    ]);
    await crowd.close();
  });

  describe('#userLog', () => {
    const secondsOf = async (question: { from?: number; to?: number; channel?: string; limit?: number }) => {
      const log = await userLog(database, { uid: '7', now: NOW, ...question });
      return log?.channels.map(({ channel, clients, seconds, visibleSeconds }) => [
        channel,
        seconds,
        visibleSeconds,
        ...clients.map((client) => [client.clientId, client.seconds, client.visibleSeconds]).sort(),
      ]);
    };

    it('is the rows by channel and client, with overlaps counted once', async () => {
      const log = await userLog(database, { uid: '7', now: NOW });
      expect(log?.channels.map(({ channel }) => channel)).toEqual([OTHER, ROOM]);
      const tab2 = log?.channels[1]?.clients.find(({ clientId }) => clientId === 'tab2');
      expect(tab2).toMatchObject({
        seconds: 40,
        rows: [
          { at: at(90), status: 'on', uid: '7', channel: ROOM },
          { at: at(50), status: 'off' },
          { at: at(20), status: 'on' },
        ],
      });
      expect(await secondsOf({})).toEqual([
        [OTHER, 100, 10, ['tab1', 100, 10]],
        [ROOM, 60, 35, ['tab1', 30, 10], ['tab2', 40, 25]],
      ]);
      expect(log).toMatchObject({ seconds: 100, visibleSeconds: 35 });
    });

    it('is cut to the time and the channel that are asked for; few rows change no sum', async () => {
      expect(await secondsOf({ from: T + 25_000, to: T + 95_000, channel: ROOM, limit: 1 })).toEqual([
        [ROOM, 30, 15, ['tab1', 5, 0], ['tab2', 30, 15]],
      ]);
    });

    it('is undefined for one who never was', async () => {
      expect(await userLog(database, { uid: 'nobody', now: NOW })).toBeUndefined();
      expect(await userLog(database, { uid: 'bob', from: T + 99_000, now: NOW })).toEqual({
        channels: [],
        seconds: 0,
        visibleSeconds: 0,
        next: null,
      });
    });
  });

  describe('#logRows', () => {
    it.each([
      [3, [3, 3, 2]],
      // The last two rows are of one moment.
      [7, [7, 1]],
    ])('is the newest, page by page of %i, without a gap', async (limit, lengths) => {
      const pages = [];
      let before: string | undefined;
      do {
        const page = await logRows(database, { limit, before, now: NOW });
        pages.push(page.rows.map((row) => [row.at, row.status, row.clientId, row.channel]));
        before = page.next ?? undefined;
      } while (before);
      expect(pages.map((page) => page.length)).toEqual(lengths);
      expect(pages.flat()).toEqual([
        [at(90), 'on', 'tab2', ROOM],
        [at(50), 'off', 'tab2', ROOM],
        [at(35), 'off', 'tab3', ROOM],
        [at(30), 'off', 'tab1', ROOM],
        [at(25), 'on', 'tab3', ROOM],
        [at(20), 'on', 'tab2', ROOM],
        [at(0), 'on', 'tab1', OTHER],
        [at(0), 'on', 'tab1', ROOM],
      ]);
    });

    it('is of a time', async () => {
      const { rows, next } = await logRows(database, { from: T + 25_000, to: T + 35_000, now: NOW });
      expect(rows.map((row) => row.at)).toEqual([at(30), at(25)]);
      expect(next).toBeNull();
    });

    it('refuses a page that is none', async () => {
      await expect(logRows(database, { before: 'yesterday', now: NOW })).rejects.toThrow(
        'Expected `before` to be the `next` of a page, got "yesterday"',
      );
    });
  });
}
