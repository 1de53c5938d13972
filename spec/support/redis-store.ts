/** A store on Redis with a hub of its own, which is closed with it. */
import { RedisStore } from '../../src/presence/redis-store.js';
import type { Window } from '../../src/presence/store.js';
import type { RedisConnections, RedisSource } from '../../src/redis/connection.js';
import { RedisHub } from '../../src/redis/hub.js';
import type { Partitions } from '../../src/redis/partitions.js';
import { silent } from './log.js';

export interface StoreOptions {
  source: RedisSource;
  partitions: Partitions | ((redis: RedisConnections) => Partitions);
  window: Window;
  /** Milliseconds in which nothing is announced in a new epoch. */
  quiet?: number;
  journalBound?: number;
  log?: ConstructorParameters<typeof RedisHub>[0]['log'];
}

export class OwnStore extends RedisStore {
  constructor(
    private readonly hub: RedisHub,
    options: Omit<ConstructorParameters<typeof RedisStore>[0], 'hub'>,
  ) {
    super({ hub, ...options });
  }

  /** Looks now whether Redis still has the data that it had. */
  look(): Promise<void> {
    return this.hub.epochs.look();
  }

  override async close(): Promise<void> {
    await super.close();
    this.hub.close();
  }
}

export function openStore({ source, partitions, quiet, log = silent, ...rest }: StoreOptions): OwnStore {
  const hub = new RedisHub({
    source,
    partitions: typeof partitions === 'function' ? partitions : () => partitions,
    ...(quiet !== undefined && { settling: quiet }),
    log,
  });
  hub.epochs.start();
  return new OwnStore(hub, { ...rest, log });
}
