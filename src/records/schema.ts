/** How the tables are made, the same on all three databases but for the names of types. */
import { type ColumnDataType, type CreateTableBuilder, type RawBuilder, sql } from 'kysely';
import type { Database } from './database.js';
import type { Tables } from './tables.js';
import { upsert } from './upsert.js';

type Table = CreateTableBuilder<string, string>;
type Type = ColumnDataType | RawBuilder<unknown>;

interface Types {
  /** Text of at most so many characters, in which "a", "A" and "a " are three. */
  text(length: number): Type;
  /** As long as it gets. */
  longText: Type;
}

async function typesOf({ kind, tables }: Database): Promise<Types> {
  if (kind !== 'mysql') return { text: (length) => `varchar(${length})`, longText: 'text' };
  // Each has a collation of its own that compares characters as they are, and does not pad with spaces.
  const { rows } = await sql<{ version: string }>`select version() as version`.execute(tables);
  const collation = rows[0]?.version.includes('MariaDB') ? 'utf8mb4_nopad_bin' : 'utf8mb4_0900_bin';
  const exact = `character set utf8mb4 collate ${collation}`;
  return {
    text: (length) => sql.raw(`varchar(${length}) ${exact}`),
    longText: sql.raw(`mediumtext ${exact}`),
  };
}

/**
 * On MySQL the engine and the format of rows are named: a server may have others by default, without transactions, or
 * with too little space for our keys.
 */
export function createTable({ kind, tables }: Database, name: keyof Tables): Table {
  const table = tables.schema.createTable(name).ifNotExists();
  return kind === 'mysql' ? table.modifyEnd(sql`engine = InnoDB row_format = dynamic`) : table;
}

/** Each step may be done again: MySQL can't take back half of them, so a start that was cut short begins once more. */
export async function createTables(database: Database): Promise<void> {
  const { text, longText } = await typesOf(database);
  const table = (name: keyof Tables): Table => createTable(database, name);

  await numbered(database, table('faye_channels'))
    .addColumn('name', text(255), (name) => name.notNull().unique())
    .execute();

  await table('faye_channel_online_lists')
    .addColumn('channel_id', 'bigint', (id) => id.primaryKey())
    .addColumn('user_info_list', longText, (list) => list.notNull())
    .addColumn('lock_version', 'integer', (version) => version.notNull())
    .addColumn('is_stale', 'smallint', (stale) => stale.notNull())
    .addColumn('updated_at', 'bigint', (at) => at.notNull())
    .execute();

  await table('faye_user_online_times')
    .addColumn('uid', text(128), (uid) => uid.notNull())
    .addColumn('channel_id', 'bigint', (id) => id.notNull())
    .addColumn('spent_ms', 'bigint', (spent) => spent.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('visible_ms', 'bigint', (visible) => visible.notNull())
    .addColumn('visible_since', 'bigint')
    .addPrimaryKeyConstraint('faye_user_online_times_key', ['uid', 'channel_id'])
    .execute();

  await numbered(database, table('faye_user_login_logs'))
    .addColumn('status', 'smallint', (status) => status.notNull())
    .addColumn('uid', text(128), (uid) => uid.notNull())
    .addColumn('t', 'bigint', (t) => t.notNull())
    .addColumn('channel_id', 'bigint', (id) => id.notNull())
    .addColumn('clientId', text(255), (clientId) => clientId.notNull())
    .execute();

  await numbered(database, table('faye_online_stays'))
    .addColumn('channel_id', 'bigint', (id) => id.notNull())
    .addColumn('clientId', text(255), (clientId) => clientId.notNull())
    .addColumn('uid', text(128), (uid) => uid.notNull())
    .addColumn('started_at', 'bigint', (at) => at.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('ending', text(8))
    .addColumn('visible_ms', 'bigint', (visible) => visible.notNull())
    .addColumn('visible_since', 'bigint')
    .addColumn('epoch', text(64), (epoch) => epoch.notNull())
    .addColumn('node', text(128), (node) => node.notNull())
    .addUniqueConstraint('faye_online_stays_key', ['clientId', 'channel_id', 'started_at'])
    .execute();

  await numbered(database, table('faye_online_visibility'))
    .addColumn('clientId', text(255), (clientId) => clientId.notNull())
    .addColumn('hidden', 'smallint', (hidden) => hidden.notNull())
    .addColumn('started_at', 'bigint', (at) => at.notNull())
    .addColumn('ended_at', 'bigint')
    .addUniqueConstraint('faye_online_visibility_key', ['clientId', 'started_at'])
    .execute();

  await table('faye_online_users')
    .addColumn('uid', text(128), (uid) => uid.primaryKey())
    .addColumn('info', longText)
    .addColumn('seen_at', 'bigint', (at) => at.notNull())
    .execute();

  await table('faye_online_nodes')
    .addColumn('node', text(128), (node) => node.primaryKey())
    .addColumn('seen_at', 'bigint', (at) => at.notNull())
    .execute();

  await table('faye_online_written')
    .addColumn('epoch', text(64), (epoch) => epoch.notNull())
    .addColumn('partition_number', 'integer', (number) => number.notNull())
    .addColumn('entry', text(64), (entry) => entry.notNull())
    .addColumn('written_at', 'bigint', (at) => at.notNull())
    .addPrimaryKeyConstraint('faye_online_written_key', ['epoch', 'partition_number', 'entry'])
    .execute();

  await table('faye_online_turn')
    .addColumn('id', 'integer', (id) => id.primaryKey())
    .addColumn('turns', 'bigint', (turns) => turns.notNull())
    .execute();
  await upsert(database, 'faye_online_turn', [{ id: 1, turns: 0 }], ['id'], []);

  await createTimeChannels(database);
  await createIndexes(database);
}

export async function createTimeChannels(database: Database): Promise<void> {
  await createTable(database, 'faye_online_time_channels')
    .addColumn('channel_id', 'bigint', (id) => id.primaryKey())
    .execute();
}

/** A number of its own for each row, in the order of writing. */
function numbered({ kind }: Database, table: Table): Table {
  if (kind === 'postgres') return table.addColumn('id', 'bigserial', (id) => id.primaryKey());
  const type = kind === 'sqlite' ? 'integer' : 'bigint';
  return table.addColumn('id', type, (id) => id.primaryKey().autoIncrement());
}

/** By name: what each is on. */
const INDEXES: Record<string, [table: string, columns: string[]]> = {
  faye_online_times_of_channel: ['faye_user_online_times', ['channel_id']],
  // The gem's own; it serves the newest rows, and retention, too.
  faye_online_log_by_time: ['faye_user_login_logs', ['t', 'channel_id', 'uid']],
  faye_online_log_of_user: ['faye_user_login_logs', ['uid', 't']],
  faye_online_log_of_channel: ['faye_user_login_logs', ['channel_id', 't']],
  faye_online_stays_of_user: ['faye_online_stays', ['uid', 'channel_id', 'ended_at']],
  // Who is in (null), and what retention may remove.
  faye_online_stays_by_end: ['faye_online_stays', ['ended_at', 'channel_id']],
  faye_online_visibility_by_end: ['faye_online_visibility', ['clientId', 'ended_at']],
  // For retention.
  faye_online_visibility_by_start: ['faye_online_visibility', ['started_at']],
  faye_online_lists_by_state: ['faye_channel_online_lists', ['is_stale', 'updated_at']],
  faye_online_written_by_time: ['faye_online_written', ['written_at']],
};

async function createIndexes(database: Database): Promise<void> {
  const { kind, tables } = database;
  // MySQL alone does not know `if not exists` of an index.
  const known = kind === 'mysql' ? await indexNames(database) : new Set();
  for (const [name, [table, columns]] of Object.entries(INDEXES)) {
    if (known.has(name)) continue;
    const index = tables.schema.createIndex(name).on(table).columns(columns);
    await (kind === 'mysql' ? index : index.ifNotExists()).execute();
  }
}

async function indexNames({ tables }: Database): Promise<Set<string>> {
  const { rows } = await sql<{ name: string }>`
    select distinct index_name as name from information_schema.statistics where table_schema = database()
  `.execute(tables);
  return new Set(rows.map(({ name }) => name));
}
