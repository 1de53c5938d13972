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

/** Milliseconds in which a node that has not said what its client has had there may yet say it. */
const MAY_BE_SAID = 30_000;
/** Milliseconds of these in which what it says to all may not be for the client. */
const HELD_FOR = 8_000;
/** Messages that are remembered until then. */
const REMEMBERED = 1_000;

/** What goes on with a client, from node to node. */
export interface Since {
  /** The node that has not said what the client has had there. */
  silent: string;
  /** Whether what other nodes say is held as well. */
  all?: boolean;
  /** What has been held. */
  held: Published[];
  /** Ids of what the client has had since. */
  had: string[];
  /** Milliseconds in which more of it is held. */
  left: number;
}

/** In the place of a node: all have said what they had to. */
export const NOBODY = '';
const NOTHING: Since = { silent: NOBODY, held: [], had: [], left: 0 };

/**
 * Of a client of which a node that had it before has not said what it has had there. What it gets from now on is remembered,
 * so that what the other says in the end can be told from it. What that node itself says to all is held back for a while: the
 * client may have had it there before anybody else. Where it could not answer because Redis was away, all is held: what others
 * say may have reached it before, too.
 */
export class HeardSince implements HeardOf {
  private readonly had: Set<string>;
  private readonly until: number;
  private readonly heldUntil: number;
  /** By id. */
  private readonly held: Map<string, Published>;
  private holds: boolean;

  constructor(
    private readonly since: Since,
    /** What it has had on other nodes; the first has how far that is, of all. */
    private readonly elsewhere: readonly HeardOf[],
  ) {
    const now = performance.now();
    this.heldUntil = now + since.left;
    this.until = this.heldUntil + MAY_BE_SAID - HELD_FOR;
    this.had = new Set(since.had);
    const held = since.held.filter(({ id }) => !this.had.has(id));
    this.held = new Map(held.map((message) => [message.id, message]));
    this.holds = since.left > 0;
  }

  /** From the moment at which it came from that node. */
  static begin(silent: string, all: boolean): HeardSince {
    return new HeardSince({ silent, all, held: [], had: [], left: HELD_FOR }, []);
  }

  /**
   * That node has said it, and gives it these. It may itself still have waited for a node before it: `before` goes on, with
   * what the client has had here.
   */
  after(heard: HeardOf, given: readonly Published[], before: Since = NOTHING): HeardSince {
    const had = [...before.had, ...this.had, ...given.map(({ id }) => id)];
    return new HeardSince({ ...before, had }, [heard, ...this.elsewhere]);
  }

  get position(): Position {
    return this.elsewhere[0]?.position ?? [];
  }

  /** Milliseconds until what is held is to be released. */
  get left(): number {
    return Math.max(0, this.heldUntil - performance.now());
  }

  /** For the client's next node. */
  get all(): Since {
    return {
      ...this.since,
      held: [...this.held.values()].map(({ id, channel, json }) => ({ id, channel, json })),
      had: [...this.had],
      left: this.holds ? this.left : 0,
    };
  }

  has(message: Published): boolean {
    if (message.id === NOT_SAID) return false;
    if (this.had.has(message.id) || this.elsewhere.some((heard) => heard.has(message))) return true;
    return this.holdsBack(message);
  }

  /** Of what the client has not had. What is not held is remembered: it gets it now. */
  holdsBack(message: Published): boolean {
    if (this.holds && (this.since.all || originOf(message).node === this.since.silent)) {
      this.held.set(message.id, message);
      return true;
    }
    this.remember(message);
    return false;
  }

  /** Whether the client has had it since, or gets it as it is released. */
  got({ id }: Published): boolean {
    return this.had.has(id) || this.held.has(id);
  }

  /** The node that has not said it. */
  get silent(): string {
    return this.since.silent;
  }

  /**
   * What was held back, which the client gets now; nothing is from now on. `isDead`: that node will never say it. What it said
   * last its own clients have had before anybody else.
   */
  release({ isDead = false } = {}): Published[] {
    const held = [...this.held.values()];
    this.held.clear();
    this.holds = false;
    for (const message of held) this.remember(message);
    return isDead ? held.filter((message) => originOf(message).node !== this.since.silent) : held;
  }

  get isOver(): boolean {
    return performance.now() > this.until && this.held.size === 0;
  }

  private remember({ id }: Published): void {
    this.had.add(id);
    for (const oldest of this.had) {
      if (this.had.size <= REMEMBERED) break;
      this.had.delete(oldest);
    }
  }
}
