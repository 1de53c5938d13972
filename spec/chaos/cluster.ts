/** Three nodes on one real Redis, each with a way of its own to it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RedisServer } from '../support/redis-server.js';
import { FaultProxy } from './fault-proxy.js';
import { NODES } from './history.js';
import { NodeProcess } from './node-process.js';
import type { ToWarden } from './warden.js';
import type { NodeOptions } from './wire.js';

export type ClusterOptions = Pick<NodeOptions, 'engine' | 'traced'>;

const WARDEN = fileURLToPath(new URL('./warden.ts', import.meta.url));

export class Place {
  node: NodeProcess | undefined;
  /** What the nodes that were here before have said last. */
  readonly before: string[] = [];

  constructor(
    readonly name: string,
    readonly way: FaultProxy,
  ) {}
}

export class Cluster {
  /** Endpoints of nodes that were killed. */
  readonly killed = new Set<string>();

  private constructor(
    readonly redis: RedisServer,
    readonly places: readonly Place[],
    private readonly warden: ChildProcess,
    private readonly options: ClusterOptions,
  ) {}

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const warden = spawn(process.execPath, ['--import', 'tsx', WARDEN], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const redis = await RedisServer.start();
    const places: Place[] = [];
    for (let index = 0; index < NODES; index += 1) {
      places.push(new Place(`node ${index}`, await FaultProxy.start(redis.port)));
    }
    const cluster = new Cluster(redis, places, warden, options);
    await cluster.watchRedis();
    await Promise.all(places.map((place) => cluster.startNode(place)));
    return cluster;
  }

  /** Where a client can go: also a node that stands still, which it can't know. */
  get endpoints(): string[] {
    return this.places.flatMap(({ node }) => (node?.isAlive ? [node.endpoint] : []));
  }

  place(index: number): Place {
    return this.places[index] as Place;
  }

  async startNode(place: Place): Promise<void> {
    if (place.node?.isAlive) return;
    const redis = `redis://127.0.0.1:${place.way.port}`;
    if (this.options.traced) place.before.push(...(place.node?.log ?? []));
    place.node = await NodeProcess.start({ redis, ...this.options }, (pid) => this.tell({ began: pid }));
  }

  async killNode(place: Place): Promise<void> {
    if (place.node) this.killed.add(place.node.endpoint);
    await place.node?.kill();
    this.hasEnded(place);
  }

  async stopNode(place: Place): Promise<void> {
    await place.node?.stop();
    this.hasEnded(place);
  }

  /** A restart with the data that it had, or without any. */
  async restartRedis(keepsData: boolean, down: () => Promise<void>): Promise<void> {
    const { redis } = this;
    if (keepsData) await redis.save();
    const [, folder] = (await redis.ask((connection) => connection.config('GET', 'dir'))) as string[];
    const pid = await this.redisPid();
    await redis.stop();
    this.tell({ ended: pid });
    if (!keepsData) await rm(join(folder as string, 'dump.rdb'), { force: true });
    await down();
    await redis.start();
    await this.watchRedis();
  }

  async dispose(): Promise<void> {
    await Promise.all(this.places.map((place) => this.killNode(place)));
    await Promise.all(this.places.map(({ way }) => way.close()));
    await this.redis.dispose();
    this.warden.disconnect();
  }

  private hasEnded({ node }: Place): void {
    if (node) this.tell({ ended: node.pid });
  }

  private async redisPid(): Promise<number> {
    const info = await this.redis.ask((redis) => redis.info('server'));
    return Number(/process_id:(\d+)/.exec(info)?.[1]);
  }

  private async watchRedis(): Promise<void> {
    this.tell({ began: await this.redisPid() });
  }

  private tell(message: ToWarden): void {
    this.warden.send(message);
  }
}
