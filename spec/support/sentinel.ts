/** A real master, its replica, and a Sentinel that puts the replica in its place. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './ports.js';
import { RedisServer } from './redis-server.js';
import { until } from './until.js';

const NAME = 'main';

export class Sentinel {
  private constructor(
    readonly master: RedisServer,
    readonly replica: RedisServer,
    private readonly port: number,
    private readonly folder: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(): Promise<Sentinel> {
    const [master, replica] = await Promise.all([RedisServer.start(), RedisServer.start()]);
    await follow(replica, master);
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), 'faye-online-sentinel-'));
    const config = join(folder, 'sentinel.conf');
    await writeFile(
      config,
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${folder}`,
        `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 1`,
        `sentinel down-after-milliseconds ${NAME} 500`,
        `sentinel failover-timeout ${NAME} 3000`,
      ].join('\n'),
    );
    const child = spawn('redis-server', [config, '--sentinel'], { stdio: 'ignore' });
    const sentinel = new Sentinel(master, replica, port, folder, child);
    await until(() => sentinel.knowsReplica(), 'the Sentinel to know the replica');
    return sentinel;
  }

  /** A client of the user's own: it connects where it is told to. */
  client(): Redis {
    const sentinels = [{ host: '127.0.0.1', port: this.port }];
    return new Redis({ sentinels, name: NAME, lazyConnect: true });
  }

  async dispose(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
    await Promise.all([this.master.dispose(), this.replica.dispose()]);
    await rm(this.folder, { recursive: true, force: true });
  }

  private async knowsReplica(): Promise<boolean> {
    const redis = new Redis(this.port, '127.0.0.1', { retryStrategy: () => null, maxRetriesPerRequest: 0 });
    redis.on('error', () => {});
    try {
      return String(await redis.call('INFO', 'sentinel')).includes('slaves=1');
    } catch {
      return false;
    } finally {
      redis.disconnect();
    }
  }
}

/** Becomes a replica, and has the master's data. */
async function follow(replica: RedisServer, { port }: RedisServer): Promise<void> {
  await replica.ask((redis) => redis.replicaof('127.0.0.1', port));
  await until(
    async () => (await replica.ask((redis) => redis.info('replication'))).includes('master_link_status:up'),
    "the replica to have its master's data",
  );
}
