/**
 * The store that many nodes share. Each step is one Lua script (lua/), whose header says why it must be atomic, and concerns
 * the keys of one partition.
 */
import type { Logger } from 'pino';
import { warnOfEviction } from '../redis/eviction.js';
import { type Outage, outageOf } from '../redis/outage.js';
import type { Commands } from '../redis/scripts.js';
import { PartitionedScripts, type PartitionedScriptsOptions } from './partitioned-scripts.js';
import { RedisChannels } from './redis-channels.js';
import { RedisJournal } from './redis-journal.js';
import { RedisOrders } from './redis-orders.js';
import { RedisUpkeep } from './redis-upkeep.js';
import type { Concerns, Store, StoreEpochs, StoreStatus } from './store.js';

export interface RedisStoreOptions extends PartitionedScriptsOptions {
  log: Logger;
}

export class RedisStore implements Store {
  readonly journal: RedisJournal;
  readonly channels: RedisChannels;
  readonly orders: RedisOrders;
  readonly upkeep: RedisUpkeep;
  private readonly scripts: PartitionedScripts;
  private readonly hearing: (() => void)[] = [];
  private opened = false;

  constructor(private readonly options: RedisStoreOptions) {
    const { redis, epochs } = options.hub;
    this.scripts = new PartitionedScripts(options);
    this.journal = new RedisJournal(redis, this.scripts.keys);
    this.channels = new RedisChannels(this.scripts);
    this.orders = new RedisOrders(this.scripts);
    this.upkeep = new RedisUpkeep(this.scripts);
    // So that nothing that happens in it is missing there.
    epochs.onBegin((partition) => this.journal.openAgain(partition));
    redis.plain.on('message', this.received);
  }

  get status(): StoreStatus {
    const { outage } = this;
    return {
      description: this.options.hub.redis.description,
      connected: !outage?.isAway,
      ready: outage?.isReady ?? true,
      outage: outage?.reason ?? null,
    };
  }

  get epochs(): StoreEpochs {
    const { epochs, partitions } = this.options.hub;
    const on = (when: 'begin' | 'change', listener: (concerns: Concerns) => Promise<void>): void => {
      const inPartition = (partition: number) => listener((name) => partitions.of(name) === partition);
      if (when === 'begin') epochs.onBegin(inPartition);
      else epochs.onChange(inPartition);
    };
    const all = this.outage?.isAway ? [] : epochs.all;
    return { all, of: (channel) => epochs.of(partitions.of(channel)), on };
  }

  async open(): Promise<void> {
    const { hub, log } = this.options;
    await hub.accepted();
    await warnOfEviction(hub.redis.commands, log);
    // Whoever listens has looked (lua/epoch.lua).
    await hub.epochs.first;
    const { announcements, orders } = this.scripts.home;
    await hub.redis.plain.subscribe(announcements, orders);
    hub.redis.plain.on('ready', this.listening);
    this.opened = true;
  }

  /** The hub stays open. */
  async close(): Promise<void> {
    this.opened = false;
    this.options.hub.redis.plain.off('message', this.received).off('ready', this.listening);
  }

  onHearing(listener: () => void): void {
    this.hearing.push(listener);
  }

  /** What the keys of handshake limits begin with. */
  get rates(): string {
    return this.options.hub.partitions.rates;
  }

  /** The connection for commands, for others who keep something there. */
  get commands(): Commands {
    return this.options.hub.redis.commands;
  }

  private readonly received = (channel: string, text: string): void => {
    const { announcements, orders } = this.scripts.home;
    if (channel === announcements) this.hear(text, this.channels.listeners);
    else if (channel === orders) this.hear(text, this.orders.listeners);
  };

  private readonly listening = (): void => {
    for (const listening of this.hearing) listening();
  };

  private get outage(): Outage | null {
    const { redis, epochs } = this.options.hub;
    const isOpen = this.opened && redis.commands.status === 'ready' && redis.plain.status === 'ready';
    const { length: partitions } = this.scripts.keys;
    return outageOf({ isOpen, away: epochs.away, partitions, refusal: redis.refusal });
  }

  private hear<T>(text: string, listeners: ((heard: T) => void)[]): void {
    try {
      const heard = JSON.parse(text) as T;
      for (const listener of listeners) listener(heard);
    } catch (error) {
      this.options.log.error({ err: error }, 'what another node said could not be handled');
    }
  }
}
