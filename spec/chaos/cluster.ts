/** Three nodes on a real Redis, each with a way of its own to it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RedisProcess } from '../support/redis-process.js';
import { FaultProxy } from './fault-proxy.js';
import { NODES } from './history.js';
import { NodeProcess } from './node-process.js';
import { pidOf, type Restart, Servers } from './servers.js';
import type { ToWarden } from './warden.js';
import type { NodeOptions } from './wire.js';

export interface ClusterOptions extends Pick<NodeOptions, 'engine' | 'traced'> {
  /** Whether Redis is a Cluster. */
  isRedisCluster?: boolean;
}

const WARDEN = fileURLToPath(new URL('./warden.ts', import.meta.url));

export class Place {
  node: NodeProcess | undefined;
  /** What the nodes that were here before have said last. */
  readonly before: string[] = [];

  constructor(
    readonly name: string,
    /** To each server of Redis. */
    readonly ways: readonly FaultProxy[],
  ) {}
}

export class Cluster {
  /** Endpoints of nodes that were killed. */
  readonly killed = new Set<string>();

  private constructor(
    readonly servers: Servers,
    readonly places: readonly Place[],
    private readonly warden: ChildProcess,
    private readonly options: ClusterOptions,
  ) {}

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const warden = spawn(process.execPath, ['--import', 'tsx', WARDEN], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const servers = await Servers.start(options.isRedisCluster === true);
    const places: Place[] = [];
    for (let index = 0; index < NODES; index += 1) {
      const ways = await Promise.all(servers.all.map(({ port }) => FaultProxy.start(port)));
      places.push(new Place(`node ${index}`, ways));
    }
    const cluster = new Cluster(servers, places, warden, options);
    await Promise.all(servers.all.map((server) => cluster.watch(server)));
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
    const { engine, traced } = this.options;
    const redis = this.servers.through(place.ways.map(({ port }) => port));
    if (traced) place.before.push(...(place.node?.log ?? []));
    const options = { redis, ...(engine && { engine }), ...(traced && { traced }) };
    place.node = await NodeProcess.start(options, (pid) => this.tell({ began: pid }));
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
  async restartRedis(server: RedisProcess, { down, ...how }: Restart): Promise<void> {
    const pid = await pidOf(server);
    await this.servers.restart(server, {
      ...how,
      down: async () => {
        this.tell({ ended: pid });
        await down?.();
      },
    });
    await this.watch(server);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.places.map((place) => this.killNode(place)));
    await Promise.all(this.places.flatMap(({ ways }) => ways.map((way) => way.close())));
    await this.servers.dispose();
    this.warden.disconnect();
  }

  private hasEnded({ node }: Place): void {
    if (node) this.tell({ ended: node.pid });
  }

  private async watch(server: RedisProcess): Promise<void> {
    this.tell({ began: await pidOf(server) });
  }

  private tell(message: ToWarden): void {
    this.warden.send(message);
  }
}
