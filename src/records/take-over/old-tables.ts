/**
 * The tables of the Ruby gem, which have the names of ours and another shape. They are kept as they are, under other
 * names.
 */
import { sql } from 'kysely';
import type { Database } from '../database.js';
import { columnsOf } from '../existing-tables.js';

/** What is read of them, but for the log. */
export type OldTables = {
  old_faye_channels: { id: number; name: string | null };
  old_faye_user_online_times: {
    id: number;
    user_id: number | string | null;
    /** JSON of `<channel>_spended`, seconds, and `<channel>_started_at`, YYYYmmddHHMMSS on the server's wall. */
    online_times: string | null;
  };
};

/** By name: whether its columns are the gem's. */
const IS_OLD: Record<string, (columns: ReadonlySet<string>) => boolean> = {
  faye_channels: (columns) => columns.has('created_at'),
  faye_channel_online_lists: (columns) => columns.has('id'),
  faye_user_online_times: (columns) => columns.has('online_times'),
  faye_user_login_logs: (columns) => !columns.has('id'),
};

export const oldName = (table: string): string => `old_${table}`;

/** The names of those that are still under their own. */
export async function oldTables(database: Database): Promise<string[]> {
  const columns = await columnsOf(database);
  return Object.entries(IS_OLD).flatMap(([table, isOld]) => {
    const found = columns.get(table);
    return found && isOld(found) ? [table] : [];
  });
}

/** The names of those that were put aside. */
export async function asideTables(database: Database): Promise<Set<string>> {
  const columns = await columnsOf(database);
  return new Set(Object.keys(IS_OLD).filter((table) => columns.has(oldName(table))));
}

/** All or none: the one database that can't take back a half knows a statement for it. */
export async function putAside(database: Database): Promise<void> {
  const { kind, tables } = database;
  const old = await oldTables(database);
  if (old.length === 0) return;
  const aside = await asideTables(database);
  const taken = old.find((table) => aside.has(table));
  if (taken)
    throw new Error(`Expected no table "${oldName(taken)}": the gem's "${taken}" is to be kept by that name`);
  if (kind === 'mysql') {
    const renamings = old.map((table) => sql`${sql.table(table)} to ${sql.table(oldName(table))}`);
    await sql`rename table ${sql.join(renamings)}`.execute(tables);
    return;
  }
  for (const table of old) await tables.schema.alterTable(table).renameTo(oldName(table)).execute();
}
