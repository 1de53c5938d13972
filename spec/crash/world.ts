/** Three nodes on one real Redis, which write to one database. */
import { setTimeout as pause } from 'node:timers/promises';
import { GROUP } from '../../src/records/batches.js';
import type { Random } from '../chaos/random.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { type Fault, NODES } from './history.js';
import { NodeProcess } from './node-process.js';
import { type DatabaseName, Sql } from './sql.js';
import type { Tab } from './tab.js';
import { NAMESPACE } from './wire.js';

/** Milliseconds in which a node that is to die has died, or it is killed. */
const DIES_WITHIN = 4_000;
/** Of the tabs at a node that is killed, those that never come back. */
const DIE_WITH_IT = 0.4;

export class World {
  readonly nodes: (NodeProcess | undefined)[] = [];
  /** How often a node has killed itself there: one that gets nothing to consume is killed. */
  readonly deaths = new Map<string, number>();
  private readonly underWay = new Map<string, Promise<void>>();

  private constructor(
    readonly redis: RedisServer,
    readonly sql: Sql,
  ) {}

  static async start(database: DatabaseName): Promise<World> {
    const world = new World(await RedisServer.start(), await Sql.start(database));
    // The first makes the tables; none of the others is to wait for it as it starts.
    for (let index = 0; index < NODES; index += 1) await world.startNode(index);
    await until(() => world.isRecorded(), 'the records to begin', 30_000);
    return world;
  }

  /** Where a client can go. */
  endpoints(): string[] {
    return this.nodes.flatMap((node) => (node?.isAlive ? [node.endpoint] : []));
  }

  /** `tabs`: those that may be at a node, asked when it has died: some come after the fault has begun. */
  begin(fault: Fault, tabs: () => readonly Tab[], random: Random): void {
    const of = fault.kind === 'kill' || fault.kind === 'die' ? `node ${fault.node}` : 'database';
    const before = this.underWay.get(of) ?? Promise.resolve();
    this.underWay.set(
      of,
      before.then(() => this.strike(fault, tabs, random)),
    );
  }

  /** Resolves once every fault is healed. Rejects where one could not be. */
  async healed(): Promise<void> {
    await Promise.all(this.underWay.values());
    this.underWay.clear();
  }

  async dispose(): Promise<void> {
    await Promise.allSettled(this.underWay.values());
    await Promise.all(this.nodes.map((node) => node?.kill()));
    await this.sql.dispose();
    await this.redis.dispose();
  }

  /** Nothing that happens before is ever told. */
  private async isRecorded(): Promise<boolean> {
    const groups = this.redis.ask((redis) => redis.xinfo('GROUPS', `/${NAMESPACE}/journal`));
    return JSON.stringify(await groups.catch(() => [])).includes(`"${GROUP}"`);
  }

  private async startNode(index: number): Promise<void> {
    this.nodes[index] = await NodeProcess.start({ redis: this.redis.url, database: this.sql.url });
  }

  private async strike(fault: Fault, tabs: () => readonly Tab[], random: Random): Promise<void> {
    const down = () => pause(fault.lasts);
    if (fault.kind === 'database') return this.sql.crash(down);
    if (fault.kind === 'hang') return this.sql.hang(down);
    const node = this.nodes[fault.node];
    if (!node) return;
    if (fault.kind === 'die') {
      node.dieAt(fault.point);
      await Promise.race([node.ended, pause(DIES_WITHIN)]);
      if (!node.isAlive) this.deaths.set(fault.point, (this.deaths.get(fault.point) ?? 0) + 1);
    }
    await node.kill();
    for (const tab of tabs()) {
      if (tab.endpoint === node.endpoint) tab.nodeDied(random.chance(DIE_WITH_IT));
    }
    await down();
    await this.startNode(fault.node);
  }
}
