/**
 * A message is encoded once, and all messages of an event-loop turn go to a client as one Bayeux array; clients that
 * get the same share one prebuilt WebSocket frame. Who can't have it (polls, EventSource, permessage-deflate, or where an
 * outgoing extension wants to see each recipient's copy) gets its messages Faye's way, or waits for its next poll.
 */
import type { Message } from 'faye';
import type { Published } from './backplane.js';
import type { Client } from './client.js';
import { DeliveredLists } from './delivered-lists.js';
import type { EngineHost } from './host.js';
import type { Registry } from './registry.js';
import { type Step, Turn } from './turn.js';
import { Waiting, type WaitingLimits } from './waiting.js';

export interface FanOutOptions {
  /** What may wait for a client between two polls. Default 1,000 messages, 1 MB. */
  waiting: WaitingLimits;
  /** A waiting message was dropped. */
  onDrop(): void;
}

export class FanOut {
  readonly turn: Turn<Client>;
  /** Whether one encoding may go to many. */
  mayShare: () => boolean = () => true;
  /** `mayShare` in this turn. */
  private shares = true;

  constructor(
    private readonly host: EngineHost,
    private readonly registry: Registry,
    private readonly options: FanOutOptions,
  ) {
    this.turn = new Turn(
      () => {
        this.shares = this.mayShare();
      },
      (client, step) => this.send(client, step),
    );
  }

  /** Sends what waits for a client, where it has a connection. */
  flush(client: Client): void {
    if (!client.waiting || !client.isOwned || !this.reaches(client)) return;
    const messages = client.waiting.take();
    client.waiting = null;
    this.give(client, messages);
  }

  keep(client: Client, message: Published): void {
    client.waiting ??= new Waiting(this.options.waiting, this.options.onDrop);
    // Of a channel the last list is enough.
    if (message.etag !== undefined)
      client.waiting.withdraw(({ channel, etag }) => etag !== undefined && channel === message.channel);
    client.waiting.push(message);
  }

  private send(client: Client, step: Step): void {
    if (this.registry.get(client.id) !== client) return;
    const { stream } = client;
    if (stream?.open && stream.write && this.shares) stream.write(step.frame);
    else this.sendFayesWay(client, step);
  }

  /** Each its own copy: an extension may change it. The limits are for what waits, not for what is sent. */
  private sendFayesWay(client: Client, step: Step): void {
    if (client.isOwned && this.reaches(client)) {
      this.flush(client);
      this.give(client, step.messages);
      return;
    }
    for (const message of step.messages) this.keep(client, message);
  }

  private give(client: Client, messages: readonly Published[]): void {
    const { delivered } = client;
    const news = delivered
      ? messages.filter(({ channel, etag }) => !delivered.knows(channel, etag))
      : messages;
    if (news.length === 0) return;
    if (!client.stream && news.some(({ etag }) => etag !== undefined)) {
      client.delivered ??= new DeliveredLists();
      client.delivered.answering(news);
    }
    this.host.deliver(client.id, news.map(parsed));
  }

  /** Faye has a connection also of a stream that is closing, which drops what it is given. */
  private reaches({ id, stream }: Client): boolean {
    return this.host.hasConnection(id) && (stream === null || stream.open);
  }
}

const parsed = ({ json }: Published): Message => JSON.parse(json) as Message;
