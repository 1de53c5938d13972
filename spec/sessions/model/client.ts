/** A client that stays connected in one room, and changes rooms and nodes. */
import type { Cluster } from './cluster.js';
import { CHANNELS, type Channel } from './layout.js';
import type { Node } from './node/node.js';
import type { Status } from './node/requests.js';
import type { RoundRandom } from './random.js';
import type { Trace } from './trace.js';
import type { VirtualTime } from './virtual-time.js';

export interface ClientContext {
  time: VirtualTime;
  random: RoundRandom;
  trace: Trace;
  cluster: Cluster;
  /** A client was told to handshake again, milliseconds after it was last connected. */
  onUnknown(id: string, since: number): void;
}

type Answer = Status | 'timeout';

const REQUEST_TIMEOUT = 7_000;
/** Milliseconds until a client whose node was killed tries the next one. */
const RESTART_PAUSE = 200;
const ACTIONS = ['move', 'move', 'move', 'disconnect', 'vanish', 'scatter', 'scatter'] as const;

export class Client {
  /** Its present clientId. */
  id: string | undefined;
  room: Channel;
  /** False once it has gone. */
  isWanted = true;
  /** When it was last connected; 0 before. */
  connectedAt = 0;
  private node: Node;
  /** Most of its requests go to any node. */
  private readonly roams: boolean;
  private handshakes = 0;

  constructor(
    private readonly number: number,
    private readonly context: ClientContext,
  ) {
    const { random, cluster } = context;
    this.room = random.pick(CHANNELS);
    this.roams = random.chance(0.4);
    this.node = random.pick(cluster.nodes);
    void this.live();
  }

  /** Moves to a room, disconnects, vanishes, or sends one connect to all nodes at once. */
  act(): void {
    const { random, trace, cluster } = this.context;
    const action = random.pick(ACTIONS);
    if (!this.isWanted) return;
    if (action === 'move') {
      this.room = random.pick(CHANNELS);
    } else if (action === 'scatter') {
      if (this.id) for (const node of cluster.alive()) void node.connect(this.id, this.room);
    } else if (random.chance(0.5)) {
      this.isWanted = false;
      trace.add(`client ${this.number} ${action}`);
      if (action === 'disconnect' && this.id && !this.node.process.isKilled)
        void this.node.disconnect(this.id);
    }
  }

  private async live(): Promise<void> {
    const { time, random } = this.context;
    await time.sleep(random.within(0, 4_000));
    while (this.isWanted) {
      this.chooseNode();
      if (this.node.process.isKilled) await time.sleep(RESTART_PAUSE);
      else await this.request();
    }
  }

  private chooseNode(): void {
    const { random } = this.context;
    if (this.node.process.isKilled || (this.roams && random.chance(0.8))) this.changeNode();
  }

  private changeNode(): void {
    const { random, cluster } = this.context;
    this.node = random.pick(cluster.alive());
  }

  private async request(): Promise<void> {
    const { time, random } = this.context;
    this.id ??= await this.handshake();
    const answer = await this.connect(this.id);
    if (!this.isWanted) return;
    this.answered(this.id, answer);
    await time.sleep(answer === 200 ? random.within(200, 1_200) : random.within(100, 900));
  }

  private async handshake(): Promise<string> {
    const { time, random } = this.context;
    const id = `c${this.number}.${this.handshakes}`;
    this.handshakes += 1;
    this.id = id;
    this.node.handshake(id);
    await time.sleep(random.within(5, 60));
    return id;
  }

  private connect(id: string): Promise<Answer> {
    const answer: Promise<Answer> = this.node.connect(id, this.room);
    const timeout = this.context.time.sleep(REQUEST_TIMEOUT).then((): Answer => 'timeout');
    return Promise.race([answer, timeout]);
  }

  private answered(id: string, answer: Answer): void {
    const { time, random } = this.context;
    if (answer === 200) {
      this.connectedAt = time.now;
    } else if (answer === 401) {
      if (this.connectedAt) this.context.onUnknown(id, time.now - this.connectedAt);
      this.id = undefined;
    } else if (random.chance(0.6)) this.changeNode();
  }
}
