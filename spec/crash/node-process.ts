/** The run's side of a node's process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FromNode, NodeOptions, Point } from './wire.js';

const NODE = fileURLToPath(new URL('./node.ts', import.meta.url));
/** Lines of its log that are kept, and characters of each. */
const LINES = 30;
const WIDTH = 400;

export class NodeProcess {
  readonly log: string[] = [];
  private url = '';

  private constructor(private readonly child: ChildProcess) {
    child.on('message', ({ ready }: FromNode) => {
      this.url = ready;
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => this.said(String(text)));
  }

  static async start(options: NodeOptions): Promise<NodeProcess> {
    const { PORT, HOST, REDIS_URL, DATABASE_URL, FAYE_ONLINE_SECRET, LOG_LEVEL, ...env } = process.env;
    const child = spawn(process.execPath, ['--import', 'tsx', NODE, JSON.stringify(options)], {
      env: { ...env, NODE_ENV: 'production' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const node = new NodeProcess(child);
    await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (node.url === '') throw new Error(`A node did not start: ${node.log.join('\n')}`);
    return node;
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The Bayeux endpoint. */
  get endpoint(): string {
    return `${this.url}/faye`;
  }

  get ended(): Promise<unknown> {
    return this.isAlive ? once(this.child, 'exit') : Promise.resolve();
  }

  /** At that point of the next batch. */
  dieAt(point: Point): void {
    this.child.send({ dieAt: point }, () => {});
  }

  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const gone = this.ended;
    this.child.kill('SIGKILL');
    await gone;
  }

  private said(text: string): void {
    const lines = text.split('\n').filter(Boolean);
    this.log.push(...lines.map((line) => line.slice(0, WIDTH)));
    this.log.splice(0, Math.max(0, this.log.length - LINES));
  }
}
