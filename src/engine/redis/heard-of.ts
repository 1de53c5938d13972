/** What a client has had on the nodes before: of each node what has a number up to the last that was heard there. */
import type { Position, Published } from '../backplane.js';
import type { HeardOf } from '../client.js';

/** Of which node a message is, and its number there. */
export function originOf({ id }: Published): { node: string; number: number } {
  const space = id.indexOf(' ');
  return { node: id.slice(0, space), number: Number(id.slice(space + 1)) };
}

export class HeardElsewhere implements HeardOf {
  /** Nodes that have said nothing newer yet. */
  private left: number;

  constructor(
    readonly position: Position,
    private readonly partitionOf: (channel: string) => number,
  ) {
    this.left = position.reduce((sum, numbers) => sum + Object.keys(numbers).length, 0);
  }

  has(message: Published): boolean {
    const { node, number } = originOf(message);
    const numbers = this.position[this.partitionOf(message.channel)];
    const last = numbers?.[node];
    if (numbers === undefined || last === undefined) return false;
    if (number <= last) return true;
    // Those of a node come in order.
    delete numbers[node];
    this.left -= 1;
    return false;
  }

  get isOver(): boolean {
    return this.left === 0;
  }
}
