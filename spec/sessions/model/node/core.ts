/** The parts of a node that all of its tasks use. */
import type { RedisPartition } from '../redis-partition.js';
import type { NodeContext } from './context.js';
import { Link } from './link.js';
import { LocalSessions } from './local-sessions.js';
import { NodeProcess } from './process.js';

export class NodeCore {
  readonly process: NodeProcess;
  readonly sessions: LocalSessions;
  /** The link to the partition of the records. */
  readonly home: Link;
  /** The link to the other partition. */
  readonly foreign: Link;

  constructor(
    readonly name: string,
    readonly context: NodeContext,
  ) {
    const [home, foreign] = context.partitions;
    this.process = new NodeProcess(context.time);
    this.sessions = new LocalSessions(name, context);
    this.home = new Link(this, home, context);
    this.foreign = new Link(this, foreign, context);
  }

  get links(): readonly [Link, Link] {
    return [this.home, this.foreign];
  }

  link(partition: RedisPartition): Link {
    return this.links[partition.id];
  }

  log(what: string): void {
    this.context.trace.add(`${this.name}: ${what}`);
  }
}
