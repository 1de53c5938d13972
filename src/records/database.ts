/** One code for three databases: SQLite, MySQL or MariaDB, and PostgreSQL. */
import { type Dialect, Kysely, MysqlDialect, PostgresDialect, sql } from 'kysely';
import { createPool } from 'mysql2';
import pg from 'pg';
import { describePlace, type Kind, type Place, placeOf } from './database-url.js';
import { SqliteDialect } from './sqlite-dialect.js';
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
}

/** Milliseconds until an attempt to connect has failed. */
const CONNECT_TIMEOUT = 5_000;
/** Milliseconds until a question has failed: a server that hangs would be waited for without end. */
const QUERY_TIMEOUT = 60_000;
/** Reports don't wait for the writer, nor for each other. */
const CONNECTIONS = 5;

/**
 * Connects, and asks once, to be sure. Rejects where the database can't be reached: nothing of the attempt is left, and
 * it may be called again. Throws at once for a URL that is none of ours. A connection that breaks later is made anew by
 * the next question; those that were under way reject.
 */
export async function connect(url: string): Promise<OpenDatabase> {
  const place = placeOf(url);
  const tables = new Kysely<Tables>({ dialect: dialectOf(place) });
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
  };
}

function dialectOf(place: Place): Dialect {
  if (place.kind === 'sqlite') return new SqliteDialect(place.file);
  return place.kind === 'mysql' ? mysql(place.url) : postgres(place.url);
}

function mysql(uri: string): Dialect {
  const pool = createPool({
    uri,
    charset: 'utf8mb4',
    connectTimeout: CONNECT_TIMEOUT,
    connectionLimit: CONNECTIONS,
    // Sums are decimals there, and would come as text.
    decimalNumbers: true,
  });
  return new MysqlDialect({ pool });
}

const INT8 = 20;
const NUMERIC = 1700;

function postgres(connectionString: string): Dialect {
  const pool = new pg.Pool({
    connectionString,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: QUERY_TIMEOUT,
    keepAlive: true,
    max: CONNECTIONS,
    // Both would come as text; no time, count or sum of ours goes beyond 2^53.
    types: {
      getTypeParser: (type: number, format?: 'text' | 'binary') =>
        type === INT8 || type === NUMERIC ? Number : pg.types.getTypeParser(type, format as 'text'),
    },
  });
  // A connection that breaks is taken out of the pool, and the next question on it rejects. The pool tells of those that
  // nobody has, and one within a transaction tells by itself; unheard, either would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return new PostgresDialect({ pool });
}
