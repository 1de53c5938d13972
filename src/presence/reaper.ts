/**
 * Looks at intervals for what is to go: clients whose proof has expired; clients that an engine which knows no owners does not have
 * any more; and, by one node at a time, members of which no client's record knows.
 *
 * Where the engine can't tell, a client stays until it can.
 */
import type { Logger } from 'pino';
import { UnavailableError } from '../errors.js';
import { allSettled, firstFailure } from './all-settled.js';
import type { Presence } from './presence.js';
import type { Member, Upkeep } from './store.js';

export interface ReaperOptions {
  upkeep: Upkeep;
  presence: Presence;
  /** Which of these clients exist. Rejects where that can't be told of all. */
  clientsExist(clientIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** The channels that the records of clients say they are in, of those that have one. Rejects where that can't be told. */
  staysOf(clientIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Runs a step of a client after what is under way for it. */
  inTurn(clientId: string, step: () => Promise<void>): Promise<void>;
  /** Ends a client for the engine, which leads to its leave. */
  endClient(clientId: string): void;
  /** Seconds that a client may stay after its proof has expired. */
  expiryGrace: number;
  node: string;
  /** Milliseconds between two looks. */
  every: number;
  log: Logger;
}

/** Clients asked for in one go. */
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
    this.expire();
    const failed = await firstFailure([this.reap(), this.sweep()]);
    if (failed) this.options.log.debug({ err: failed.reason }, 'the reaper could not ask; it will again');
  }

  private expire(): void {
    const { presence, expiryGrace, endClient } = this.options;
    const before = Date.now() / 1_000 - expiryGrace;
    for (const { clientId, identity } of [...presence.clients.bound()]) {
      if (identity.expiresAt !== undefined && identity.expiresAt < before) endClient(clientId);
    }
  }

  /** Ends those that the engine does not have any more. */
  private async reap(): Promise<void> {
    const { presence, clientsExist, inTurn } = this.options;
    const clientIds = [...presence.clients.bound()].map(({ clientId }) => clientId);
    for (let next = 0; next < clientIds.length; next += BATCH) {
      const batch = clientIds.slice(next, next + BATCH);
      const existing = await clientsExist(batch);
      const gone = batch.filter((clientId) => !existing.has(clientId));
      await allSettled(gone.map((clientId) => inTurn(clientId, () => this.endIfGone(clientId))));
    }
  }

  /** It is asked again, in the client's turn. */
  private async endIfGone(clientId: string): Promise<void> {
    const { presence, clientsExist } = this.options;
    if (!(await clientsExist([clientId])).has(clientId)) await presence.clients.end(clientId);
  }

  private async sweep(): Promise<void> {
    const { upkeep, node, every } = this.options;
    if (!(await upkeep.lock(node, Math.max(every, 10_000)))) return;
    try {
      await upkeep.orphans((members) => this.sweepAll(members));
    } finally {
      await upkeep.unlock(node);
    }
  }

  private async sweepAll(members: readonly Member[]): Promise<void> {
    const { presence, clientsExist, staysOf } = this.options;
    const existing = await clientsExist([...new Set(members.map(({ clientId }) => clientId))]);
    const stays = await staysOf([...existing]);
    // Its record is being written again.
    if ([...existing].some((clientId) => !stays.has(clientId))) throw new UnavailableError('a client');
    const orphans = members.filter(({ clientId, channel }) => !stays.get(clientId)?.includes(channel));
    await allSettled(orphans.map((member) => presence.sweep(member)));
  }
}
