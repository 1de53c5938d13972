/**
 * Repairs what a crash left behind: ends clients that the engine no longer has, a bounded number at a time, by one
 * node at a time, and makes right the steps of this node whose outcome in the store is unknown.
 *
 * It reads existence after it saw the client in the store, by the engine's own word; where the engine can't tell, the
 * client stays until it can.
 */
import type { Logger } from 'pino';
import { allSettled, firstFailure } from './all-settled.js';
import type { Presence } from './presence.js';
import type { Member, Upkeep } from './store.js';

export interface ReaperOptions {
  store: Upkeep;
  presence: Presence;
  /** Which of these clients exist. Rejects where that can't be told of all. */
  clientsExist(clientIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Runs a step of a client after what is under way for it. */
  inTurn(clientId: string, step: () => Promise<void>): Promise<void>;
  /** Ends a client for the engine, which leads to its leave. */
  endClient(clientId: string): void;
  /** Seconds that a client may stay after its proof has expired. */
  expiryGrace: number;
  node: string;
  /** Milliseconds between two looks. */
  every: number;
  /** Milliseconds after which what this node remembers of an unused client is dropped. */
  forgetAfter: number;
  log: Logger;
}

/** Clients looked at in one go. */
const BATCH = 200;

export class Reaper {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly options: ReaperOptions) {}

  start(): void {
    this.timer ??= setInterval(() => {
      this.running ??= this.tick().finally(() => {
        this.running = undefined;
      });
    }, this.options.every);
    this.timer.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** One look. Never rejects: what could not be done is done at the next. */
  async tick(): Promise<void> {
    const { presence, forgetAfter, log } = this.options;
    try {
      presence.remembered.forgetUnused(forgetAfter);
      await allSettled(
        presence.doubtful.map((clientId) => this.options.inTurn(clientId, () => presence.settle(clientId))),
      );
      await this.expire();
      await this.reap();
    } catch (error) {
      log.debug({ err: error }, 'the reaper could not ask; it will again');
    }
  }

  /** A proof that expired here may have been renewed on another node: that is asked first. */
  private async expire(): Promise<void> {
    const { presence, expiryGrace, endClient } = this.options;
    for (const clientId of presence.remembered.expired(expiryGrace)) {
      presence.remembered.drop(clientId);
      await presence.identityOf(clientId);
      if (presence.remembered.hasExpired(clientId, expiryGrace)) endClient(clientId);
    }
  }

  private async reap(): Promise<void> {
    const { store, node, every } = this.options;
    if (!(await store.lock(node, Math.max(every, 10_000)))) return;
    try {
      const clientIds = await store.unchecked(every, BATCH);
      // One that can't be asked for must not keep the others from it.
      if (clientIds.length > 0) await this.check(clientIds).catch(() => this.checkEach(clientIds));
      await store.strays((members) => this.leaveStrays(members));
    } finally {
      await store.unlock(node);
    }
  }

  private async leaveStrays(members: readonly Member[]): Promise<void> {
    const { presence, clientsExist, inTurn } = this.options;
    const existing = await clientsExist([...new Set(members.map(({ clientId }) => clientId))]);
    const strays = members.filter(({ clientId }) => !existing.has(clientId));
    const gone = [...new Set(strays.map(({ clientId }) => clientId))];
    // One that has a record would not be let out of where that says it is.
    await allSettled(gone.map((clientId) => inTurn(clientId, () => presence.endIfGone(clientId))));
    await allSettled(strays.map((member) => presence.leaveStray(member)));
  }

  private async checkEach(clientIds: readonly string[]): Promise<void> {
    const failed = await firstFailure(clientIds.map((clientId) => this.check([clientId])));
    if (failed) throw failed.reason;
  }

  /** Ends those that do not live any more. */
  private async check(clientIds: readonly string[]): Promise<void> {
    const { store, presence, clientsExist, inTurn } = this.options;
    const existing = await clientsExist(clientIds);
    const gone = clientIds.filter((clientId) => !existing.has(clientId));
    const ends = gone.map((clientId) => inTurn(clientId, () => presence.endIfGone(clientId)));
    // One that can't be ended must not keep the others from it.
    const failed = await firstFailure(ends);
    const alive = clientIds.filter((clientId) => existing.has(clientId));
    if (alive.length > 0) await store.checked(alive);
    if (failed) throw failed.reason;
  }
}
