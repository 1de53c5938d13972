/** How far this node has received the others, by partition, and what a client has had that comes from one of them. */
import type { Partitions } from '../../redis/partitions.js';
import type { HeardOf, Position } from '../backplane.js';
import type { Client } from '../client.js';
import { HeardElsewhere } from './heard-of.js';

export class SeenMessages {
  private readonly offsets: readonly Offsets[];

  /** `own`: what this node has published. */
  constructor(
    private readonly partitions: Partitions,
    private readonly own: () => Record<string, number>,
  ) {
    this.offsets = partitions.namespaces.map(() => new Offsets());
  }

  isNew(channel: string, node: string, number: number): boolean {
    return (this.offsets[this.partitions.of(channel)] as Offsets).advance(node, number);
  }

  /** How far a client of this node has received each node: as this node has, or where it came from one that had received more. */
  positionOf({ heardOf }: Client): Position {
    const own = this.own();
    return this.offsets.map(({ all }, partition) => max({ ...all, ...own }, heardOf?.position[partition]));
  }

  /** What a client has had that comes from a node at this position, where it subscribed to these. */
  heardOf(position: Position, channels: readonly string[]): HeardOf {
    return new HeardElsewhere(position, new Set(channels), (channel) => this.partitions.of(channel));
  }

  close(): void {
    for (const offsets of this.offsets) offsets.close();
  }
}

function max(numbers: Record<string, number>, others: Record<string, number> = {}): Record<string, number> {
  const position = { ...numbers };
  for (const [node, number] of Object.entries(others)) position[node] = Math.max(number, position[node] ?? 0);
  return position;
}

interface Offset {
  number: number;
  /** In which span of `SPAN_MS` it was advanced last. */
  span: number;
}

/** What a node sends again, because it does not know that it arrived, it sends within seconds of being back. */
const SPAN_MS = 10 * 60_000;

/** The number of the last message that was received of each node. A node that has been silent for long is forgotten. */
export class Offsets {
  private readonly offsets = new Map<string, Offset>();
  private span = 0;
  private readonly timer: NodeJS.Timeout;

  constructor() {
    this.timer = setInterval(() => this.forget(), SPAN_MS);
    this.timer.unref();
  }

  get all(): Record<string, number> {
    return Object.fromEntries([...this.offsets].map(([node, { number }]) => [node, number]));
  }

  /** False for a number that was received before. */
  advance(node: string, number: number): boolean {
    const offset = this.offsets.get(node);
    if (!offset) {
      this.offsets.set(node, { number, span: this.span });
      return true;
    }
    if (number <= offset.number) return false;
    offset.number = number;
    offset.span = this.span;
    return true;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private forget(): void {
    for (const [node, { span }] of this.offsets) if (span < this.span) this.offsets.delete(node);
    this.span += 1;
  }
}
