/** A server under measure, each of its nodes in a process of its own. */
import { RedisServer } from '../../spec/support/redis-server.js';
import type { Peer } from '../peers.js';
import { Child } from './child.js';
import type { ServerOptions } from './server-options.js';

/** Of one node's process since it started. */
export interface Spent {
  /** Microseconds, user and system. */
  cpu: number;
  /** Redis commands that it sent, counted where they leave. */
  commands: number;
}

/** Of all nodes together. */
export interface Usage extends Spent {
  /** Microseconds of the redis-server behind them; 0 without. */
  redisCpu: number;
  /** Commands that Redis counted; with those of scripts, and with our own questions. 0 without Redis. */
  redisCommands: number;
}

export interface Memory {
  /** Bytes, after garbage collection. */
  rss: number;
  /** Bytes of JavaScript's heap and of what it holds outside. */
  heap: number;
}

const PROFILES = new URL('../results/profiles', import.meta.url).pathname;

export class Served {
  private constructor(
    /** Where each node listens. */
    readonly ports: readonly number[],
    private readonly nodes: readonly Child[],
    private readonly redis: RedisServer | undefined,
  ) {}

  static async start(peer: Peer, options: ServerOptions, count: number, profile?: string): Promise<Served> {
    const redis = peer.redis ? await RedisServer.start() : undefined;
    const flags = profile ? ['--cpu-prof', `--cpu-prof-dir=${PROFILES}/${profile}`] : [];
    const database = await peer.database?.();
    const all = {
      ...options,
      ...peer.options,
      ...(redis && { redisPort: redis.port }),
      ...(database && { database }),
    };
    const nodes: Child[] = [];
    const ports: number[] = [];
    while (nodes.length < count) {
      const node = new Child(`servers/${peer.server}`, ['--expose-gc', ...flags]);
      nodes.push(node);
      ports.push(await node.ask<number>('start', all));
    }
    return new Served(ports, nodes, redis);
  }

  async usage(): Promise<Usage> {
    const redis = this.redis ? await usageOf(this.redis) : { redisCpu: 0, redisCommands: 0 };
    const spent = await Promise.all(this.nodes.map((node) => node.ask<Spent>('spent')));
    const sum = (field: keyof Spent) => spent.reduce((total, each) => total + each[field], 0);
    return { cpu: sum('cpu'), commands: sum('commands'), ...redis };
  }

  /** Of all nodes together. */
  async memory(): Promise<Memory> {
    const each = await Promise.all(this.nodes.map((node) => node.ask<Memory>('memory')));
    const sum = (field: keyof Memory) => each.reduce((total, memory) => total + memory[field], 0);
    return { rss: sum('rss'), heap: sum('heap') };
  }

  /** `kill -9` of one node. */
  async kill(index: number): Promise<void> {
    await this.nodes[index]?.kill();
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.redis?.dispose();
  }
}

async function usageOf(redis: RedisServer): Promise<Pick<Usage, 'redisCpu' | 'redisCommands'>> {
  const info = await redis.ask((client) => client.info());
  const seconds = [...info.matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)].map((found) => Number(found[1]));
  return {
    redisCpu: seconds.reduce((sum, each) => sum + each, 0) * 1e6,
    redisCommands: Number(/total_commands_processed:(\d+)/.exec(info)?.[1]),
  };
}
