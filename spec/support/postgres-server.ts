/** A real PostgreSQL on a port of its own. */
import { execFile } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from './ports.js';
import { lesserUser, program, SqlProcess } from './sql-process.js';
import { until } from './until.js';

const run = promisify(execFile);

/** Nothing waits for the disk: what is committed is there after the process was killed; the machine is not. */
const FAST = ['-F'];

export class PostgresServer {
  private databases = 0;
  /** Processes that stand still beside its first one. */
  private paused: number[] = [];

  private constructor(
    private readonly port: number,
    private readonly folder: string,
    private readonly server: SqlProcess,
  ) {}

  /** `options`: more of postgres', as its command line has them. */
  static async start(options: readonly string[] = FAST): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), 'faye-online-postgres-'));
    const user = await lesserUser();
    if (user) await chown(folder, user.uid, user.gid);
    const data = join(folder, 'data');
    await run(
      program('initdb'),
      ['-D', data, '-U', 'spec', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
      { cwd: folder, ...user },
    );
    const port = await freePort();
    const args = ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', folder, ...options];
    const postgres = new SqlProcess(program('postgres'), args, { cwd: folder, ...user });
    const server = new PostgresServer(port, folder, postgres);
    await server.start();
    return server;
  }

  /** Starts it again after `stop`, with its data. */
  async start(): Promise<void> {
    await this.server.start();
    await until(() => this.answers(), `postgres on port ${this.port} to answer`, 30_000);
  }

  /** At once, as a crash would, but with all of its processes. */
  async stop(): Promise<void> {
    await this.server.stop('SIGQUIT');
  }

  /** With the processes of all its connections; no more can come. */
  pause(): void {
    this.server.signal('SIGSTOP');
    this.paused = this.server.children;
    for (const pid of this.paused) signal(pid, 'SIGSTOP');
  }

  resume(): void {
    for (const pid of this.paused.splice(0)) signal(pid, 'SIGCONT');
    this.server.signal('SIGCONT');
  }

  /** An empty database of its own. `options`: more of how it is created. */
  async database(options = ''): Promise<string> {
    this.databases += 1;
    const name = `spec_${this.databases}`;
    await this.ask(`create database ${name} ${options}`);
    return `postgres://spec@127.0.0.1:${this.port}/${name}`;
  }

  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async ask(sql: string): Promise<void> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.port,
      user: 'spec',
      database: 'postgres',
    });
    // As the server goes down or comes up, it breaks off even what was answered.
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query(sql);
    } finally {
      await client.end();
    }
  }

  private async answers(): Promise<boolean> {
    if (!this.server.isRunning) throw new Error('postgres ended as it was started');
    return this.ask('select 1').then(
      () => true,
      () => false,
    );
  }
}

/** It may have ended by itself. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // So it has.
  }
}
