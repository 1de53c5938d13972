/** What only SQLite has: a thread, and a file on a disk that may be full. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import Sqlite from 'libsql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../src/records/database.js';
import { migrate } from '../../src/records/migrate.js';
import { oneAtATime } from '../../src/records/one-at-a-time.js';
import { SqliteFiles } from '../support/sqlite-files.js';

let files: SqliteFiles;

beforeAll(async () => {
  files = await SqliteFiles.start();
});
afterAll(() => files.dispose());

it('says why nothing can be written to a full disk, and writes again when there is room', async () => {
  const database = await connect(await files.database());
  await migrate(database);
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(database.tables);
  await sql`pragma max_page_count = ${sql.lit(rows[0]?.page_count ?? 0)}`.execute(database.tables);
  const write = () =>
    oneAtATime(database, async ({ tables }) => {
      const name = 'long'.repeat(1_000);
      for (let user = 0; user < 100; user += 1)
        await tables
          .insertInto('faye_online_users')
          .values({ uid: `${user}`, info: name, seen_at: 0 })
          .execute();
    });
  await expect(write()).rejects.toThrow('database or disk is full');
  await sql`pragma max_page_count = 1000000`.execute(database.tables);
  await write();
  expect(await database.tables.selectFrom('faye_online_users').select('uid').execute()).toHaveLength(100);
  await database.close();
});

it('says why a file can not be opened', async () => {
  const url = await files.database();
  await mkdir(url.slice('sqlite:'.length), { recursive: true });
  await expect(connect(url)).rejects.toThrow(/unable to open/i);
});

it('waits for another process that is making the same new file', async () => {
  const url = await files.database();
  const file = url.slice('sqlite:'.length);
  await mkdir(dirname(file), { recursive: true });
  const other = new Sqlite(file);
  other.exec('begin immediate; create table made (id integer)');
  const opening = connect(url);
  const early = opening.then(() => 'open', String);
  expect(await Promise.race([early, setTimeout(300, 'waiting')])).toBe('waiting');
  other.exec('commit');
  other.close();
  const database = await opening;
  expect((await sql`select * from made`.execute(database.tables)).rows).toEqual([]);
  await database.close();
});

it('goes on with another thread where one has ended', async () => {
  const database = await connect(await files.database());
  await migrate(database);
  const asked = sql`
    with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 2000000)
    select max(n) from numbers
  `.execute(database.tables);
  const answered = expect(asked).rejects.toThrow('The SQLite file does not answer');
  await new Promise(setImmediate);
  database.abandon();
  await answered;
  expect((await sql`select 1 as one`.execute(database.tables)).rows).toEqual([{ one: 1 }]);
  await database.close();
});

it('keeps no process from ending', async () => {
  const url = await files.database();
  const module = new URL('../../src/records/database.ts', import.meta.url).href;
  const program = `
    import(${JSON.stringify(module)})
      .then(({ connect }) => connect(${JSON.stringify(url)}))
      .then(() => console.log('open'));
  `;
  const tsx = import.meta.resolve('tsx');
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', tsx, '-e', program], {
    cwd: dirname(new URL('../..', import.meta.url).pathname),
    timeout: 20_000,
  });
  expect(stdout).toBe('open\n');
});
