/** A redis-server with its data in a folder of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.js';
import { RedisProcess } from './redis-process.js';

export class RedisServer extends RedisProcess {
  private constructor(
    port: number,
    private readonly folder: string,
    options: readonly string[],
  ) {
    super(port, ['--dir', folder, '--appendonly', 'no', ...options]);
  }

  /** `options`: more of redis-server's, as its command line has them. */
  static async start(options: readonly string[] = []): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'faye-online-redis-'));
    const server = new RedisServer(await freePort(), folder, options);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async dispose(): Promise<void> {
    this.resume();
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
