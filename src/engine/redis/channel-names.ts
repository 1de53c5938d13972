/** By which Pub/Sub channels the messages of a Bayeux channel go from node to node, and how they are listened to. */
import type { Partitions } from '../../redis/partitions.js';
import { channelRoot } from '../../redis/scope.js';
import type { Name } from './listening.js';

export class ChannelNames {
  /** By partition. */
  private readonly roots: readonly string[];

  constructor(
    private readonly partitions: Partitions,
    private readonly isCluster: boolean,
  ) {
    this.roots = partitions.namespaces.map((namespace) => channelRoot(namespace, partitions.scope));
  }

  /** Pub/Sub channel, no key: messages of a Bayeux channel. */
  messages(channel: string, partition = this.partitions.of(channel)): string {
    return `${this.roots[partition]}/engine/messages${channel}`;
  }

  /** By what a message of the channel is sent. */
  to(channel: string, partition: number): string[] {
    const messages = this.messages(channel, partition);
    return this.isCluster ? [messages, this.everything(partition)] : [messages];
  }

  /** By what the messages of a channel or pattern are received. */
  of(channel: string): Name[] {
    const { isCluster, partitions } = this;
    const isPattern = channel.endsWith('*');
    if (isPattern && isCluster)
      return partitions.tags.map((tag, index) => ({ kind: 'ssubscribe', name: this.everything(index), tag }));
    const partition = partitions.of(channel);
    const tag = partitions.tags[partition] as string;
    const kind = isCluster ? 'ssubscribe' : 'subscribe';
    if (!isPattern) return [{ kind, name: this.messages(channel, partition), tag }];
    const parent = channel.slice(0, channel.lastIndexOf('/') + 1);
    return [{ kind: 'psubscribe', name: `${escaped(this.messages(parent, partition))}*`, tag }];
  }

  /** Sharded Pub/Sub channel, no key: all messages of the partition, for those who subscribe to patterns. */
  private everything(partition: number): string {
    return `${this.roots[partition]}/engine/everything`;
  }
}

/** Redis' glob characters; Bayeux channels have none, a namespace may. */
const escaped = (text: string): string => text.replace(/[\\?*[\]^]/g, '\\$&');
