import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect, type OpenDatabase } from '../../src/records/database.js';
import { total } from '../../src/records/intervals.js';
import { migrate } from '../../src/records/migrate.js';
import { timeOf, userLog, whereIs } from '../../src/records/reports.js';
import { putAside } from '../../src/records/take-over/old-tables.js';
import { TimeChannels } from '../../src/records/time-channels.js';
import { Writer } from '../../src/records/writer.js';
import { Entries } from './entries.js';
import { CLASS, LESSON, log, makeOld, type OldRow, times } from './old-database.js';
import type { SqlServer } from './server.js';

const SHANGHAI = { timeZone: 'Asia/Shanghai' };
const NOW = Date.UTC(2026, 0);

async function count({ tables }: OpenDatabase, table: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`.execute(
    tables,
  );
  return rows[0]?.count ?? 0;
}

export function takeOverBehaviour(server: () => SqlServer): void {
  let url: string;
  let database: OpenDatabase;

  beforeEach(async () => {
    url = await server().database();
    database = await connect(url);
    await makeOld(database);
  });
  afterEach(async () => {
    await database.close();
  });

  /** Alice (470700) was in twice; the server was killed while Bob (7) was in. */
  const fill = async () => {
    await log(database, [
      [1, 470700, '2013-10-01 08:00:00', 3, 'a1'],
      [1, 470700, '2013-10-01 08:00:10', 3, 'a2'],
      [0, 470700, '2013-10-01 08:00:20', 3, 'a1'],
      [0, 470700, '2013-10-01 08:00:30', 3, 'a2'],
      [1, 7, '2013-10-01 09:00:00', 3, 'b1'],
      [1, 7, '2013-10-01 09:00:40', 3, 'b2'],
      [0, 7, '2013-10-01 09:00:50', 3, 'b2'],
    ]);
    await times(database, 470700, { [`${LESSON}_spended`]: 30, [`${CLASS}_spended`]: 4_000 });
    await times(database, 7, {
      [`${LESSON}_started_at`]: '20131001090000',
      [`${LESSON}_spended`]: 100,
      '/only/here_spended': 5,
    });
  };

  it('loses no second and no row, and says which clocks it closed', async () => {
    await fill();
    const { takenOver } = await migrate(database, { takeOver: SHANGHAI });
    expect(takenOver).toEqual({
      channels: 2,
      logRows: 7,
      users: 2,
      seconds: 4_135,
      closedClocks: [
        {
          uid: '7',
          channel: LESSON,
          startedAt: '2013-10-01T01:00:00.000Z',
          closedAt: '2013-10-01T01:00:50.000Z',
        },
      ],
      unreadable: [],
    });
    const spent = async (uid: string) =>
      (await timeOf(database, uid, { now: NOW })).map((time) => [
        time.channel,
        time.spentSeconds,
        time.startedAt,
        time.visibleSeconds,
      ]);
    expect(await spent('470700')).toEqual([
      [CLASS, 4_000, null, 4_000],
      [LESSON, 30, null, 30],
    ]);
    expect(await spent('7')).toEqual([
      [LESSON, 150, null, 150],
      ['/only/here', 5, null, 5],
    ]);
    const stays = await database.tables.selectFrom('faye_online_stays').selectAll().execute();
    expect(stays).toHaveLength(4);
    for (const stay of stays) expect(stay.visible_ms).toBe((stay.ended_at ?? 0) - stay.started_at);
    const alice = await userLog(database, { uid: '470700', now: NOW });
    expect(alice).toMatchObject({ seconds: 30, channels: [{ channel: LESSON, seconds: 30 }] });
    expect(alice?.channels[0]?.clients.map(({ clientId, rows }) => [clientId, rows.length]).sort()).toEqual([
      ['a1', 2],
      ['a2', 2],
    ]);
    expect((await userLog(database, { uid: '7', now: NOW }))?.seconds).toBe(50);
    expect(await whereIs(database, '7')).toEqual({
      uid: '7',
      uname: null,
      online: false,
      lastSeenAt: '2013-10-01T01:00:50.000Z',
      channels: [],
    });
  });

  it('keeps the old tables as they were, under other names, and goes on from there', async () => {
    await fill();
    await migrate(database, { takeOver: SHANGHAI });
    expect(await count(database, 'old_faye_user_login_logs')).toBe(7);
    expect(await count(database, 'old_faye_user_online_times')).toBe(2);
    expect(await count(database, 'old_faye_channels')).toBe(2);
    expect(await count(database, 'old_faye_channel_online_lists')).toBe(2);
    expect(await migrate(database)).toEqual({ steps: [], takenOver: undefined });

    const entries = new Entries();
    const writer = new Writer(database, { node: 'node-1', hashClientIds: false });
    await writer.write([entries.in(7, 'new', LESSON, NOW), entries.in(7, 'new', '/another', NOW)]);
    await writer.write([entries.out(7, 'new', LESSON, NOW + 10_000)]);
    expect(await timeOf(database, '7', { channel: LESSON, now: NOW })).toMatchObject([{ spentSeconds: 160 }]);
    expect(await whereIs(database, '7')).toMatchObject({ uid: 7, uname: '7 by name' });
  });

  it('reads the log in a zone of its own', async () => {
    await fill();
    await migrate(database, { takeOver: { timeZone: 'Asia/Shanghai', logTimeZone: 'UTC' } });
    const log = await userLog(database, { uid: '470700', now: NOW });
    expect(log?.channels[0]?.clients[0]?.rows.at(-1)?.at).toMatch(/^2013-10-01T08:00:[01]0\.000Z$/);
  });

  it('leaves everything as it is where it was not told the time zone, or a wrong one', async () => {
    await fill();
    await expect(migrate(database)).rejects.toThrow('Expected a time zone');
    await expect(migrate(database, { takeOver: { timeZone: 'Shanghai' } })).rejects.toThrow('got "Shanghai"');
    expect(await count(database, 'faye_user_login_logs')).toBe(7);
    expect((await migrate(database, { takeOver: SHANGHAI })).takenOver?.logRows).toBe(7);
  });

  it('goes on where it was cut short, and two at once take over once', async () => {
    await fill();
    await putAside(database);
    const other = await connect(url);
    const both = await Promise.all([
      migrate(database, { takeOver: SHANGHAI }),
      migrate(other, { takeOver: SHANGHAI }),
    ]);
    await other.close();
    expect(both.map(({ takenOver }) => takenOver?.logRows).filter(Boolean)).toEqual([7]);
    expect(await count(database, 'faye_user_login_logs')).toBe(7);
  });

  it('leaves everything as it is where a table has the name that one is to be kept by', async () => {
    await fill();
    await sql`create table old_faye_channels (id integer)`.execute(database.tables);
    await expect(migrate(database, { takeOver: SHANGHAI })).rejects.toThrow(
      'Expected no table "old_faye_channels": the gem\'s "faye_channels" is to be kept by that name',
    );
    expect(await count(database, 'faye_user_login_logs')).toBe(7);
    await sql`drop table old_faye_channels`.execute(database.tables);
    expect((await migrate(database, { takeOver: SHANGHAI })).takenOver?.logRows).toBe(7);
  });

  it('takes over nothing where it fails in the midst of it, and all of it the next time', async () => {
    if (database.kind === 'sqlite') return; // It takes names of any length.
    await fill();
    await times(database, 8, { [`/${'long'.repeat(100)}_spended`]: 1 });
    await expect(migrate(database, { takeOver: SHANGHAI })).rejects.toThrow(/too long/i);
    const old = database.kind === 'mysql' ? 'old_faye_user_online_times' : 'faye_user_online_times';
    await sql`delete from ${sql.table(old)} where user_id = 8`.execute(database.tables);
    expect((await migrate(database, { takeOver: SHANGHAI })).takenOver?.logRows).toBe(7);
    expect(await count(database, 'faye_user_login_logs')).toBe(7);
  });

  it('does not stop at what it can not read, and says so', async () => {
    await log(database, [
      [1, 1, '2013-10-01 08:00:00', 99, 'a1'],
      [0, 1, '2013-10-01 08:00:05', 99, 'a1'],
    ]);
    await sql`insert into faye_user_login_logs (status, uid) values (1, 1)`.execute(database.tables);
    await times(database, 1, { [`${LESSON}_started_at`]: 'whenever', [`${LESSON}_spended`]: '12' });
    await times(database, 2, '--- yaml');
    const { takenOver } = await migrate(database, { takeOver: SHANGHAI });
    expect(takenOver).toMatchObject({ logRows: 2, users: 1, seconds: 12, closedClocks: [] });
    expect(takenOver?.unreadable).toEqual([
      expect.stringContaining('a log row without a time'),
      `when the clock of user 1 in ${LESSON} was started: whenever`,
      'the online times of user 2: --- yaml',
    ]);
    expect((await userLog(database, { uid: '1', now: NOW }))?.channels).toMatchObject([
      { channel: '/unknown/99', seconds: 5 },
    ]);
  });

  it('takes over a log of many rows in the same seconds', async () => {
    // Each second 400 clients come, and those of the second before go: 5,000 rows end in the midst of one.
    const rows: OldRow[] = [];
    const at = (second: number) => `2013-10-01 08:00:${String(second).padStart(2, '0')}`;
    for (let second = 0; second < 16; second += 1) {
      for (let client = 0; client < 400; client += 1) {
        rows.push([1, client % 7, at(second), 3, `${second}-${client}`]);
        rows.push([0, client % 7, at(second + 1), 3, `${second}-${client}`]);
      }
    }
    await log(database, rows);
    const { takenOver } = await migrate(database, { takeOver: SHANGHAI });
    expect(takenOver?.logRows).toBe(rows.length);
    expect(await count(database, 'faye_user_login_logs')).toBe(rows.length);
    const stays = await database.tables.selectFrom('faye_online_stays').selectAll().execute();
    expect(stays).toHaveLength(rows.length / 2);
    expect(total(stays.map(({ started_at, ended_at }) => ({ from: started_at, to: ended_at ?? 0 })))).toBe(
      16_000,
    );
  });

  it('takes over time channels without a leading slash as those that clients can name, each second', async () => {
    await sql`insert into faye_channels (id, name) values (9, 'courses/5/lessons/1'), (10, 'lessons/2')`.execute(
      database.tables,
    );
    await log(database, [
      [1, 7, '2013-10-01 08:00:00', 9, 'c1'],
      [1, 7, '2013-10-01 08:00:05', 3, 'c2'],
      [0, 7, '2013-10-01 08:00:10', 9, 'c1'],
      [0, 7, '2013-10-01 08:00:15', 3, 'c2'],
    ]);
    await times(database, 7, {
      'courses/5/lessons/1_spended': 10,
      [`${LESSON}_spended`]: 10,
      'lessons/2_spended': 3,
    });
    const { takenOver } = await migrate(database, { takeOver: SHANGHAI });
    expect(takenOver).toMatchObject({ channels: 3, logRows: 4, users: 1, seconds: 23 });
    const spent = await timeOf(database, '7', { now: NOW });
    expect(spent.map(({ channel, spentSeconds }) => [channel, spentSeconds])).toEqual([
      [LESSON, 20],
      ['/lessons/2', 3],
    ]);
    expect((await userLog(database, { uid: '7', now: NOW }))?.channels).toMatchObject([
      { channel: LESSON, seconds: 15 },
    ]);
  });

  it('shows in the old shape the log and the times of time channels alone, and none of rooms', async () => {
    await fill();
    await migrate(database, { takeOver: SHANGHAI, oldViews: true });
    const entries = new Entries();
    const writer = new Writer(database, { node: 'node-1', hashClientIds: false });
    const at = NOW;
    await writer.write([
      entries.in(8, 'c1', '/rooms/1', at),
      entries.in(8, 'c1', '/lessons/9', at),
      entries.out(8, 'c1', '/rooms/1', at + 5_000),
      entries.out(8, 'c1', '/lessons/9', at + 5_000),
    ]);
    const channels = new TimeChannels();
    channels.add('/lessons/9');
    await channels.write(database);
    const { rows } = await sql<{ name: string; status: number }>`
      select c.name, l.status from gem_faye_user_login_logs l join gem_faye_channels c on c.id = l.channel_id
      where l.uid = '8' order by l.status
    `.execute(database.tables);
    expect(rows).toEqual([
      { name: '/lessons/9', status: 0 },
      { name: '/lessons/9', status: 1 },
    ]);
    const times = await sql<{ online_times: string }>`
      select online_times from gem_faye_user_online_times where user_id = '8'
    `.execute(database.tables);
    expect(times.rows.map(({ online_times }) => JSON.parse(online_times))).toEqual([
      { '/lessons/9_spended': 5 },
    ]);
    // What the gem had recorded is all of time channels.
    expect(await count(database, 'gem_faye_user_login_logs')).toBe(7 + 2);
  });

  it('shows what is recorded now in the old shape, by option', async () => {
    await fill();
    await migrate(database, { takeOver: SHANGHAI, oldViews: true });
    await migrate(database, { oldViews: true });
    const at = Date.UTC(2026, 0, 2, 3, 4, 5);
    const writer = new Writer(database, { node: 'node-1', hashClientIds: false });
    await writer.write([new Entries().in(7, 'new', LESSON, at)]);

    const { tables } = database;
    const times = await sql<{ user_id: string; online_times: string }>`
      select * from gem_faye_user_online_times order by user_id
    `.execute(tables);
    expect(times.rows.map((row) => [row.user_id, JSON.parse(row.online_times)])).toEqual([
      ['470700', { [`${LESSON}_spended`]: 30, [`${CLASS}_spended`]: 4_000 }],
      [
        '7',
        { [`${LESSON}_spended`]: 150, '/only/here_spended': 5, [`${LESSON}_started_at`]: '20260102030405' },
      ],
    ]);
    const newest = await sql<{ t: string }>`
      select cast(t as char(19)) as t, status, uid from gem_faye_user_login_logs order by 1 desc limit 1
    `.execute(tables);
    expect(newest.rows).toEqual([{ t: '2026-01-02 03:04:05', status: 1, uid: '7' }]);
    expect(await count(database, 'gem_faye_channels')).toBe(3);
    expect(await count(database, 'gem_faye_channel_online_lists')).toBe(3);
  });
}
