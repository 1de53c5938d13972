/** A child process that is asked questions over IPC. Each that was started here is ended here, by its own handle. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Question, Reply } from './answer.js';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** What the servers read from their environment must not differ from machine to machine. */
const ENVIRONMENT = ['PORT', 'HOST', 'REDIS_URL', 'DATABASE_URL', 'NODE_ENV', 'LOG_LEVEL', 'NODE_OPTIONS'];
const CHOSEN = /^FAYE_ONLINE_/;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class Child {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;

  /** `file` from bench/, without its suffix. */
  constructor(
    private readonly file: string,
    flags: readonly string[] = [],
  ) {
    const path = fileURLToPath(new URL(`../${file}.ts`, import.meta.url));
    this.child = fork(path, { execArgv: ['--import', 'tsx', ...flags], env: environment() });
    running.add(this.child);
    this.child.on('message', (reply: Reply) => this.heard(reply));
    this.child.on('exit', (code, signal) => this.gone(`exit code ${code}, signal ${signal}`));
  }

  ask<T>(name: string, argument?: unknown): Promise<T> {
    const id = this.asked++;
    return new Promise<unknown>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, name, argument } satisfies Question);
    }) as Promise<T>;
  }

  /** Lets it exit by itself, so that a profile is written. */
  async stop(): Promise<void> {
    if (!running.has(this.child)) return;
    const exit = once(this.child, 'exit');
    this.child.disconnect();
    const late = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await exit;
    clearTimeout(late);
  }

  /** As a crash ends it. */
  async kill(): Promise<void> {
    if (!running.has(this.child)) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }

  private heard({ id, value, error }: Reply): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(`${this.file}: ${error}`));
  }

  private gone(how: string): void {
    running.delete(this.child);
    for (const { reject } of this.waiting.values()) reject(new Error(`${this.file} ended: ${how}`));
    this.waiting.clear();
  }
}

function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !ENVIRONMENT.includes(name) && !CHOSEN.test(name),
  );
  return Object.fromEntries(kept);
}
