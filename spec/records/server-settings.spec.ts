/** Databases whose servers have other settings than those they come with. Ours are the same on all of them. */
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryJournal } from '../../src/presence/memory-journal.js';
import { connect, type OpenDatabase } from '../../src/records/database.js';
import { migrate } from '../../src/records/migrate.js';
import { Recorder } from '../../src/records/recorder.js';
import { whereIs } from '../../src/records/reports.js';
import { insert } from '../../src/records/upsert.js';
import { Writer } from '../../src/records/writer.js';
import { silent } from '../support/log.js';
import { FAST as MARIADB_FAST, MariadbServer } from '../support/mariadb-server.js';
import { PostgresServer } from '../support/postgres-server.js';
import { until } from '../support/until.js';
import { databaseBehaviour } from './database-behaviour.js';
import { Entries } from './entries.js';
import { reportsBehaviour } from './reports-behaviour.js';
import type { SqlServer } from './server.js';
import { takeOverBehaviour } from './take-over-behaviour.js';
import { writerBehaviour } from './writer-behaviour.js';

const ROOM = '/lessons/1';
const T = Date.UTC(2026, 0, 2);

async function migrated(url: string): Promise<OpenDatabase> {
  const database = await connect(url);
  await migrate(database);
  return database;
}

const entries = new Entries();

async function write(database: OpenDatabase, uid: string): Promise<void> {
  const writer = new Writer(database, { node: 'node-1', hashClientIds: false });
  await writer.write([entries.in(uid, `tab of ${Buffer.from(uid).toString('hex').slice(0, 20)}`, ROOM, T)]);
}

describe('MariaDB with every setting otherwise', () => {
  let server: MariadbServer;

  beforeAll(async () => {
    server = await MariadbServer.start([
      ...MARIADB_FAST,
      '--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,NO_ZERO_DATE,NO_ZERO_IN_DATE,PAD_CHAR_TO_FULL_LENGTH',
      '--skip-character-set-client-handshake',
      '--character-set-server=latin1',
      '--default-storage-engine=MyISAM',
      '--innodb-default-row-format=redundant',
      '--lower-case-table-names=1',
      '--default-time-zone=+05:45',
      '--transaction-isolation=SERIALIZABLE',
      '--autocommit=0',
      '--init-connect=set sql_safe_updates = 1, sql_select_limit = 3',
      '--sql-safe-updates=1',
      '--wait-timeout=600',
    ]);
  });
  afterAll(() => server?.dispose());

  it('a quote in a name is no part of a statement', async () => {
    const database = await migrated(await server.database());
    const uids = ["O'Brien", "x', null, 0), ('injected", "back\\slash'", '"double"', '`tick`'];
    for (const uid of uids) {
      await write(database, uid);
      expect(await whereIs(database, uid)).toMatchObject({ uid, online: true });
    }
    const rows = await database.tables.selectFrom('faye_online_users').select('uid').execute();
    expect(rows.map(({ uid }) => uid).sort()).toEqual([...uids].sort());
    await database.close();
  });

  it('nor is it where something has changed the mode of the session since', async () => {
    const database = await migrated(await server.database());
    const name = "O'Brien', 1), ('injected', 1) -- ";
    await database.tables.connection().execute(async (tables) => {
      await sql`set session sql_mode = 'NO_BACKSLASH_ESCAPES'`.execute(tables);
      await insert({ kind: 'mysql', tables }, 'faye_online_nodes', [{ node: name, seen_at: 1 }]);
    });
    const rows = await database.tables.selectFrom('faye_online_nodes').selectAll().execute();
    expect(rows).toEqual([{ node: name, seen_at: 1 }]);
    await database.close();
  });

  it('text is stored in UTF-8, once', async () => {
    const database = await migrated(await server.database());
    await write(database, 'x😀y');
    const { rows } = await sql<{ bytes: string }>`select hex(uid) as bytes from faye_online_users`.execute(
      database.tables,
    );
    expect(rows).toEqual([{ bytes: Buffer.from('x😀y').toString('hex').toUpperCase() }]);
    expect(await whereIs(database, 'x😀y')).toMatchObject({ uid: 'x😀y', uname: 'x😀y by name' });
    await database.close();
  });

  it('text that is too long is an error, and not cut', async () => {
    const database = await migrated(await server.database());
    await expect(write(database, 'long'.repeat(100))).rejects.toThrow(/too long/i);
    await database.close();
  });

  it('tables have transactions, those of before, too', async () => {
    const url = await server.database();
    const database = await migrated(url);
    const engines = async () => {
      const { rows } = await sql<{ engine: string }>`
        select distinct engine as engine from information_schema.tables where table_schema = database()
      `.execute(database.tables);
      return rows.map(({ engine }) => engine);
    };
    expect(await engines()).toEqual(['InnoDB']);
    await sql`alter table faye_online_stays engine = Aria row_format = page`.execute(database.tables);
    await database.tables.deleteFrom('faye_online_migrations').where('name', '>', '004').execute();
    expect(await engines()).toHaveLength(2);
    await migrate(database);
    expect(await engines()).toEqual(['InnoDB']);
    await database.close();
  });

  it('more rows than the server shows its clients are read', async () => {
    const database = await migrated(await server.database());
    const nodes = Array.from({ length: 10 }, (_, index) => ({ node: String(index), seen_at: index }));
    await insert(database, 'faye_online_nodes', nodes);
    expect(await database.tables.selectFrom('faye_online_nodes').selectAll().execute()).toHaveLength(10);
    await database.close();
  });

  it('no more statements stay prepared than 50 for each connection', async () => {
    const database = await migrated(await server.database());
    for (let count = 1; count <= 400; count += 1) {
      const names = Array.from({ length: count }, String);
      await database.tables.selectFrom('faye_online_nodes').selectAll().where('node', 'in', names).execute();
    }
    const { rows } = await sql<{ Value: string }>`show global status like 'Prepared_stmt_count'`.execute(
      database.tables,
    );
    expect(Number(rows[0]?.Value)).toBeLessThanOrEqual(5 * 50);
    await database.close();
  });

  describe('database', () => databaseBehaviour(() => server));
  describe('writer', () => writerBehaviour(() => server));
  describe('reports', () => reportsBehaviour(() => server));
  describe('take-over', () => takeOverBehaviour(() => server));
});

const SETTINGS = [
  "default_transaction_isolation = 'serializable'",
  'standard_conforming_strings = off',
  "client_encoding = 'LATIN1'",
  'statement_timeout = 10',
  'lock_timeout = 1',
  "datestyle = 'SQL, DMY'",
  "timezone = 'Asia/Kathmandu'",
];

describe('PostgreSQL with every setting otherwise', () => {
  let server: PostgresServer;

  let configured: SqlServer;

  beforeAll(async () => {
    server = await PostgresServer.start();
    configured = {
      database: async () => {
        const url = await server.database();
        const client = new pg.Client(url);
        await client.connect();
        for (const setting of SETTINGS)
          await client.query(`alter database ${new URL(url).pathname.slice(1)} set ${setting}`);
        await client.end();
        return url;
      },
      dispose: () => server.dispose(),
      stop: () => server.stop(),
      start: () => server.start(),
    };
  });
  afterAll(() => server?.dispose());

  it.each(['LATIN1', 'SQL_ASCII'])(
    'a database of the encoding %s is refused, with what to do, and nothing is made in it',
    async (encoding) => {
      const url = await server.database(
        `encoding '${encoding}' template template0 lc_collate 'C' lc_ctype 'C'`,
      );
      const database = await connect(url);
      await expect(migrate(database)).rejects.toThrow(
        `to have the encoding UTF8, got ${encoding}, which can't hold all names: create another one`,
      );
      expect(await database.tables.introspection.getTables()).toEqual([]);
      await database.close();

      const recorder = new Recorder({
        url,
        journal: new MemoryJournal(),
        node: 'node-1',
        epochs: () => ['epoch-1'],
        log: silent,
      });
      recorder.start();
      const { error } = await until(() => recorder.trouble, 'the recorder to see it');
      expect(error.message).toContain(`got ${encoding}`);
      await recorder.close();
    },
  );

  describe('database', () => databaseBehaviour(() => configured));
  describe('writer', () => writerBehaviour(() => configured));
  describe('reports', () => reportsBehaviour(() => configured));
  describe('take-over', () => takeOverBehaviour(() => configured));
});
