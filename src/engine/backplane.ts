/**
 * What carries messages between nodes: the port.
 *
 * A node hears each message exactly once, its own too, in the order in which each node published, and only messages of
 * channels that it listens to. `channels` are the names under which subscribers are to be looked up: a message's own
 * channel and the patterns that cover it, or one of them alone.
 */
import type { Message } from 'faye';

export type Hear = (message: Message, channels: readonly string[]) => void;

export interface Backplane {
  publish(message: Message, channels: readonly string[]): void;
  /** Called with every subscription of a client of this node; calls back once messages of the channel will be heard. */
  listen(channel: string, listening: () => void): void;
  /** Called when this node's last client has unsubscribed. */
  unlisten(channel: string): void;
  onMessage(hear: Hear): void;
  close(): void;
}
