/** Whether a database can be in use elsewhere, where it is a file that processes open. */
import { sql } from 'kysely';
import type { Database } from './database.js';

/**
 * The moment, in milliseconds since 1970, at which nobody else had the SQLite file open: no server, no command, whatever
 * its container. Undefined where somebody has, and for all other databases. To be asked between transactions.
 *
 * The file can leave the WAL mode only while it is open once; a process that has died does not have it open.
 */
export async function soleOwnerAt({ kind, tables }: Database): Promise<number | undefined> {
  if (kind !== 'sqlite') return undefined;
  if (!(await leavesWal(tables))) return undefined;
  const at = Date.now();
  await sql`pragma journal_mode = wal`.execute(tables);
  return at;
}

async function leavesWal(tables: Database['tables']): Promise<boolean> {
  try {
    const { rows } = await sql<{ journal_mode: string }>`pragma journal_mode = delete`.execute(tables);
    return rows[0]?.journal_mode === 'delete';
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY'))
      return false;
    throw error;
  }
}
