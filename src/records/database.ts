/** One code for three databases: SQLite, MySQL or MariaDB, and PostgreSQL. */
import { Kysely, sql } from 'kysely';
import { describePlace, type Kind, placeOf } from './database-url.js';
import { dialectOf } from './dialects.js';
import type { Tables } from './tables.js';

/** A database, or a transaction in it. */
export interface Database {
  readonly kind: Kind;
  readonly tables: Kysely<Tables>;
}

export interface OpenDatabase extends Database {
  /** For people and logs, without a password. */
  readonly description: string;
  close(): Promise<void>;
  /** Of a database that does not answer: what is under way rejects, and nothing is waited for. Close it nevertheless. */
  abandon(): void;
}

/** Milliseconds to wait for another process that writes to the same SQLite file. */
const PATIENCE = 5_000;

/**
 * Connects, and asks once, to be sure. Rejects where the database can't be reached: nothing of the attempt is left, and
 * it may be called again. Throws at once for a URL that is none of ours. A connection that breaks later is made anew by
 * the next question; those that were under way reject.
 */
export async function connect(url: string, patience = PATIENCE): Promise<OpenDatabase> {
  const place = placeOf(url);
  const { dialect, abandon } = dialectOf(place, patience);
  const tables = new Kysely<Tables>({ dialect });
  try {
    await sql`select 1`.execute(tables);
  } catch (error) {
    // What can't be opened may not be closable either; the first error is the one to know.
    await tables.destroy().catch(() => {});
    throw error;
  }
  return {
    kind: place.kind,
    tables,
    description: describePlace(place),
    close: () => tables.destroy(),
    abandon,
  };
}
