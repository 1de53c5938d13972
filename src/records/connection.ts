/** The database of a recorder: opened and migrated once it can be, and again after it was given up. */
import type { Logger } from 'pino';
import { connect, type OpenDatabase } from './database.js';
import { describePlace, placeOf } from './database-url.js';
import { type MigrateOptions, migrate } from './migrate.js';

/**
 * Milliseconds to wait for another process that writes to the same SQLite file. It is tried again in any case, and a
 * thread that waits can't be stopped.
 */
const PATIENCE = 500;

export interface ConnectionOptions {
  /** As `DATABASE_URL` has it. */
  url: string;
  migrate?: MigrateOptions | undefined;
  log: Logger;
}

export class Connection {
  /** For people and logs, without a password. */
  readonly description: string;
  private ready: OpenDatabase | undefined;
  private connected: OpenDatabase | undefined;
  private isClosed = false;

  /** Throws where the URL is none of ours. */
  constructor(private readonly options: ConnectionOptions) {
    this.description = describePlace(placeOf(options.url));
  }

  /** Undefined until it could be reached and is as it should be; it may be away again since. */
  get database(): OpenDatabase | undefined {
    return this.ready;
  }

  /** For one caller at a time. Rejects where it can't be reached, or not be migrated: then it may be tried again. */
  async opened(): Promise<OpenDatabase> {
    if (this.ready) return this.ready;
    const database = await connect(this.options.url, PATIENCE);
    this.connected = database;
    try {
      if (this.isClosed) throw new Error('The database was closed while it was opened');
      await this.bringUpToDate(database);
    } catch (error) {
      this.connected = undefined;
      await database.close();
      throw error;
    }
    this.ready = database;
    return database;
  }

  /** It does not answer: what is under way rejects, and the next one who needs it opens it anew. */
  giveUp(): void {
    const { ready } = this;
    if (!ready) return;
    this.ready = undefined;
    this.connected = undefined;
    ready.abandon();
    ready.close().catch(() => {});
  }

  /** For good. Resolves once what is under way has been answered. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.ready?.close();
  }

  /** For good, with all that is under way. */
  cut(): void {
    this.isClosed = true;
    this.connected?.abandon();
  }

  private async bringUpToDate(database: OpenDatabase): Promise<void> {
    const { log, migrate: options } = this.options;
    const { steps, takenOver } = await migrate(database, options);
    if (steps.length > 0) log.info({ steps }, `Records: ${this.description} is ready`);
    if (takenOver) log.info({ takenOver }, 'Records: a database of the Ruby gem was taken over');
  }
}
