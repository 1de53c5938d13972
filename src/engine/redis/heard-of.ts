/** What a client has had on the nodes before: this node may hear it late, and then it is not for the client. */
import { NOT_SAID, type Position, type Published } from '../backplane.js';
import type { HeardOf } from '../client.js';

/** Of which node a message is, and its number there. */
export function originOf({ id }: Published): { node: string; number: number } {
  const space = id.indexOf(' ');
  return { node: id.slice(0, space), number: Number(id.slice(space + 1)) };
}

/** The channel and the patterns that cover it, as Faye expands it. */
export function expanded(channel: string): string[] {
  const segments = channel.split('/');
  const patterns = segments.slice(0, -1).map((_, index) => `${segments.slice(0, index + 1).join('/')}/**`);
  return [channel, `${segments.slice(0, -1).join('/')}/*`, ...patterns];
}

/** Of each node what has a number up to the last that was heard there, on what the client subscribed to there. */
export class HeardElsewhere implements HeardOf {
  /** Nodes that have said nothing newer yet. */
  private left: number;

  constructor(
    readonly position: Position,
    private readonly channels: ReadonlySet<string>,
    private readonly partitionOf: (channel: string) => number,
  ) {
    this.left = position.reduce((sum, numbers) => sum + Object.keys(numbers).length, 0);
  }

  has(message: Published): boolean {
    if (message.id === NOT_SAID) return false;
    const { node, number } = originOf(message);
    const numbers = this.position[this.partitionOf(message.channel)];
    const last = numbers?.[node];
    if (numbers === undefined || last === undefined) return false;
    if (number <= last) return expanded(message.channel).some((name) => this.channels.has(name));
    // Those of a node come in order.
    delete numbers[node];
    this.left -= 1;
    return false;
  }

  get isOver(): boolean {
    return this.left === 0;
  }
}

/** Milliseconds in which the node before may yet say what the client has had there. */
const MAY_BE_SAID = 30_000;
/** Messages that are remembered until then. */
const REMEMBERED = 200;

/**
 * Of a client whose node before has not said what it has had there. What it gets from now on is remembered, so that what the
 * other says in the end can be told from it. What that node itself says to all is held back for a while: the client may have
 * had it there before anybody else.
 */
export class HeardSince implements HeardOf {
  readonly position: Position = [];
  private readonly ids = new Set<string>();
  private readonly until = performance.now() + MAY_BE_SAID;
  private held: Published[] = [];
  private holds = true;

  constructor(private readonly nodeBefore: string) {}

  has(message: Published): boolean {
    if (message.id === NOT_SAID) return false;
    if (this.holds && originOf(message).node === this.nodeBefore) {
      this.held.push(message);
      return true;
    }
    this.ids.add(message.id);
    for (const oldest of this.ids) {
      if (this.ids.size <= REMEMBERED) break;
      this.ids.delete(oldest);
    }
    return false;
  }

  /** Whether the client got it here. */
  got({ id }: Published): boolean {
    return this.ids.has(id);
  }

  /** What was held back; nothing is from now on. */
  release(): Published[] {
    const { held } = this;
    this.held = [];
    this.holds = false;
    return held;
  }

  get isOver(): boolean {
    return performance.now() > this.until && this.held.length === 0;
  }
}
