/** Bans and an administrator's orders, in a single process. */
import { userKey } from './identity.js';
import type { Ban, Order, Orders } from './store.js';

export class MemoryOrders implements Orders {
  private readonly bans = new Map<string, number>();
  private readonly listeners: ((order: Order) => void)[] = [];

  /** `now`: milliseconds since 1970. */
  constructor(private readonly now: () => number) {}

  async ban(uid: string | number, milliseconds: number): Promise<void> {
    for (const [key, ends] of this.bans) if (ends <= this.now()) this.bans.delete(key);
    this.bans.set(userKey(uid), this.now() + milliseconds);
  }

  async bannedFor(uid: string | number): Promise<number> {
    return Math.max(0, (this.bans.get(userKey(uid)) ?? 0) - this.now());
  }

  async banned(): Promise<Ban[]> {
    const now = this.now();
    return [...this.bans].map(([uid, ends]) => ({ uid, left: ends - now })).filter(({ left }) => left > 0);
  }

  async order(order: Order): Promise<void> {
    for (const listener of this.listeners) listener(order);
  }

  onOrder(listener: (order: Order) => void): void {
    this.listeners.push(listener);
  }
}
