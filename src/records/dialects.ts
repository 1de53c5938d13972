/** What Kysely speaks to each database by, and how to let go of one that does not answer. */
import type { Duplex } from 'node:stream';
import { type Dialect, MysqlDialect, PostgresDialect } from 'kysely';
import { createPool, type PoolConnection } from 'mysql2';
import pg from 'pg';
import type { Place } from './database-url.js';
import { MysqlSessions } from './mysql-sessions.js';
import { SqliteDialect } from './sqlite-dialect.js';

/** Milliseconds until an attempt to connect has failed. */
const CONNECT_TIMEOUT = 5_000;
/** Milliseconds until a question has failed: a server that hangs would be waited for without end. */
const QUERY_TIMEOUT = 60_000;
/** Reports don't wait for the writer, nor for each other. */
const CONNECTIONS = 5;

/** Milliseconds after which the system asks a silent connection whether it is still there. */
const KEEP_ALIVE = 10_000;

/**
 * Statements that a MySQL connection keeps prepared. Many are used once, since their text has as many placeholders as
 * there are values; a server keeps some 16,000 for all of its clients.
 */
const PREPARED_STATEMENTS = 50;

export interface Speaking {
  dialect: Dialect;
  /** Cuts all connections: what is under way rejects. */
  abandon(): void;
}

/** `patience`: for how many milliseconds to wait for another process that writes to the same SQLite file. */
export function dialectOf(place: Place, patience: number): Speaking {
  if (place.kind === 'sqlite') {
    const dialect = new SqliteDialect(place.file, patience);
    return { dialect, abandon: () => dialect.abandon() };
  }
  return place.kind === 'mysql' ? mysql(place.url) : postgres(place.url);
}

function mysql(uri: string): Speaking {
  const pool = createPool({
    uri,
    charset: 'utf8mb4',
    connectTimeout: CONNECT_TIMEOUT,
    connectionLimit: CONNECTIONS,
    enableKeepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE,
    maxPreparedStatements: PREPARED_STATEMENTS,
    // Sums are decimals there, and would come as text.
    decimalNumbers: true,
  });
  const streams = new Set<Duplex>();
  pool.on('connection', (connection: PoolConnection) => {
    // Its types do not tell of it.
    const { stream } = connection as unknown as { stream: Duplex };
    streams.add(stream);
    stream.once('close', () => streams.delete(stream));
  });
  const gone = new Error('MySQL does not answer');
  // With its own word for it, `destroy`, whoever waits for an answer would wait for ever.
  const abandon = () => {
    for (const stream of streams) stream.destroy(gone);
  };
  return { dialect: new MysqlDialect({ pool: new MysqlSessions(pool) }), abandon };
}

/**
 * Of each PostgreSQL session, whatever its server, database or user has. Writers wait for each other at one row, and then
 * read what the last one committed. The search path is left alone, which says where the tables are; so is
 * `default_transaction_read_only`, by which providers protect a disk that is almost full.
 */
const POSTGRES_SETTINGS = `
  set default_transaction_isolation = 'read committed';
  set standard_conforming_strings = on;
  set statement_timeout = ${QUERY_TIMEOUT};
  set lock_timeout = 0;
  set datestyle = 'ISO, YMD';
  set timezone = 'UTC';
`;

const INT8 = 20;
const NUMERIC = 1700;

function postgres(connectionString: string): Speaking {
  const clients = new Set<pg.PoolClient>();
  const pool = new pg.Pool({
    connectionString,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: QUERY_TIMEOUT,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE,
    max: CONNECTIONS,
    allowExitOnIdle: true,
    // What it returns is waited for, which its types do not say.
    onConnect: (client: pg.PoolClient) => {
      client.on('error', () => {});
      client.once('end', () => clients.delete(client));
      clients.add(client);
      return client.query(POSTGRES_SETTINGS) as unknown as undefined;
    },
    // Both would come as text; no time, count or sum of ours goes beyond 2^53.
    types: {
      getTypeParser: (type: number, format?: 'text' | 'binary') =>
        type === INT8 || type === NUMERIC ? Number : pg.types.getTypeParser(type, format as 'text'),
    },
  } as pg.PoolConfig);
  // A connection that breaks is taken out of the pool, and the next question on it rejects. The pool tells of those that
  // nobody has, and one within a transaction tells by itself; unheard, either would end the process.
  pool.on('error', () => {});
  const abandon = () => {
    for (const { connection } of clients) connection.stream.destroy();
  };
  return { dialect: new PostgresDialect({ pool }), abandon };
}
