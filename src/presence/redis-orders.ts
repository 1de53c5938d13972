/** Bans and an administrator's orders, in Redis. */
import { scripts } from '../redis/scripts.js';
import { userKey } from './identity.js';
import type { PartitionedScripts } from './partitioned-scripts.js';
import type { Ban, Order, Orders } from './store.js';

export class RedisOrders implements Orders {
  /** Called with each order that this node receives. */
  readonly listeners: ((order: Order) => void)[] = [];

  constructor(private readonly scripts: PartitionedScripts) {}

  async ban(uid: string | number, milliseconds: number): Promise<void> {
    await this.scripts.run(scripts.ban, [this.scripts.home.banned], [userKey(uid), milliseconds]);
  }

  async bannedFor(uid: string | number): Promise<number> {
    return this.scripts.run(scripts.bannedFor, [this.scripts.home.banned], [userKey(uid)]);
  }

  async banned(): Promise<Ban[]> {
    const found = await this.scripts.run(scripts.banned, [this.scripts.home.banned]);
    return Array.from({ length: found.length / 2 }, (_, index) => ({
      uid: String(found[2 * index]),
      left: Number(found[2 * index + 1]),
    }));
  }

  async order(order: Order): Promise<void> {
    await this.scripts.ask((redis) => redis.publish(this.scripts.home.orders, JSON.stringify(order)));
  }

  onOrder(listener: (order: Order) => void): void {
    this.listeners.push(listener);
  }
}
