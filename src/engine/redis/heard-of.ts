/** What a client has had on the nodes before: this node may hear it late, and then it is not for the client. */
import { type HeardOf, NOT_SAID, type Position, type Published } from '../backplane.js';

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

/** Under which subscribers of a message are looked up. */
export const namesOf = ({ exact, channel }: { exact: boolean; channel: string }): string[] =>
  exact ? [channel] : expanded(channel);

/** Of each node what has a number up to the last that was heard there, on what the client subscribed to there. */
export class HeardElsewhere implements HeardOf {
  /** Nodes that have said nothing newer yet. */
  private left: number;

  readonly position: Position;

  constructor(
    position: Position,
    private readonly channels: ReadonlySet<string>,
    private readonly partitionOf: (channel: string) => number,
  ) {
    this.position = position.map((numbers) => ({ ...numbers }));
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
