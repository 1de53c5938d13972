/**
 * What carries messages between nodes: the port.
 *
 * A node hears each message at most once, its own too, in the order in which each node published, and only messages of
 * channels that it listens to; over several channels that order holds where Redis is no Cluster. Its own it hears in the turn
 * in which it published them. `channels` are the names under which subscribers are to be looked up: a message's own channel
 * and the patterns that cover it, or that channel alone.
 */
export interface Published {
  /** Unique in the cluster; or `NOT_SAID`. */
  readonly id: string;
  readonly channel: string;
  /** The message as its subscribers get it. */
  readonly json: string;
  /** Of a list, which is not sent to other nodes: the same text for the same list, on whichever node. */
  readonly etag?: string | undefined;
}

/** The id of what a node has for its own clients alone. */
export const NOT_SAID = '';

/** How far a node has heard the others, and itself: by partition, the number of the last message of each node. */
export type Position = readonly Record<string, number>[];

/** What a client has had on the nodes before. This node may hear it late: it is passed over. */
export interface HeardOf {
  has(message: Published): boolean;
  /** Whether nothing of it can come any more. */
  readonly isOver: boolean;
  readonly position: Position;
}

export type Hear = (message: Published, channels: readonly string[]) => void;

export interface Backplane {
  publish(message: Omit<Published, 'id'>, channels: readonly string[]): void;
  /** Called with every subscription of a client of this node; calls back once messages of the channel will be heard. */
  listen(channel: string, listening: () => void): void;
  /** Called when this node's last client has unsubscribed. */
  unlisten(channel: string): void;
  onMessage(hear: Hear): void;
  close(): void;
}
