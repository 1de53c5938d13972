/** A real Redis Cluster: masters, and replicas where a spec wants them, each a process on ports of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, type ClusterOptions, type Redis } from 'ioredis';
import { freePort } from './ports.js';
import { RedisProcess } from './redis-process.js';
import { until } from './until.js';

const SLOTS = 16_384;
const MASTERS = 3;
/** Milliseconds after which a node that does not answer is taken for dead by the others. */
const NODE_TIMEOUT = 1_000;

export class RedisCluster {
  private constructor(
    private readonly folder: string,
    /** The first three were given the slots. */
    readonly nodes: readonly ClusterNode[],
  ) {}

  static async start({ replicas = false } = {}): Promise<RedisCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'faye-online-cluster-'));
    const count = replicas ? 2 * MASTERS : MASTERS;
    const nodes: ClusterNode[] = [];
    for (let index = 0; index < count; index += 1) {
      nodes.push(await ClusterNode.start(join(folder, `nodes-${index}.conf`), folder));
    }
    const cluster = new RedisCluster(folder, nodes);
    await cluster.form().catch(async (error: unknown) => {
      await cluster.dispose();
      throw error;
    });
    return cluster;
  }

  get masters(): readonly ClusterNode[] {
    return this.nodes.slice(0, MASTERS);
  }

  /** A client of the user's own: it connects where it is told to. */
  client(options: ClusterOptions = {}): Cluster {
    const [first] = this.nodes;
    return new Cluster([{ host: '127.0.0.1', port: first?.port ?? 0 }], { lazyConnect: true, ...options });
  }

  async keys(pattern = '*'): Promise<string[]> {
    const running = this.nodes.filter(({ runs }) => runs);
    const lists = await Promise.all(running.map((node) => node.keys(pattern)));
    return [...new Set(lists.flat())].sort();
  }

  async flush(): Promise<void> {
    await Promise.all(this.masters.map((node) => node.flush()));
  }

  /** Until every node that runs says that all slots are served. */
  async ok(): Promise<void> {
    for (const node of this.nodes.filter(({ runs }) => runs)) {
      await until(() => node.says('cluster_state:ok'), `the node on port ${node.port} to see the cluster`);
    }
  }

  /** The master that has the slot of a key. */
  async masterOf(key: string): Promise<ClusterNode> {
    const slot = await this.ask((redis) => redis.cluster('KEYSLOT', key));
    const ranges = await this.ask((redis) => redis.cluster('SLOTS'));
    const range = ranges.find(([first, last]) => first <= slot && slot <= last);
    const master = this.nodes.find((node) => node.port === range?.[2]?.[1]);
    if (!master) throw new Error(`Nobody serves the slot of ${key}`);
    return master;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }

  private async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const node = this.nodes.find(({ runs }) => runs);
    if (!node) throw new Error('No node of the cluster runs');
    return node.ask(question);
  }

  private async form(): Promise<void> {
    const [first] = this.nodes;
    await Promise.all(
      this.masters.map((node, index) => {
        const from = Math.ceil((index * SLOTS) / MASTERS);
        const to = Math.ceil(((index + 1) * SLOTS) / MASTERS) - 1;
        return node.ask((redis) => redis.call('CLUSTER', 'ADDSLOTSRANGE', from, to));
      }),
    );
    for (const [index, node] of this.nodes.entries()) {
      // Of one epoch two nodes could claim the same slots.
      await node.ask((redis) => redis.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1));
      await first?.ask((redis) => redis.call('CLUSTER', 'MEET', '127.0.0.1', node.port, node.busPort));
    }
    await this.ok();
    await Promise.all(this.nodes.slice(MASTERS).map((node, index) => node.follow(this.masters[index])));
  }
}

export class ClusterNode extends RedisProcess {
  private constructor(
    port: number,
    readonly busPort: number,
    config: string,
    folder: string,
  ) {
    const options = {
      dir: folder,
      dbfilename: `${port}.rdb`,
      'cluster-enabled': 'yes',
      'cluster-port': busPort,
      'cluster-config-file': config,
      'cluster-node-timeout': NODE_TIMEOUT,
      // A replica that could not yet get all its data may still take over.
      'cluster-replica-validity-factor': 0,
      'repl-diskless-sync-delay': 0,
    };
    super(
      port,
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
    );
  }

  static async start(config: string, folder: string): Promise<ClusterNode> {
    const node = new ClusterNode(await freePort(), await freePort(), config, folder);
    await node.start();
    return node;
  }

  async says(what: string): Promise<boolean> {
    const info = await this.ask((redis) => redis.call('CLUSTER', 'INFO')).catch(() => '');
    return String(info).includes(what);
  }

  /** Becomes a replica, and has the master's data. */
  async follow(master: ClusterNode | undefined): Promise<void> {
    const id = await master?.ask((redis) => redis.call('CLUSTER', 'MYID'));
    await until(
      () => this.ask((redis) => redis.call('CLUSTER', 'REPLICATE', String(id))).catch(() => false),
      `port ${this.port} to know its master`,
    );
    await until(
      async () => (await this.ask((redis) => redis.info('replication'))).includes('master_link_status:up'),
      `port ${this.port} to have its master's data`,
    );
  }
}
