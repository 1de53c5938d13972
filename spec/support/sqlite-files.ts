/** SQLite has no server: a folder of files, with the face of one. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class SqliteFiles {
  private databases = 0;

  private constructor(private readonly folder: string) {}

  static async start(): Promise<SqliteFiles> {
    return new SqliteFiles(await mkdtemp(join(tmpdir(), 'faye-online-sqlite-')));
  }

  /** An empty database of its own, in a folder that is not there yet. */
  async database(): Promise<string> {
    this.databases += 1;
    return `sqlite:${join(this.folder, String(this.databases), 'records.db')}`;
  }

  async dispose(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
