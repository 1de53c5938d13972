/**
 * Brings a database to the shape that the rest expects, step by step; each is done once, and written down in
 * `faye_online_migrations`. Two processes that start at once do them one after the other: the second finds them done.
 */
import { sql } from 'kysely';
import type { Database, OpenDatabase } from './database.js';
import { createTables } from './schema.js';

/** Seconds to wait for another process, where the database does not wait by itself. */
const WAIT = 60;
/** Any number that nobody else locks in the same database. */
const LOCK = 0x66_61_79_65;
const LOCK_NAME = 'faye_online_migrate';

interface Migration {
  name: string;
  /** May be done again: MySQL keeps what was done of a step that was cut short. */
  up(database: Database): Promise<void>;
}

const MIGRATIONS: readonly Migration[] = [{ name: '001 tables', up: createTables }];

/** Returns the names of the steps that were still to be done. */
export async function migrate(database: OpenDatabase): Promise<string[]> {
  return alone(database, async (database) => {
    const done = await doneIn(database);
    const missing = MIGRATIONS.filter(({ name }) => !done.has(name));
    for (const { name, up } of missing) {
      await up(database);
      await write(database, name);
    }
    return missing.map(({ name }) => name);
  });
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

async function doneIn({ tables }: Database): Promise<Set<string>> {
  await tables.schema
    .createTable('faye_online_migrations')
    .ifNotExists()
    .addColumn('name', 'varchar(64)', (name) => name.primaryKey())
    .addColumn('done_at', 'bigint', (at) => at.notNull())
    .execute();
  const rows = await tables.selectFrom('faye_online_migrations').select('name').execute();
  return new Set(rows.map(({ name }) => name));
}

async function write({ tables }: Database, name: string): Promise<void> {
  await tables.insertInto('faye_online_migrations').values({ name, done_at: Date.now() }).execute();
}
