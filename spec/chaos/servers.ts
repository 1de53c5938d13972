/** The Redis that the nodes share: one server, or a Cluster of three masters, of which a fault strikes one. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster, Redis } from 'ioredis';
import { Partitions } from '../../src/redis/partitions.js';
import { RedisCluster } from '../support/redis-cluster.js';
import type { RedisProcess } from '../support/redis-process.js';
import { RedisServer } from '../support/redis-server.js';
import { NAMESPACE, PARTITIONS, type RedisOptions } from './wire.js';

/** A restart with the data that it had, without any, or with what it had before `ages`. */
export interface Restart {
  keeps: 'all' | 'nothing' | 'older';
  ages?(): Promise<void>;
  down?(): Promise<void>;
}

export class Servers {
  /** In front of the names of keys, one a partition. */
  readonly namespaces: readonly string[];

  private constructor(
    readonly all: readonly RedisProcess[],
    readonly cluster: RedisCluster | null,
  ) {
    this.namespaces = new Partitions(NAMESPACE, cluster && PARTITIONS).namespaces;
  }

  static async start(isCluster: boolean): Promise<Servers> {
    if (!isCluster) return new Servers([await RedisServer.start()], null);
    const cluster = await RedisCluster.start();
    return new Servers(cluster.masters, cluster);
  }

  /** The one that is struck. */
  one(which: number): RedisProcess {
    return this.all[which % this.all.length] as RedisProcess;
  }

  /** For a node that reaches each server by another port, in the same order. */
  through(ways: readonly number[]): RedisOptions {
    if (!this.cluster) return `redis://127.0.0.1:${ways[0]}`;
    return this.all.map(({ port }, index) => ({ port, way: ways[index] as number }));
  }

  /** Where all hear what the nodes announce. */
  get url(): string {
    return `redis://127.0.0.1:${this.one(0).port}`;
  }

  async keys(): Promise<string[]> {
    return (await Promise.all(this.all.map((server) => server.keys()))).flat();
  }

  async ask<T>(question: (redis: Redis | Cluster) => Promise<T>): Promise<T> {
    if (!this.cluster) return this.one(0).ask(question);
    const redis = this.cluster.client();
    redis.on('error', () => {});
    try {
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }

  async restart(server: RedisProcess, { keeps, ages, down }: Restart): Promise<void> {
    if (keeps !== 'nothing') await server.save();
    await ages?.();
    const saved = await fileOf(server);
    await server.stop();
    if (keeps === 'nothing') await rm(saved, { force: true });
    await down?.();
    await server.start();
  }

  async dispose(): Promise<void> {
    for (const server of this.all) server.resume();
    await (this.cluster ?? (this.one(0) as RedisServer)).dispose();
  }
}

async function fileOf(server: RedisProcess): Promise<string> {
  const [, folder] = (await server.ask((redis) => redis.config('GET', 'dir'))) as string[];
  const [, name] = (await server.ask((redis) => redis.config('GET', 'dbfilename'))) as string[];
  return join(folder as string, name as string);
}

export const pidOf = async (server: RedisProcess): Promise<number> =>
  Number(/process_id:(\d+)/.exec(await server.ask((redis) => redis.info('server')))?.[1]);
