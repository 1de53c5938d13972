/** A server under measure, in a process of its own. */
import { RedisServer } from '../../spec/support/redis-server.js';
import type { Peer } from '../peers.js';
import { Child } from './child.js';

export interface Usage {
  /** Microseconds of the server's process, user and system. */
  cpu: number;
  /** Microseconds of the redis-server behind it; 0 without. */
  redisCpu: number;
}

export interface Memory {
  /** Bytes, after garbage collection. */
  rss: number;
  /** Bytes of JavaScript's heap and of what it holds outside. */
  heap: number;
}

export interface ServerOptions {
  /** Seconds that a `/meta/connect` is held. */
  timeout: number;
  compression?: boolean;
  engine?: 'faye-online' | 'faye-memory';
  redisPort?: number;
}

const PROFILES = new URL('../results/profiles', import.meta.url).pathname;

export class Served {
  private constructor(
    readonly port: number,
    private readonly child: Child,
    private readonly redis: RedisServer | undefined,
  ) {}

  static async start(peer: Peer, options: ServerOptions, profile?: string): Promise<Served> {
    const redis = peer.redis ? await RedisServer.start() : undefined;
    const flags = profile ? ['--cpu-prof', `--cpu-prof-dir=${PROFILES}/${profile}`] : [];
    const child = new Child(`servers/${peer.server}`, ['--expose-gc', ...flags]);
    const all = { ...options, ...peer.options, ...(redis && { redisPort: redis.port }) };
    return new Served(await child.ask<number>('start', all), child, redis);
  }

  async usage(): Promise<Usage> {
    const redisCpu = this.redis ? await cpuOf(this.redis) : 0;
    return { cpu: await this.child.ask<number>('cpu'), redisCpu };
  }

  memory(): Promise<Memory> {
    return this.child.ask<Memory>('memory');
  }

  async stop(): Promise<void> {
    await this.child.stop();
    await this.redis?.dispose();
  }
}

async function cpuOf(redis: RedisServer): Promise<number> {
  const info = await redis.ask((client) => client.info('cpu'));
  const seconds = [...info.matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)].map((found) => Number(found[1]));
  return seconds.reduce((sum, each) => sum + each, 0) * 1e6;
}
