/**
 * Brings a database to the shape that the rest expects, step by step; each is done once, and written down in
 * `faye_online_migrations`. Two processes that start at once do them one after the other: the second finds them done.
 */
import { sql } from 'kysely';
import type { Database, OpenDatabase } from './database.js';
import { columnsOf } from './existing-tables.js';
import { createTable, createTables, createTimeChannels } from './schema.js';
import { TABLES } from './tables.js';
import { asideTables, oldTables, putAside } from './take-over/old-tables.js';
import { createOldViews } from './take-over/old-views.js';
import { checkZones, type TakenOver, type TimeZones, takeOver } from './take-over/take-over.js';

/** Seconds to wait for another process, where the database does not wait by itself. */
const WAIT = 60;
/** Any number that nobody else locks in the same database. */
const LOCK = 0x66_61_79_65;
const LOCK_NAME = 'faye_online_migrate';

export interface MigrateOptions {
  /** Where the database is one of the Ruby gem: the time zones of what it wrote. Without them it is left as it is. */
  takeOver?: TimeZones | undefined;
  /** Make views in the shape of the gem's tables, for pages that read those. Default: false. */
  oldViews?: boolean | undefined;
}

export interface Migrated {
  /** The steps that were still to be done. */
  steps: string[];
  /** What was taken over from the Ruby gem, where there was something. */
  takenOver: TakenOver | undefined;
}

interface Migration {
  name: string;
  /** May be done again: MySQL keeps the tables that were made in a step that was cut short, though not their rows. */
  up(database: Database, options: MigrateOptions): Promise<TakenOver | undefined>;
}

const MIGRATIONS: readonly Migration[] = [
  { name: '001 put the tables of the gem aside', up: setAside },
  { name: '002 tables', up: tables },
  { name: '003 take over what the gem recorded', up: takeOverOld },
  { name: '004 tables with transactions', up: withTransactions },
  { name: '005 time channels', up: timeChannels },
];

/**
 * Rejects where the database is one of the Ruby gem and it was not said how to read its times, and where a step fails,
 * and leaves it as it was; on MySQL, where it was cut short, to go on there.
 */
export async function migrate(database: OpenDatabase, options: MigrateOptions = {}): Promise<Migrated> {
  await expectUnicode(database);
  return alone(database, async (database) => {
    const done = await doneIn(database);
    const missing = MIGRATIONS.filter(({ name }) => !done.has(name));
    let takenOver: TakenOver | undefined;
    for (const { name, up } of missing) {
      await inTransaction(database, async (within) => {
        takenOver = (await up(within, options)) ?? takenOver;
        await write(within, name);
      });
    }
    if (options.oldViews) await createOldViews(database);
    return { steps: missing.map(({ name }) => name), takenOver };
  });
}

/** The steps that are still to be done; changes nothing. */
export async function missingIn(database: Database): Promise<string[]> {
  const { tables } = database;
  const has = (await columnsOf(database)).has('faye_online_migrations');
  const rows = has ? await tables.selectFrom('faye_online_migrations').select('name').execute() : [];
  const done = new Set(rows.map(({ name }) => name));
  return MIGRATIONS.map(({ name }) => name).filter((name) => !done.has(name));
}

async function setAside(database: Database, { takeOver }: MigrateOptions): Promise<undefined> {
  if ((await oldTables(database)).length > 0) zonesOf(takeOver);
  await putAside(database);
}

async function tables(database: Database): Promise<undefined> {
  await createTables(database);
}

async function takeOverOld(database: Database, options: MigrateOptions): Promise<TakenOver | undefined> {
  if ((await asideTables(database)).size === 0) return undefined;
  return takeOver(database, zonesOf(options.takeOver));
}

/** Of a database that was made where the server's default engine has none, which creates no such tables any more. */
async function withTransactions({ kind, tables }: Database): Promise<undefined> {
  if (kind !== 'mysql') return;
  const { rows } = await sql<{ name: string }>`
    select t.table_name as name from information_schema.tables t
    join information_schema.engines e on e.engine = t.engine
    where t.table_schema = database() and coalesce(e.transactions, 'NO') <> 'YES'
  `.execute(tables);
  for (const { name } of rows.filter(({ name }) => isOurs(name)))
    await sql`alter table ${sql.table(name)} engine = InnoDB row_format = dynamic`.execute(tables);
}

const isOurs = (table: string): boolean => TABLES.some((name) => name === table);

async function timeChannels(database: Database): Promise<undefined> {
  await createTimeChannels(database);
}

/** Names of users are Unicode: any other encoding has no place for some of them, or takes each byte for a character. */
async function expectUnicode({ kind, tables, description }: OpenDatabase): Promise<void> {
  if (kind !== 'postgres') return;
  const { rows } = await sql<{ server_encoding: string }>`show server_encoding`.execute(tables);
  const encoding = rows[0]?.server_encoding;
  if (encoding === 'UTF8') return;
  throw new Error(
    `Expected ${description}, to have the encoding UTF8, got ${encoding}, which can't hold all names: create another one with encoding 'UTF8' template template0`,
  );
}

function zonesOf(zones: TimeZones | undefined): TimeZones {
  if (!zones)
    throw new Error(
      'Expected a time zone (records.timeZone, or `faye-online migrate --time-zone <zone>`): the database is one of the Ruby gem, whose times are local',
    );
  checkZones(zones);
  return zones;
}

/** SQLite and PostgreSQL take back the whole of it where it fails; MySQL knows no such thing for tables. */
function alone<T>(database: OpenDatabase, step: (database: Database) => Promise<T>): Promise<T> {
  const { kind, tables } = database;
  if (kind === 'mysql') return aloneInMysql(database, step);
  return tables.transaction().execute(async (transaction) => {
    if (kind === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(transaction);
    return step({ kind, tables: transaction });
  });
}

/** The lock is the connection's: it goes with it. */
function aloneInMysql<T>(
  { kind, tables }: OpenDatabase,
  step: (database: Database) => Promise<T>,
): Promise<T> {
  return tables.connection().execute(async (connection) => {
    const { rows } = await sql<{ got: number }>`select get_lock(${LOCK_NAME}, ${WAIT}) as got`.execute(
      connection,
    );
    if (rows[0]?.got !== 1) throw new Error('Another process has been migrating the database for a minute');
    try {
      return await step({ kind, tables: connection });
    } finally {
      await sql`select release_lock(${LOCK_NAME})`.execute(connection);
    }
  });
}

/** On MySQL nothing is in a transaction yet. */
function inTransaction<T>(database: Database, step: (database: Database) => Promise<T>): Promise<T> {
  const { kind, tables } = database;
  if (kind !== 'mysql') return step(database);
  return tables.transaction().execute((transaction) => step({ kind, tables: transaction }));
}

async function doneIn(database: Database): Promise<Set<string>> {
  const { tables } = database;
  await createTable(database, 'faye_online_migrations')
    .addColumn('name', 'varchar(64)', (name) => name.primaryKey())
    .addColumn('done_at', 'bigint', (at) => at.notNull())
    .execute();
  const rows = await tables.selectFrom('faye_online_migrations').select('name').execute();
  return new Set(rows.map(({ name }) => name));
}

async function write({ tables }: Database, name: string): Promise<void> {
  await tables.insertInto('faye_online_migrations').values({ name, done_at: Date.now() }).execute();
}
