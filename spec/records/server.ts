/** What the specs of records run on: a server of each kind, and databases of their own in it. */
import { MariadbServer } from '../support/mariadb-server.js';
import { PostgresServer } from '../support/postgres-server.js';
import { SqliteFiles } from '../support/sqlite-files.js';

export interface SqlServer {
  /** The URL of an empty database of its own. */
  database(): Promise<string>;
  dispose(): Promise<void>;
  /** Of a server that can be ended and come back with its data. */
  stop?(): Promise<void>;
  start?(): Promise<void>;
  /** Of one that can be made to hang. */
  pause?(): void;
  resume?(): void;
}

export const servers: Record<string, { start(): Promise<SqlServer> }> = {
  SQLite: SqliteFiles,
  MariaDB: MariadbServer,
  PostgreSQL: PostgresServer,
};
