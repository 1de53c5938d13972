/** Who is online in each channel, for pages that read SQL: written after changes, at most once a second a channel. */
import type { Database, OpenDatabase } from './database.js';
import { oneAtATime } from './one-at-a-time.js';
import { upsert } from './upsert.js';

/** Milliseconds between two lists of a channel. */
const PAUSE = 1_000;

/** Lists in one transaction. */
const STEP = 100;

/**
 * Writes the lists that changed, but for those that were written less than a second ago: their turn comes when this is
 * called again. `now` is in milliseconds since 1970. Returns how many were written.
 */
export async function writeLists(database: OpenDatabase, now: number): Promise<number> {
  const due = await dueLists(database, now);
  if (due.length === 0) return 0;
  return oneAtATime(database, async (within) => {
    // Asked again: another node may have been faster.
    const lists = await dueLists(within, now);
    const users = await usersIn(
      within,
      lists.map(({ channel_id }) => channel_id),
    );
    const rows = lists.map(({ channel_id, lock_version }) => ({
      channel_id,
      user_info_list: JSON.stringify(users.get(channel_id) ?? []),
      lock_version: lock_version + 1,
      is_stale: 0,
      updated_at: now,
    }));
    await upsert(
      within,
      'faye_channel_online_lists',
      rows,
      ['channel_id'],
      ['user_info_list', 'lock_version', 'is_stale', 'updated_at'],
    );
    return rows.length;
  });
}

/** All that changed, without waiting for their second to be over. */
export async function writeLastLists(database: OpenDatabase): Promise<void> {
  while ((await writeLists(database, Date.now() + PAUSE)) > 0);
}

function dueLists({ tables }: Database, now: number) {
  return tables
    .selectFrom('faye_channel_online_lists')
    .select(['channel_id', 'lock_version'])
    .where('is_stale', '=', 1)
    .where('updated_at', '<=', now - PAUSE)
    .limit(STEP)
    .execute();
}

/** Oldest first, in the type that they were given. */
async function usersIn({ tables }: Database, channels: number[]): Promise<Map<number, (string | number)[]>> {
  const users = new Map<number, (string | number)[]>();
  if (channels.length === 0) return users;
  const rows = await tables
    .selectFrom('faye_online_stays as stay')
    .leftJoin('faye_online_users as user', 'user.uid', 'stay.uid')
    .select(({ fn }) => ['stay.channel_id', 'stay.uid', 'user.info', fn.min('stay.started_at').as('since')])
    .where('stay.ended_at', 'is', null)
    .where('stay.channel_id', 'in', channels)
    .groupBy(['stay.channel_id', 'stay.uid', 'user.info'])
    .orderBy('since')
    .orderBy('stay.uid')
    .execute();
  for (const { channel_id, uid, info } of rows) {
    const list = users.get(channel_id) ?? [];
    users.set(channel_id, [...list, asGiven(uid, info)]);
  }
  return users;
}

/** `1` and `"1"` are one user; what is kept of it says which was given. */
export function asGiven(uid: string, info: string | null): string | number {
  return info === null ? uid : (JSON.parse(info) as { uid: string | number }).uid;
}
