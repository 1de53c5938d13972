/** A real MariaDB on a port of its own. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { freePort } from './ports.js';
import { program, SqlProcess } from './sql-process.js';
import { until } from './until.js';

const run = promisify(execFile);

/** Little memory, and nothing waits for the disk: the process is killed, the machine is not. */
export const FAST = [
  '--innodb-buffer-pool-size=32M',
  '--innodb-log-file-size=16M',
  '--innodb-flush-log-at-trx-commit=2',
  '--innodb-flush-method=nosync',
  '--innodb-doublewrite=0',
];

export class MariadbServer {
  private databases = 0;

  private constructor(
    private readonly port: number,
    private readonly folder: string,
    private readonly server: SqlProcess,
  ) {}

  /** `options`: more of mariadbd's, as its command line has them. */
  static async start(options: readonly string[] = FAST): Promise<MariadbServer> {
    const folder = await mkdtemp(join(tmpdir(), 'faye-online-mariadb-'));
    const data = join(folder, 'data');
    const user = `--user=${userInfo().username}`;
    const install = program('mariadb-install-db', 'mysql_install_db');
    await run(install, [
      '--no-defaults',
      `--datadir=${data}`,
      user,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ]);
    const port = await freePort();
    const args = [
      '--no-defaults',
      `--datadir=${data}`,
      user,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--socket=${join(folder, 'socket')}`,
      `--pid-file=${join(folder, 'pid')}`,
      ...options,
    ];
    const path = program('mariadbd', 'mysqld');
    const server = new MariadbServer(port, folder, new SqlProcess(path, args, { cwd: folder }));
    await server.start();
    return server;
  }

  /** Starts it again after `stop`, with its data. */
  async start(): Promise<void> {
    await this.server.start();
    await until(() => this.answers(), `mariadbd on port ${this.port} to answer`, 30_000);
  }

  async stop(): Promise<void> {
    await this.server.stop('SIGKILL');
  }

  pause(): void {
    this.server.signal('SIGSTOP');
  }

  resume(): void {
    this.server.signal('SIGCONT');
  }

  /** An empty database of its own. */
  async database(): Promise<string> {
    this.databases += 1;
    const name = `spec_${this.databases}`;
    await this.ask(`create database ${name}`);
    return `mysql://root@127.0.0.1:${this.port}/${name}`;
  }

  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async ask(sql: string): Promise<void> {
    const connection = await createConnection({ host: '127.0.0.1', port: this.port, user: 'root' });
    try {
      await connection.query(sql);
    } finally {
      connection.destroy();
    }
  }

  private async answers(): Promise<boolean> {
    if (!this.server.isRunning) throw new Error('mariadbd ended as it was started');
    return this.ask('select 1').then(
      () => true,
      () => false,
    );
  }
}
