/**
 * Says again, in a new epoch, where the clients of this node are: in turn with what is under way for them, some at a time.
 */
import { firstFailure } from './all-settled.js';
import type { Presence } from './presence.js';
import type { Concerns } from './store.js';

export interface ResumptionOptions {
  presence: Presence;
  /** Whether the client is this node's. Of any other this node knows nothing for certain. */
  has(clientId: string): boolean;
  /** Runs a step of a client after what is under way for it. */
  inTurn(clientId: string, step: () => Promise<void>): Promise<void>;
}

/** Clients at a time. */
const AT_A_TIME = 100;

/** Rejects where some could not be said; may be repeated. */
export async function resume(concerns: Concerns, options: ResumptionOptions): Promise<void> {
  const { presence, has, inTurn } = options;
  const clientIds = presence.remembered.concerned(concerns).values();

  async function one(clientId: string): Promise<void> {
    await inTurn(clientId, async () => {
      // In its turn, since it may have gone to another node meanwhile.
      if (has(clientId)) await presence.resume(clientId);
      else presence.remembered.doubtChannels(clientId);
    });
  }

  async function some(): Promise<void> {
    for (const clientId of clientIds) await one(clientId);
  }

  const failed = await firstFailure(Array.from({ length: AT_A_TIME }, some));
  if (failed) throw failed.reason;
}
