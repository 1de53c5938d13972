/** Those who write to a database do so one after the other, whichever process they are in. */
import type { Database } from './database.js';

/**
 * Runs a step in a transaction of its own, alone among all steps run by this. What it reads is what the last one
 * committed, so it may read, decide and write. It begins with a change of the one row that all of them change, which
 * each database makes the next one wait for.
 */
export function oneAtATime<T>(
  { kind, tables }: Database,
  step: (database: Database) => Promise<T>,
): Promise<T> {
  return tables.transaction().execute(async (transaction) => {
    await transaction
      .updateTable('faye_online_turn')
      .set((row) => ({ turns: row('turns', '+', 1) }))
      .execute();
    return step({ kind, tables: transaction });
  });
}
