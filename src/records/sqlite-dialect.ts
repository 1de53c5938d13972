/** Kysely's SQLite, spoken by a thread of its own. */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';

/** Milliseconds to wait for another process that writes to the same file. */
const BUSY_TIMEOUT = 5_000;

type Failure = { error: { message: string; code?: string } };
type Answer = { result: QueryResult<unknown> } | Failure;

const errorOf = ({ error: { message, code } }: Failure): Error => Object.assign(new Error(message), { code });

export class SqliteDialect implements Dialect {
  private readonly driver: SqliteDriver;

  constructor(file: string) {
    this.driver = new SqliteDriver(file);
  }

  createDriver(): Driver {
    return this.driver;
  }

  /** Ends the thread: what is under way rejects. */
  abandon(): void {
    this.driver.abandon();
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): DialectAdapter {
    return new SqliteAdapter();
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}

class SqliteDriver implements Driver {
  private connection: SqliteConnection | undefined;
  /** Resolves when whoever has the connection now gives it back. */
  private turn = Promise.resolve();
  private giveBack: () => void = () => {};

  constructor(private readonly file: string) {}

  async init(): Promise<void> {
    if (this.file !== ':memory:') await mkdir(dirname(this.file), { recursive: true });
    this.connection = await SqliteConnection.open(this.file);
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const { turn } = this;
    let giveBack = () => {};
    this.turn = new Promise((resolve) => {
      giveBack = resolve;
    });
    await turn;
    this.giveBack = giveBack;
    try {
      // A thread that ended, and nobody had ended it, is no reason to go without.
      if (!this.connection || this.connection.hasEnded)
        this.connection = await SqliteConnection.open(this.file);
      return this.connection;
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  async releaseConnection(): Promise<void> {
    this.giveBack();
  }

  /** At once for writing: one that only reads first, and finds that another process wrote meanwhile, fails. */
  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  /** Where a disk is full, and after the like, SQLite has done so by itself; why is the error to know. */
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await connection.executeQuery(CompiledQuery.raw('rollback'));
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('no transaction is active'))) throw error;
    }
  }

  async destroy(): Promise<void> {
    await this.connection?.close();
  }

  abandon(): void {
    this.connection?.abandon();
  }
}

class SqliteConnection implements DatabaseConnection {
  private answered: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;
  private ended: Error | undefined;

  private constructor(private readonly worker: Worker) {
    worker.on('message', (answer: Answer) => this.answered?.resolve(answer));
    worker.on('error', (error: Error) => this.end(error));
    worker.on('exit', () => this.end(new Error('The SQLite file is closed')));
  }

  static async open(file: string): Promise<SqliteConnection> {
    const worker = new Worker(new URL('./sqlite-worker.mjs', import.meta.url), {
      workerData: { file, busyTimeout: BUSY_TIMEOUT },
    });
    const [opened] = (await once(worker, 'message')) as ['open' | Failure];
    if (opened !== 'open') throw errorOf(opened);
    // It keeps nobody from ending but while it is asked.
    worker.unref();
    return new SqliteConnection(worker);
  }

  get hasEnded(): boolean {
    return this.ended !== undefined;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.ended) throw this.ended;
    this.worker.ref();
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.answered = { resolve, reject };
      this.worker.postMessage({ sql: query.sql, parameters: query.parameters });
    }).finally(() => this.worker.unref());
    if ('error' in answer) throw errorOf(answer);
    return answer.result as QueryResult<Row>;
  }

  // biome-ignore lint/correctness/useYield: nothing of ours asks for rows one by one.
  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('Rows are not read one by one from SQLite');
  }

  async close(): Promise<void> {
    if (this.ended) return;
    const exit = once(this.worker, 'exit');
    this.worker.ref();
    this.worker.postMessage('close');
    await exit;
  }

  abandon(): void {
    this.end(new Error('The SQLite file does not answer'));
    this.worker.terminate().catch(() => {});
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.answered?.reject(this.ended);
  }
}
