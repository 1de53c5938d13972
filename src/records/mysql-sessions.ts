/**
 * MySQL as Kysely uses it. Values are bound to prepared statements: as text of a statement they would have to be escaped,
 * and how depends on the `sql_mode` of the session. And each session has settings of its own, whatever its server's are.
 */
import type { MysqlPool, MysqlPoolConnection } from 'kysely';
import mysql, { type Pool, type PoolConnection } from 'mysql2';

/** For each: what goes wrong with another value that a server may have. */
const SETTINGS = [
  // Text is sent and read in UTF-8, whatever the server takes for its clients' (`skip-character-set-client-handshake`).
  'set names utf8mb4',
  // Text that is too long is an error, and not cut; no quotes, slashes or spaces mean something else. The gem may have
  // dates of zero, which are to be read.
  "set session sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
  // Writers wait for each other at one row: with a stricter level, reports would wait, too.
  'set session transaction isolation level repeatable read',
  [
    'set session autocommit = 1',
    "time_zone = '+00:00'",
    // Every writer changes one row without a condition.
    'sql_safe_updates = 0',
    // Rows beyond these would be missing without a word, or refused.
    'sql_select_limit = 18446744073709551615',
    'sql_big_selects = 1',
    'sql_auto_is_null = 0',
    'unique_checks = 1',
    // Seconds: connections of the pool may be idle for a while.
    'wait_timeout = 28800',
  ].join(', '),
];

export class MysqlSessions implements MysqlPool {
  private readonly sessions = new WeakMap<PoolConnection, MysqlSession>();

  constructor(private readonly pool: Pool) {}

  getConnection(callback: (error: unknown, session: MysqlPoolConnection) => void): void {
    this.pool.getConnection((error, connection) => {
      // Kysely does not look at the session where there is an error.
      if (error) callback(error, undefined as never);
      else
        this.sessionOf(connection).then(
          (session) => callback(undefined, session),
          (reason) => callback(reason, undefined as never),
        );
    });
  }

  end(callback: (error: unknown) => void): void {
    this.pool.end(callback);
  }

  private async sessionOf(connection: PoolConnection): Promise<MysqlSession> {
    const known = this.sessions.get(connection);
    if (known) return known;
    try {
      for (const setting of SETTINGS) await connection.promise().query(setting);
    } catch (error) {
      connection.destroy();
      throw error;
    }
    const session = new MysqlSession(connection);
    this.sessions.set(connection, session);
    return session;
  }
}

class MysqlSession implements MysqlPoolConnection {
  constructor(private readonly connection: PoolConnection) {}

  query(sql: string, parameters: readonly unknown[]): never;
  query(sql: string, parameters: readonly unknown[], callback: (error: unknown, result: never) => void): void;
  query(
    sql: string,
    parameters: readonly unknown[],
    callback?: (error: unknown, result: never) => void,
  ): void {
    if (!callback) throw new Error('Rows are not read one by one from MySQL');
    // Some statements can't be prepared; none of those has a value.
    if (parameters.length === 0) this.connection.query(sql, callback as never);
    else this.connection.execute(sql, parameters.map(bound) as never, callback as never);
  }

  release(): void {
    this.connection.release();
  }
}

/** What is undefined is null, as in the other databases. Numbers would be bound as floating-point numbers, which MySQL takes no `limit` from. */
const bound = (value: unknown): unknown =>
  value === undefined
    ? null
    : typeof value === 'bigint' || Number.isSafeInteger(value)
      ? mysql.TypedParameter.LONGLONG(value as number)
      : value;
