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

type Failure = { error: { message: string; code?: string } };
type Answer = { result: QueryResult<unknown> } | Failure;

const errorOf = ({ error: { message, code } }: Failure): Error => Object.assign(new Error(message), { code });

export class SqliteDialect implements Dialect {
  private readonly driver: SqliteDriver;

  /** `patience`: for how many milliseconds to wait for another process that writes to the same file. */
  constructor(file: string, patience: number) {
    this.driver = new SqliteDriver(file, patience);
  }

  createDriver(): Driver {
    return this.driver;
  }

  /** What is under way rejects. */
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

  constructor(
    private readonly file: string,
    private readonly patience: number,
  ) {}

  async init(): Promise<void> {
    if (this.file !== ':memory:') await mkdir(dirname(this.file), { recursive: true });
    await this.open();
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
      return this.connection?.hasEnded === false ? this.connection : await this.open();
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

  private async open(): Promise<SqliteConnection> {
    this.connection = await SqliteConnection.open(this.file, this.patience);
    return this.connection;
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

  static async open(file: string, busyTimeout: number): Promise<SqliteConnection> {
    const worker = new Worker(new URL('./sqlite-worker.mjs', import.meta.url), {
      workerData: { file, busyTimeout },
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

  /** It closes once it can. Terminated while it is in libsql, that would end the whole process. */
  abandon(): void {
    this.end(new Error('The SQLite file does not answer'));
    this.worker.postMessage('close');
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.answered?.reject(this.ended);
  }
}
