/** One run of a program in a process of its own: what it printed and how it ended. */
import { type ChildProcess, type SpawnOptionsWithoutStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from './until.js';

export class Run {
  out = '';
  err = '';
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;
  private isClosed = false;

  constructor(program: string, args: readonly string[], options: SpawnOptionsWithoutStdio) {
    const child = spawn(program, args, options);
    child.stdout.on('data', (chunk: Buffer) => {
      this.out += String(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.err += String(chunk);
    });
    this.child = child;
    this.closed = once(child, 'close').finally(() => {
      this.isClosed = true;
    });
  }

  /** Its exit code once it has ended by itself; null where a signal ended it. Fails after `limit` ms. */
  async exitCode(limit?: number): Promise<number | null> {
    await this.until(() => this.isClosed, 'the process to end', limit);
    return this.child.exitCode;
  }

  /** The first match in what it prints. Fails at once where it ends without. */
  async printed(pattern: RegExp): Promise<string> {
    const matched = () => pattern.exec(this.out)?.[0];
    await this.until(() => matched() || this.isClosed, `${pattern} to be printed`);
    const match = matched();
    if (match === undefined) throw new Error(`It ended without printing ${pattern}; ${this.said()}`);
    return match;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async end(): Promise<void> {
    if (!this.isClosed) this.child.kill('SIGKILL');
    await this.closed;
  }

  private async until(condition: () => unknown, what: string, limit?: number): Promise<void> {
    await until(condition, what, limit).catch((cause: Error) => {
      throw new Error(`${cause.message}; ${this.said()}`, { cause });
    });
  }

  private said(): string {
    return `it said ${JSON.stringify(this.out)} and ${JSON.stringify(this.err)}`;
  }
}
