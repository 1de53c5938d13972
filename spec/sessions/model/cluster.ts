/** Three places for nodes. A node that was killed is replaced by one of another name. */
import type { NodeContext } from './node/context.js';
import { Node } from './node/node.js';

const PLACES = 3;

export class Cluster {
  /** The present node of each place. */
  readonly nodes: Node[] = [];
  private started = 0;

  constructor(private readonly context: NodeContext) {
    for (let place = 0; place < PLACES; place += 1) this.start(place);
  }

  get places(): number {
    return PLACES;
  }

  start(place: number): void {
    this.nodes[place] = new Node(`n${this.started}`, this.context);
    this.started += 1;
  }

  alive(): Node[] {
    return this.nodes.filter((node) => !node.process.isKilled);
  }
}
