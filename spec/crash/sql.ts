/** The database of a run, which can be killed, and made to hang. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { placeOf } from '../../src/records/database-url.js';
import type { SqlServer } from '../records/server.js';
import { MariadbServer } from '../support/mariadb-server.js';
import { PostgresServer } from '../support/postgres-server.js';
import { SqliteFiles } from '../support/sqlite-files.js';

export const DATABASES = ['sqlite', 'mariadb', 'postgres'] as const;
export type DatabaseName = (typeof DATABASES)[number];

const START: Record<DatabaseName, () => Promise<SqlServer>> = {
  sqlite: () => SqliteFiles.start(),
  mariadb: () => MariadbServer.start(),
  postgres: () => PostgresServer.start(),
};
const LOCKER = fileURLToPath(new URL('./locker.ts', import.meta.url));

export class Sql {
  private locker: ChildProcess | undefined;

  private constructor(
    private readonly server: SqlServer,
    readonly url: string,
  ) {}

  static async start(name: DatabaseName): Promise<Sql> {
    const server = await START[name]();
    return new Sql(server, await server.database());
  }

  /** Kills the server, and with SQLite, after `down`, whoever is in the midst of writing. */
  async crash(down: () => Promise<void>): Promise<void> {
    const { server } = this;
    if (!server.stop || !server.start) return this.lock(down);
    await server.stop();
    await down();
    await server.start();
  }

  async hang(down: () => Promise<void>): Promise<void> {
    const { server } = this;
    if (!server.pause || !server.resume) return this.lock(down);
    server.pause();
    await down();
    server.resume();
  }

  async dispose(): Promise<void> {
    this.locker?.kill('SIGKILL');
    this.server.resume?.();
    await this.server.dispose();
  }

  private async lock(down: () => Promise<void>): Promise<void> {
    const place = placeOf(this.url);
    if (place.kind !== 'sqlite') throw new Error(`Expected an SQLite file to lock, got ${place.kind}`);
    const { file } = place;
    this.locker = spawn(process.execPath, ['--import', 'tsx', LOCKER, file], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const gone = once(this.locker, 'exit');
    // It ends where it could not: others were writing for too long.
    await Promise.race([once(this.locker, 'message'), gone]);
    await down();
    this.locker.kill('SIGKILL');
    await gone;
  }
}
