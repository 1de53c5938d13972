/** Lists of this node to its own clients. */
import type { Message } from 'faye';
import type { Delivery } from '../bayeux/online-api.js';
import { NOT_SAID, type Published } from './backplane.js';
import type { Client } from './client.js';
import type { FanOut } from './fan-out.js';
import { Outgoing } from './outgoing.js';
import type { Registry } from './registry.js';

export class EngineDelivery implements Delivery {
  constructor(
    private readonly registry: Registry,
    private readonly fanOut: FanOut,
  ) {}

  deliver(clientIds: readonly string[], message: Message, etag: string): void {
    const clients = clientIds.flatMap((clientId) => this.registry.get(clientId) ?? []);
    // One that is being acquired gets what is read after.
    this.fanOut.turn.add(
      toOwn(message, etag),
      clients.filter(({ isOwned }) => isOwned),
    );
  }

  publish(message: Message, etag: string, knownAt: number): readonly string[] {
    const passedOver: string[] = [];
    const isFor = ({ id, isOwned, cameAt, delivered }: Client) => {
      const mayKnowNewer = !isOwned || cameAt > knownAt;
      if (mayKnowNewer) passedOver.push(id);
      return !mayKnowNewer && !delivered?.knows(message.channel, etag);
    };
    const subscribers = this.registry.subscribers([message.channel]);
    this.fanOut.turn.add(toOwn(message, etag), [...subscribers].filter(isFor));
    return passedOver;
  }

  hasSubscribers(channel: string): boolean {
    return this.registry.hasSubscribers(channel);
  }

  answered(clientId: string, connectId: string | undefined): void {
    this.registry.get(clientId)?.delivered?.answered(connectId);
  }

  abandoned(clientId: string): void {
    this.registry.get(clientId)?.delivered?.abandoned();
  }

  isDelivering(clientId: string): boolean {
    return this.registry.get(clientId)?.delivered?.isDelivering ?? false;
  }

  isRetry(clientId: string, connectId: string | undefined, openedAt: number): boolean {
    const delivered = this.registry.get(clientId)?.delivered;
    if (!delivered) return false;
    return delivered.isRetry(connectId) || delivered.isNewerThan(openedAt);
  }

  shareWhen(mayShare: () => boolean): void {
    this.fanOut.mayShare = mayShare;
  }
}

/** Which no other node gets. */
function toOwn(message: Message, etag: string): Published {
  const { json } = new Outgoing(message);
  return { id: NOT_SAID, channel: message.channel, json, etag };
}
