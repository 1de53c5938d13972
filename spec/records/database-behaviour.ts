import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, type OpenDatabase } from '../../src/records/database.js';
import { migrate } from '../../src/records/migrate.js';
import { oneAtATime } from '../../src/records/one-at-a-time.js';
import { insert, upsert } from '../../src/records/upsert.js';
import { until } from '../support/until.js';
import type { SqlServer } from './server.js';

const STEPS = [
  '001 put the tables of the gem aside',
  '002 tables',
  '003 take over what the gem recorded',
  '004 tables with transactions',
  '005 time channels',
];

export function databaseBehaviour(server: () => SqlServer): void {
  let url: string;
  let databases: OpenDatabase[];

  const open = async () => {
    const database = await connect(url);
    databases.push(database);
    return database;
  };

  beforeEach(async () => {
    url = await server().database();
    databases = [];
  });
  afterEach(async () => {
    for (const database of databases) await database.close();
  });

  describe('#migrate', () => {
    it('makes the tables, once', async () => {
      const database = await open();
      expect(await migrate(database)).toEqual({ steps: STEPS, takenOver: undefined });
      expect(await migrate(database)).toEqual({ steps: [], takenOver: undefined });
      expect(await database.tables.selectFrom('faye_online_turn').selectAll().execute()).toEqual([
        { id: 1, turns: 0 },
      ]);
    });

    it('is safe where two processes start at once', async () => {
      const all = await Promise.all([open(), open(), open()]);
      const done = await Promise.all(all.map((database) => migrate(database)));
      expect(done.flatMap(({ steps }) => steps)).toEqual(STEPS);
    });

    it('goes on where it was cut short', async () => {
      const database = await open();
      await migrate(database);
      await database.tables.deleteFrom('faye_online_migrations').execute();
      await database.tables.schema.dropTable('faye_online_nodes').execute();
      expect((await migrate(database)).steps).toEqual(STEPS);
      expect(await database.tables.selectFrom('faye_online_nodes').selectAll().execute()).toEqual([]);
    });
  });

  it('#migrate brings a database on that was made before there were time channels', async () => {
    const database = await open();
    await migrate(database);
    await database.tables.schema.dropTable('faye_online_time_channels').execute();
    await database.tables.deleteFrom('faye_online_migrations').where('name', '>', '004').execute();
    await insert(database, 'faye_online_nodes', [{ node: 'kept', seen_at: 1 }]);
    expect((await migrate(database)).steps).toEqual(STEPS.slice(3));
    expect(await database.tables.selectFrom('faye_online_time_channels').selectAll().execute()).toEqual([]);
    expect(await database.tables.selectFrom('faye_online_nodes').select('node').execute()).toEqual([
      { node: 'kept' },
    ]);
  });

  describe('what is kept', () => {
    it('comes back as it was: large numbers, emoji, capitals, spaces at the end, nothing', async () => {
      const database = await open();
      await migrate(database);
      const uids = ['a', 'A', 'a ', 'ä', '👩‍🏫', "'; drop table x", '1', '01'];
      const rows = uids.map((uid, index) => ({
        uid,
        channel_id: 1,
        spent_ms: Number.MAX_SAFE_INTEGER - index,
        started_at: index % 2 === 0 ? null : 1_700_000_000_000 + index,
        visible_ms: 0,
        visible_since: index % 2 === 0 ? 1_700_000_000_000 + index : null,
      }));
      await insert(database, 'faye_user_online_times', rows);
      const kept = await database.tables.selectFrom('faye_user_online_times').selectAll().execute();
      const byTime = (a: { spent_ms: number }, b: { spent_ms: number }) => b.spent_ms - a.spent_ms;
      expect(kept.sort(byTime)).toEqual(rows);
    });

    it('is summed up as a number', async () => {
      const database = await open();
      await migrate(database);
      await insert(database, 'faye_user_online_times', [
        { uid: 'a', channel_id: 1, spent_ms: 2 ** 40, visible_ms: 0 },
        { uid: 'b', channel_id: 1, spent_ms: 1, visible_ms: 0 },
      ]);
      const { sum } = await database.tables
        .selectFrom('faye_user_online_times')
        .select(({ fn }) => fn.sum<number>('spent_ms').as('sum'))
        .executeTakeFirstOrThrow();
      expect(sum).toBe(2 ** 40 + 1);
    });
  });

  it('#upsert changes those that are there, and adds the others, more than one statement takes', async () => {
    const database = await open();
    await migrate(database);
    const nodes = Array.from({ length: 40_000 }, (_, index) => ({ node: String(index), seen_at: index }));
    await upsert(database, 'faye_online_nodes', nodes.slice(0, 20_000), ['node'], ['seen_at']);
    await upsert(database, 'faye_online_nodes', nodes, ['node'], []);
    await upsert(
      database,
      'faye_online_nodes',
      nodes.slice(0, 2).map(({ node }) => ({ node, seen_at: -1 })),
      ['node'],
      ['seen_at'],
    );
    const { count, sum } = await database.tables
      .selectFrom('faye_online_nodes')
      .select(({ fn }) => [fn.countAll<number>().as('count'), fn.sum<number>('seen_at').as('sum')])
      .executeTakeFirstOrThrow();
    expect({ count, sum }).toEqual({ count: 40_000, sum: (39_999 * 40_000) / 2 - 1 - 2 });
  });

  describe('#oneAtATime', () => {
    it('lets nobody read what another is about to change', async () => {
      const all = await Promise.all([open(), open()]);
      await migrate(all[0] as OpenDatabase);
      const addOne = (database: OpenDatabase) =>
        oneAtATime(database, async (within) => {
          const found = await within.tables.selectFrom('faye_online_nodes').selectAll().executeTakeFirst();
          const row = { node: 'counter', seen_at: (found?.seen_at ?? 0) + 1 };
          await upsert(within, 'faye_online_nodes', [row], ['node'], ['seen_at']);
        });
      await Promise.all(Array.from({ length: 20 }, (_, index) => addOne(all[index % 2] as OpenDatabase)));
      expect(await all[0]?.tables.selectFrom('faye_online_nodes').selectAll().execute()).toEqual([
        { node: 'counter', seen_at: 20 },
      ]);
    });

    it('takes back what a step did that failed', async () => {
      const database = await open();
      await migrate(database);
      const failing = oneAtATime(database, async (within) => {
        await insert(within, 'faye_online_nodes', [{ node: 'a', seen_at: 1 }]);
        throw new Error('of the spec');
      });
      await expect(failing).rejects.toThrow('of the spec');
      expect(await database.tables.selectFrom('faye_online_nodes').selectAll().execute()).toEqual([]);
    });
  });

  it('comes back after its server did', async () => {
    const { stop, start } = server();
    if (!stop || !start) return;
    const database = await open();
    await migrate(database);
    await stop.call(server());
    await expect(sql`select 1`.execute(database.tables)).rejects.toThrow();
    await expect(connect(url)).rejects.toThrow();
    await start.call(server());
    const rows = () => database.tables.selectFrom('faye_online_turn').selectAll().execute();
    expect(await until(() => rows().catch(() => false as const), 'the database to answer')).toHaveLength(1);
  });

  it('rejects a transaction whose server goes between two questions', async () => {
    const { stop, start } = server();
    if (!stop || !start) return;
    const database = await open();
    await migrate(database);
    const step = oneAtATime(database, async (within) => {
      await insert(within, 'faye_online_nodes', [{ node: 'a', seen_at: 1 }]);
      await stop.call(server());
      await start.call(server());
      await insert(within, 'faye_online_nodes', [{ node: 'b', seen_at: 1 }]);
    });
    await expect(step).rejects.toThrow();
    expect(await database.tables.selectFrom('faye_online_nodes').selectAll().execute()).toEqual([]);
  });
}
