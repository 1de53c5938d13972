/** Changes of stays, with all that follows from them: log, online time, and lists that are to be written again. */
import type { Database } from './database.js';
import { afterChanges, firstDifference, type OnlineTime } from './online-time.js';
import { type Stay, type StayChange, Stays } from './stays.js';
import { insert, upsert } from './upsert.js';

const NOT_YET: OnlineTime = { spent_ms: 0, started_at: null };

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
export async function writeStays(database: Database, stays: Stays): Promise<void> {
  const { changes, log } = stays;
  if (changes.length === 0) return;
  await writeTimes(database, changes);
  await writeChanges(database, changes);
  await insert(database, 'faye_user_login_logs', log);
  await markLists(database, changes);
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
    ['started_at', 'ended_at', 'ending', 'uid', 'epoch', 'node'],
  );
  await insert(database, 'faye_online_stays', begun);
}

/** Before the changes are written: it needs what they change as it is. */
async function writeTimes(database: Database, changes: StayChange[]): Promise<void> {
  const since = firstDifference(changes);
  if (since === Number.POSITIVE_INFINITY) return;
  const uids = [...new Set(changes.map(({ after }) => after.uid))];
  const channels = [...new Set(changes.map(({ after }) => after.channel_id))];
  const times = await timesOf(database, uids, channels);
  const nearby = await staysSince(database, uids, channels, since);
  const changed = new Set(changes.map(({ after }) => after.id));

  const rows = [...grouped(changes)].map(([key, ofUser]) => {
    const { uid, channel_id } = (ofUser[0] as StayChange).after;
    const others = (nearby.get(key) ?? []).filter(({ id }) => !changed.has(id));
    return { uid, channel_id, ...afterChanges(times.get(key) ?? NOT_YET, others, ofUser) };
  });
  await upsert(database, 'faye_user_online_times', rows, ['uid', 'channel_id'], ['spent_ms', 'started_at']);
}

interface OfUser {
  uid: string;
  channel_id: number;
}

const keyOf = ({ uid, channel_id }: OfUser): string => `${channel_id} ${uid}`;

function grouped(changes: StayChange[]): Map<string, StayChange[]> {
  const groups = new Map<string, StayChange[]>();
  for (const change of changes) {
    const key = keyOf(change.after);
    groups.set(key, [...(groups.get(key) ?? []), change]);
  }
  return groups;
}

async function timesOf(
  { tables }: Database,
  uids: string[],
  channels: number[],
): Promise<Map<string, OnlineTime>> {
  const rows = await tables
    .selectFrom('faye_user_online_times')
    .selectAll()
    .where('uid', 'in', uids)
    .where('channel_id', 'in', channels)
    .execute();
  return new Map(rows.map((row) => [keyOf(row), row]));
}

async function staysSince(
  { tables }: Database,
  uids: string[],
  channels: number[],
  since: number,
): Promise<Map<string, Stay[]>> {
  const rows = await tables
    .selectFrom('faye_online_stays')
    .selectAll()
    .where('uid', 'in', uids)
    .where('channel_id', 'in', channels)
    .where(({ or, eb }) => or([eb('ended_at', 'is', null), eb('ended_at', '>=', since)]))
    .execute();
  const stays = new Map<string, Stay[]>();
  for (const row of rows) stays.set(keyOf(row), [...(stays.get(keyOf(row)) ?? []), row]);
  return stays;
}

async function markLists(database: Database, changes: StayChange[]): Promise<void> {
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
