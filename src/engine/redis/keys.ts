import { channelRoot, PLAIN } from '../../redis/scope.js';

/** The Pub/Sub channels by which messages go from node to node. `ns` is the namespace of a partition, `scope` as in `Keys`. */
export class EngineKeys {
  private readonly channelRoot: string;

  constructor(ns: string, scope = PLAIN) {
    this.channelRoot = channelRoot(ns, scope);
  }

  /** Pub/Sub channel, no key: messages of a Bayeux channel. */
  messages = (channel: string): string => `${this.channelRoot}/engine/messages${channel}`;
  /** Sharded Pub/Sub channel, no key: all messages of the partition, for those who subscribe to patterns. */
  get everything(): string {
    return `${this.channelRoot}/engine/everything`;
  }
}
