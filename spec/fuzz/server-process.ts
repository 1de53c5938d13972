/** The fuzz's side of the process of its server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.js';
import type { Answers, FromServer, Profile, Question, Report } from './wire.js';

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));
/** Megabytes that the server may take, however much it is sent. */
const HEAP = 256;
/** Milliseconds in which it stops. */
const STOP = 10_000;

export class ServerProcess {
  private readonly answers = new Map<number, (answer: unknown) => void>();
  private next = 1;
  private out = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly onReport: (report: Report) => void,
  ) {
    child.on('message', (message: FromServer) => this.receive(message));
    // The server logs errors only: each is one.
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => this.said(String(chunk)));
    child.once('exit', (code, signal) => {
      if (!this.stopping)
        onReport({ report: 'fault', what: 'the process ended', detail: `${code ?? signal} ${this.out}` });
      for (const answer of this.answers.values()) answer(undefined);
    });
  }

  private stopping = false;

  static async start(profile: Profile, onReport: (report: Report) => void): Promise<ServerProcess> {
    const flags = ['--expose-gc', `--max-old-space-size=${HEAP}`, '--import', 'tsx'];
    // Warnings are reported, and not printed.
    const env = { ...process.env, NODE_ENV: 'production', NODE_NO_WARNINGS: '1' };
    const child = spawn(process.execPath, [...flags, CHILD, profile], {
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const server = new ServerProcess(child, onReport);
    await Promise.race([once(child, 'message'), once(child, 'exit')]);
    return server;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Undefined where the process has ended. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q['ask']] | undefined> {
    if (!this.alive) return Promise.resolve(undefined);
    const id = this.next++;
    return new Promise((resolve) => {
      this.answers.set(id, (answer) => resolve(answer as Answers[Q['ask']]));
      this.child.send({ ...question, id });
    });
  }

  /** As an operator would. False where it takes too long. */
  async stop(): Promise<boolean> {
    let stopped = false;
    this.ask({ ask: 'stop' }).then(() => {
      stopped = true;
    });
    await until(() => stopped, 'the server to stop', STOP).catch(() => {});
    await this.end();
    return stopped;
  }

  async end(): Promise<void> {
    this.stopping = true;
    if (!this.alive) return;
    this.child.kill('SIGKILL');
    await until(() => !this.alive, 'the server to end');
  }

  private receive(message: FromServer): void {
    if ('report' in message) {
      this.onReport(message);
      return;
    }
    const answer = this.answers.get(message.id);
    this.answers.delete(message.id);
    answer?.(message.answer);
  }

  private said(text: string): void {
    this.out = (this.out + text).slice(-2_000);
    this.onReport({ report: 'fault', what: 'the server logged an error', detail: text });
  }
}
