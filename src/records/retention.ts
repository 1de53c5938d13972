/** Removes what is too old, in small steps: nobody waits long for one. Online times and the last sight of users stay. */
import type { OpenDatabase } from './database.js';
import { oneAtATime } from './one-at-a-time.js';

/** Rows in one transaction. */
const STEP = 1_000;

/** Milliseconds that it is known of an entry of the journal that it was written: one that comes again does so sooner. */
const REMEMBERED = 86_400_000;

/**
 * Removes login rows, and stays that ended, from before `before` (milliseconds since 1970), and what clients without stays had
 * said of their pages by then: one step of each. Returns how many rows went; to be called again until that is zero.
 */
export async function removeOlder(database: OpenDatabase, before: number): Promise<number> {
  const rows = await oneAtATime(database, async ({ tables }) => {
    const log = await tables
      .selectFrom('faye_user_login_logs')
      .select('id')
      .where('t', '<', before)
      .orderBy('t')
      .limit(STEP)
      .execute();
    const stays = await tables
      .selectFrom('faye_online_stays')
      .select('id')
      .where('ended_at', '<', before)
      .orderBy('ended_at')
      .limit(STEP)
      .execute();
    if (log.length > 0) await tables.deleteFrom('faye_user_login_logs').where('id', 'in', ids(log)).execute();
    if (stays.length > 0)
      await tables.deleteFrom('faye_online_stays').where('id', 'in', ids(stays)).execute();
    const said = await tables
      .selectFrom('faye_online_visibility as said')
      .select('said.id')
      .where('said.started_at', '<', before)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('faye_online_stays as stay')
              .select('stay.id')
              .whereRef('stay.clientId', '=', 'said.clientId'),
          ),
        ),
      )
      .orderBy('said.started_at')
      .limit(STEP)
      .execute();
    if (said.length > 0)
      await tables.deleteFrom('faye_online_visibility').where('id', 'in', ids(said)).execute();
    return log.length + stays.length + said.length;
  });
  return rows;
}

const ids = (rows: { id: number }[]): number[] => rows.map(({ id }) => id);

/**
 * Forgets which entries of the journal were written a day ago and earlier: one step. Only for one who has just taken over
 * what others left in the journal, so that nothing is left that could come again. Returns how many it forgot.
 */
export function forgetWritten(database: OpenDatabase, now: number): Promise<number> {
  return oneAtATime(database, async ({ tables }) => {
    const old = await tables
      .selectFrom('faye_online_written')
      .select('written_at')
      .where('written_at', '<', now - REMEMBERED)
      .orderBy('written_at')
      .limit(STEP)
      .execute();
    const newest = old.at(-1)?.written_at;
    if (newest === undefined) return 0;
    await tables.deleteFrom('faye_online_written').where('written_at', '<=', newest).execute();
    return old.length;
  });
}
