/**
 * Real databases for what is recorded, each started when it is first needed. Unlike those of the specs they wait for the
 * disk as they do by default: a commit of MariaDB or PostgreSQL is there after the machine has lost its power.
 */
import type { SqlServer } from '../../spec/records/server.js';
import { MariadbServer } from '../../spec/support/mariadb-server.js';
import { PostgresServer } from '../../spec/support/postgres-server.js';
import { SqliteFiles } from '../../spec/support/sqlite-files.js';

const START = {
  SQLite: (): Promise<SqlServer> => SqliteFiles.start(),
  MariaDB: (): Promise<SqlServer> => MariadbServer.start([]),
  PostgreSQL: (): Promise<SqlServer> => PostgresServer.start([]),
};

export type DatabaseName = keyof typeof START;
export const DATABASES = Object.keys(START) as DatabaseName[];

const running = new Set<SqlServer>();
process.on('exit', () => {
  // The signal is sent before anything is waited for.
  for (const server of running) server.stop?.().catch(() => {});
});

export class Databases {
  private readonly servers = new Map<DatabaseName, SqlServer>();

  /** Of one that is empty. For one caller at a time. */
  async url(name: DatabaseName): Promise<string> {
    const server = this.servers.get(name) ?? (await START[name]());
    this.servers.set(name, server);
    running.add(server);
    return server.database();
  }

  async dispose(): Promise<void> {
    for (const server of this.servers.values()) {
      await server.dispose();
      running.delete(server);
    }
  }
}
