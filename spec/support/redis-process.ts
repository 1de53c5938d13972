/** A real redis-server on a port of its own, ended by its process id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { until } from './until.js';

export class RedisProcess {
  private child: ChildProcess | undefined;

  /** `args`: redis-server's options but for the port, as its command line has them. */
  constructor(
    readonly port: number,
    private readonly args: readonly string[],
  ) {}

  get runs(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Also again after `stop`, on the same port. Data comes back where it was saved. */
  async start(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', ...this.args];
    this.child = spawn('redis-server', args, { stdio: 'ignore' });
    await once(this.child, 'spawn');
    await until(() => this.ask((redis) => redis.ping()).catch(() => false), `port ${this.port} to answer`);
  }

  /** Ends the process; what it held in memory is gone unless `save` was called. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { child } = this;
    if (!child || !this.runs) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  /** SIGSTOP and SIGCONT: it holds its connections and answers nothing. */
  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }

  /** Writes its data to disk, so that it comes back after the next start. */
  async save(): Promise<void> {
    await this.ask((redis) => redis.save());
  }

  async keys(pattern = '*'): Promise<string[]> {
    return (await this.ask((redis) => redis.keys(pattern))).sort();
  }

  async flush(): Promise<void> {
    await this.ask((redis) => redis.flushall());
  }

  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.port, '127.0.0.1', { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    redis.on('error', () => {});
    try {
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }
}
