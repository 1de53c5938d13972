/** The faults of a round: what strikes nodes and partitions, and when. */
import type { Cluster } from './cluster.js';
import type { Node } from './node/node.js';
import type { FaultKind, ModelOptions } from './options.js';
import type { RoundRandom } from './random.js';
import type { RedisPartition } from './redis-partition.js';
import type { Snapshots } from './snapshots.js';
import { FAULTS_UNTIL } from './timings.js';
import type { Trace } from './trace.js';
import type { VirtualTime } from './virtual-time.js';

export interface FaultContext {
  time: VirtualTime;
  random: RoundRandom;
  trace: Trace;
  cluster: Cluster;
  partitions: readonly RedisPartition[];
  snapshots: Snapshots;
  options: Pick<ModelOptions, 'faults' | 'longestCut'>;
}

const EARLIEST = 5_000;
const LATEST = FAULTS_UNTIL - 3_000;
const MOST = 3;

export class Faults {
  /** The round has no other fault: clients must not notice it. */
  readonly areOnlyKills: boolean;
  /** A partition has lost data, and its journal is incomplete. */
  hasLostData = false;

  constructor(private readonly context: FaultContext) {
    const { random, options } = context;
    const count = options.faults.length === 0 ? 0 : random.between(1, MOST);
    const kinds = Array.from({ length: count }, () => this.plan(random.pick(options.faults)));
    this.areOnlyKills = kinds.every((kind) => kind === 'kill');
  }

  private plan(kind: FaultKind): FaultKind {
    const { time, random, trace } = this.context;
    time.at(random.within(EARLIEST, LATEST), () => {
      trace.add(`FAULT ${kind}`);
      return this.strike(kind);
    });
    return kind;
  }

  private strike(kind: FaultKind): void | Promise<void> {
    switch (kind) {
      case 'kill':
        return this.kill();
      case 'freeze':
        return this.freezeNode();
      case 'loss':
        return this.loseData();
      case 'older':
        return this.restoreOlderData();
      case 'pfreeze':
        return this.freezePartition();
      case 'cut':
        return this.cut();
      case 'deaf':
        return this.deafen();
    }
  }

  /** A node dies, unless it is the last, and another starts in its place. */
  private async kill(): Promise<void> {
    const { time, random, trace, cluster } = this.context;
    const place = random.between(0, cluster.places - 1);
    const node = cluster.nodes[place];
    if (!node || cluster.alive().length <= 1) return;
    node.process.isKilled = true;
    trace.add(`${node.name} is killed`);
    await time.sleep(random.within(300, 6_000));
    cluster.start(place);
  }

  private freezeNode(): void {
    const { time, random, trace } = this.context;
    const node = this.pickNode();
    const duration = random.within(1_500, 16_000);
    node.process.frozenUntil = time.now + duration;
    trace.add(`${node.name} is frozen for ${duration.toFixed(0)} ms`);
  }

  /** Redis restarts without its data. */
  private loseData(): void {
    this.hasLostData = true;
    this.pickPartition().loseData();
  }

  /** Redis restarts from what it had stored seconds ago. */
  private restoreOlderData(): void {
    const { time, random, snapshots } = this.context;
    this.hasLostData = true;
    const partition = this.pickPartition();
    const snapshot = random.pick(snapshots.of(partition));
    partition.restore(snapshot.data);
    partition.log(`is restored as it was ${(time.now - snapshot.at).toFixed(0)} ms ago`);
  }

  private freezePartition(): void {
    const { time, random } = this.context;
    this.pickPartition().frozenUntil = time.now + random.within(1_000, 9_000);
  }

  /** A node and a partition cannot reach each other. */
  private async cut(): Promise<void> {
    const { time, random, trace, options } = this.context;
    const node = this.pickNode();
    const partition = this.pickPartition();
    const duration = random.within(300, options.longestCut);
    const link = node.link(partition);
    link.isCut = true;
    trace.add(`${node.name} is cut from P${partition.id} for ${duration.toFixed(0)} ms`);
    await time.sleep(duration);
    link.isCut = false;
  }

  /** A node receives no notices. */
  private async deafen(): Promise<void> {
    const { time, random, trace } = this.context;
    const node = this.pickNode();
    const duration = random.within(300, 6_000);
    node.process.isDeaf = true;
    trace.add(`${node.name} is deaf for ${duration.toFixed(0)} ms`);
    await time.sleep(duration);
    node.listensAgain();
  }

  private pickNode(): Node {
    return this.context.random.pick(this.context.cluster.nodes);
  }

  private pickPartition(): RedisPartition {
    return this.context.random.pick(this.context.partitions);
  }
}
