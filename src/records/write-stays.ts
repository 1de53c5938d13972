/**
 * Changes of stays, and what clients have said of their pages, with all that follows from them: log, online time, visible
 * time, and lists that are to be written again.
 */
import type { Database } from './database.js';
import { firstDifference } from './online-time.js';
import { freshOf, type SaidOf, saidSince, writeSaid } from './said.js';
import { type StayChange, Stays } from './stays.js';
import { insert, upsert } from './upsert.js';
import { writeTimes } from './write-times.js';

const clientIdsOf = (all: readonly { clientId: string }[]): string[] => all.map(({ clientId }) => clientId);

/** The stays, in these channels, of these clients. */
export async function staysOf(
  { tables }: Database,
  clientIds: readonly string[],
  channels: readonly number[],
): Promise<Stays> {
  if (clientIds.length === 0) return new Stays([]);
  const known = await tables
    .selectFrom('faye_online_stays')
    .selectAll()
    .where('clientId', 'in', clientIds)
    .where('channel_id', 'in', channels)
    .execute();
  return new Stays(known);
}

/** To be called within `oneAtATime`, with stays that were read there. */
export async function writeStays(
  database: Database,
  stays: Stays,
  said: readonly SaidOf[] = [],
): Promise<void> {
  const { changes, log } = stays;
  const fresh = await unknownOf(database, said);
  if (changes.length + fresh.length === 0) return;
  const since = Math.min(firstDifference(changes), ...fresh.map(({ at }) => at));
  const all = [...changes, ...(await staysOfSpeakers(database, fresh, changes))];
  const heard = await writeTimes(database, all, fresh, since);
  await writeChanges(database, all);
  await writeSaid(database, fresh, heard);
  await insert(database, 'faye_user_login_logs', log);
  await markLists(database, changes);
}

async function unknownOf(database: Database, said: readonly SaidOf[]): Promise<SaidOf[]> {
  if (said.length === 0) return [];
  const since = Math.min(...said.map(({ at }) => at));
  return freshOf(said, await saidSince(database, clientIdsOf(said), since));
}

/** Stays that are what they were, but for what was visible of them. */
async function staysOfSpeakers(
  { tables }: Database,
  fresh: readonly SaidOf[],
  changes: readonly StayChange[],
): Promise<StayChange[]> {
  if (fresh.length === 0) return [];
  const since = Math.min(...fresh.map(({ at }) => at));
  const rows = await tables
    .selectFrom('faye_online_stays')
    .selectAll()
    .where('clientId', 'in', [...new Set(clientIdsOf(fresh))])
    .where(({ or, eb }) => or([eb('ended_at', 'is', null), eb('ended_at', '>', since)]))
    .execute();
  const changed = new Set(changes.map(({ after }) => after.id));
  return rows.filter(({ id }) => !changed.has(id)).map((stay) => ({ before: stay, after: { ...stay } }));
}

async function writeChanges(database: Database, changes: StayChange[]): Promise<void> {
  const after = changes.map((change) => change.after);
  const known = after.flatMap((stay) => (stay.id === undefined ? [] : { ...stay, id: stay.id }));
  const begun = after.filter((stay) => stay.id === undefined);
  await upsert(
    database,
    'faye_online_stays',
    known,
    ['id'],
    ['started_at', 'ended_at', 'ending', 'uid', 'epoch', 'node', 'visible_ms', 'visible_since'],
  );
  await insert(database, 'faye_online_stays', begun);
}

async function markLists(database: Database, changes: readonly StayChange[]): Promise<void> {
  const channels = new Set(changes.map(({ after }) => after.channel_id));
  const rows = [...channels].map((channel_id) => ({
    channel_id,
    user_info_list: '[]',
    lock_version: 0,
    is_stale: 1,
    updated_at: 0,
  }));
  await upsert(database, 'faye_channel_online_lists', rows, ['channel_id'], ['is_stale']);
}
