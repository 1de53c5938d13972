import { channelRoot, keyRoot, PLAIN } from '../../redis/scope.js';

/** Every Redis key of sessions: its type, its content and its life. `ns` is the namespace of a partition, `scope` as in `Keys`. */
export class SessionKeys {
  /** What the names of all keys of the partition begin with. */
  readonly root: string;
  private readonly channelRoot: string;

  constructor(ns: string, scope = PLAIN) {
    this.root = keyRoot(ns, scope);
    this.channelRoot = channelRoot(ns, scope);
  }

  /**
   * hash: node (its owner), generation, revision, epoch (in which it was last written), state (`ending` or none), lost_at (the last
   * sign of life of the node that died with it, ms), channels (JSON: what it subscribes to), stream (the token of its EventSource,
   * once it has asked for one); identity (JSON), uid, user (JSON), stays (JSON: channel → where it is, lua/sessions/write.lua),
   * visibility (`hidden` or `shown`) and visible_since (ms). Gone with the client.
   */
  client = (clientId: string): string => `${this.root}/engine/clients/${clientId}`;
  /** set: clientIds of a node. Gone with the last. */
  clientsOf = (node: string): string => `${this.indexes}${node}`;

  /** What the names of all such indexes begin with. */
  get indexes(): string {
    return `${this.root}/engine/clients_of/`;
  }
  /** zset: dead node → when its clients are to be ended, ms. An entry goes with the last of them. */
  get dead(): string {
    return `${this.root}/engine/dead`;
  }
  /** zset: dead node → when its lease was last renewed, or it stopped, ms. As `dead`. */
  get lastSigns(): string {
    return `${this.root}/engine/last_signs`;
  }
  /** zset: node → when its lease is over, ms. An entry goes when the node has stopped, or is declared dead. */
  get nodes(): string {
    return `${this.root}/nodes`;
  }
  /** hash: node → JSON about it. As `nodes`. */
  get about(): string {
    return `${this.root}/nodes/about`;
  }
  /** hash: node → its term; what it sent in an earlier one does nothing any more. As `nodes`. */
  get terms(): string {
    return `${this.root}/nodes/terms`;
  }
  /** hash: what all of presence and the engine is in. Stays. */
  get epoch(): string {
    return `${this.root}/epoch`;
  }
  /** What the names of the nodes' own Pub/Sub channels begin with: requests, replies and notices. Sharded with Redis Cluster. */
  get inboxes(): string {
    return `${this.channelRoot}/engine/nodes/`;
  }
}
