/** The run's side of a node's process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answers, FromNode, NodeOptions, Question } from './wire.js';

const NODE = fileURLToPath(new URL('./node.ts', import.meta.url));
/** Lines of its log that are kept, of one that is traced, and characters of each. */
const LINES = 40;
const TRACED_LINES = 6_000;
const WIDTH = 400;
/** Milliseconds that it may take to answer, or to stop. */
const PATIENCE = 15_000;

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class NodeProcess {
  readonly log: string[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;

  private constructor(
    private readonly child: ChildProcess,
    private url: string,
    private readonly lines: number,
  ) {
    child.on('message', (message: FromNode) => this.receive(message));
    child.once('exit', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('the process has ended'));
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => this.said(String(text)));
  }

  /** `began` is told the id of the process as soon as there is one. */
  static async start(options: NodeOptions, began: (pid: number) => void): Promise<NodeProcess> {
    const { PORT, HOST, REDIS_URL, FAYE_ONLINE_SECRET, LOG_LEVEL, ...env } = process.env;
    const child = spawn(process.execPath, ['--import', 'tsx', NODE, JSON.stringify(options)], {
      env: { ...env, NODE_ENV: 'production' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    await once(child, 'spawn');
    began(child.pid as number);
    const node = new NodeProcess(child, '', options.traced ? TRACED_LINES : LINES);
    await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (node.url === '') throw new Error(`A node did not start: ${node.log.join('\n')}`);
    return node;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The Bayeux endpoint. */
  get endpoint(): string {
    return `${this.url}/faye`;
  }

  ask<Q extends Question>(question: Q): Promise<Answers[Q['ask']]> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      if (!this.isAlive) reject(new Error('the process has ended'));
      const timer = setTimeout(
        () => this.settle(id)?.reject(new Error('the node does not answer')),
        PATIENCE,
      );
      const done = () => clearTimeout(timer);
      this.waiting.set(id, {
        resolve: (answer) => {
          done();
          resolve(answer as Answers[Q['ask']]);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      this.child.send({ ...question, id }, () => {});
    });
  }

  /** As an operator would. One that takes too long is killed. */
  async stop(): Promise<void> {
    await this.ask({ ask: 'stop' }).catch((error: Error) => this.said(`it did not stop: ${error.message}`));
    await this.kill();
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }

  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  private receive(message: FromNode): void {
    if ('ready' in message) {
      this.url = message.ready;
      return;
    }
    const waiting = this.settle(message.id);
    if (message.error === undefined) waiting?.resolve(message.answer);
    else waiting?.reject(new Error(message.error));
  }

  private settle(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }

  private said(text: string): void {
    const lines = text.split('\n').filter(Boolean);
    this.log.push(...lines.map((line) => line.slice(0, WIDTH)));
    this.log.splice(0, Math.max(0, this.log.length - this.lines));
  }
}
