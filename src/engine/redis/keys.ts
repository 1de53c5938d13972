import { channelRoot, keyRoot, PLAIN } from '../../redis/scope.js';

/** Every Redis key of our engine: its type, its content and its life. `ns` is the namespace of a partition, `scope` as in `Keys`. */
export class EngineKeys {
  private readonly keyRoot: string;
  private readonly channelRoot: string;

  constructor(ns: string, scope = PLAIN) {
    this.keyRoot = keyRoot(ns, scope);
    this.channelRoot = channelRoot(ns, scope);
  }

  /**
   * hash: node, generation, state (`ending` or none), ender (the node that ends it), stream (the word of its EventSource,
   * once it has asked for one), epoch (in which it was last written down), subscribed (to how many channels). Gone with the client.
   */
  client = (clientId: string): string => `${this.keyRoot}/engine/clients/${clientId}`;
  /** set: channels and patterns that the client subscribes to. Gone with the client. */
  subscriptions = (clientId: string): string => `${this.keyRoot}/engine/subscriptions/${clientId}`;
  /** set: clientIds of a node. Gone with the last. */
  clientsOf = (node: string): string => `${this.keyRoot}/engine/clients_of/${node}`;

  /** zset: clientId → when its end was begun, ms. An entry goes once it has ended. */
  get endings(): string {
    return `${this.keyRoot}/engine/endings`;
  }
  /** zset: dead node → when its clients are to be ended, ms. An entry goes with the last of them. */
  get dead(): string {
    return `${this.keyRoot}/engine/dead`;
  }
  /** zset: dead node → when its lease was last renewed, or it stopped, ms. As `dead`. */
  get lastSigns(): string {
    return `${this.keyRoot}/engine/last_signs`;
  }
  /** zset: node → when its lease is over, ms. An entry goes when the node has stopped, or was buried. */
  get nodes(): string {
    return `${this.keyRoot}/nodes`;
  }
  /** hash: node → JSON about it. As `nodes`. */
  get about(): string {
    return `${this.keyRoot}/nodes/about`;
  }
  /** hash: node → in which round it is; what it began in an earlier one does nothing any more. As `nodes`. */
  get rounds(): string {
    return `${this.keyRoot}/nodes/rounds`;
  }
  /** hash: what all of presence and the engine is in. Stays. */
  get epoch(): string {
    return `${this.keyRoot}/epoch`;
  }
  /** Pub/Sub channel, no key: messages of a Bayeux channel. */
  messages = (channel: string): string => `${this.channelRoot}/engine/messages${channel}`;
  /** Sharded Pub/Sub channel, no key: all messages of the partition, for those who subscribe to patterns. */
  get everything(): string {
    return `${this.channelRoot}/engine/everything`;
  }
  /** Pub/Sub channel, no key: letters to a node; sharded with Redis Cluster. */
  letters = (node: string): string => `${this.channelRoot}/engine/letters/${node}`;
}
