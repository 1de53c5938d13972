/** Listens to Redis' Pub/Sub channels, and again after each connection that was lost. */
import type { Logger } from 'pino';
import { Connection } from './connection.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisClient } from './redis3.js';
import type { Reports } from './reports.js';

export interface SubscriberOptions {
  address: RedisAddress;
  reports: Reports;
  log: Logger;
  changed(): void;
}

type Listener = (channel: string, message: string) => void;

export class Subscriber {
  private readonly channels = new Set<string>();
  private readonly listeners: Listener[] = [];
  private readonly connection: Connection;
  private confirmed = false;

  constructor(private readonly options: SubscriberOptions) {
    const { address, reports, log } = options;
    this.connection = new Connection({
      role: 'subscriber',
      address,
      reports,
      log,
      up: (client) => this.listen(client),
      down: () => this.become(false),
    });
  }

  /** Redis has confirmed the subscriptions: nothing that is published from now on is missed. */
  get up(): boolean {
    return this.confirmed;
  }

  get refusal(): string | null {
    return this.connection.refusal;
  }

  /** To be called before the connection is there, in the turn that made the subscriber. */
  subscribe(channel: string): void {
    this.channels.add(channel);
  }

  onMessage(listener: Listener): void {
    this.listeners.push(listener);
  }

  close(): void {
    this.listeners.length = 0;
    this.confirmed = false;
    this.connection.close();
  }

  private listen(client: RedisClient): void {
    client.on('message', (channel, message) => {
      for (const listener of this.listeners) listener(channel, message);
    });
    client.subscribe([...this.channels], (error) => {
      if (error) this.connection.drop(client, error);
      else this.become(true);
    });
  }

  private become(confirmed: boolean): void {
    this.confirmed = confirmed;
    this.options.changed();
  }
}
