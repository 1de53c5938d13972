/** What follows from changes of stays, and from what clients have said of their pages, for the times of users and of stays. */
import type { Database } from './database.js';
import { afterChanges, type OnlineTime } from './online-time.js';
import { type SaidOf, saidSince, withFresh } from './said.js';
import type { Stay, StayChange } from './stays.js';
import { upsert } from './upsert.js';
import { type SaidBy, type Seen, visibleAfter } from './visible-time.js';

interface VisibleTime {
  visible_ms: number;
  visible_since: number | null;
}

const NEVER: OnlineTime & VisibleTime = { spent_ms: 0, started_at: null, visible_ms: 0, visible_since: null };

const NOTHING: SaidBy = new Map();

/**
 * Before the changes are written: it needs what they change as it is. Nothing is different before `since`. Writes into the
 * changed stays what was visible of them, and returns what all clients have said since, and the last of each before.
 */
export async function writeTimes(
  database: Database,
  changes: StayChange[],
  fresh: readonly SaidOf[],
  since: number,
): Promise<SaidBy> {
  if (since === Number.POSITIVE_INFINITY) return NOTHING;
  const uids = [...new Set(changes.map(({ after }) => after.uid))];
  const channels = [...new Set(changes.map(({ after }) => after.channel_id))];
  const times = await timesOf(database, uids, channels);
  const nearby = await staysSince(database, uids, channels, since);
  const changed = new Set(changes.map(({ after }) => after.id));
  const speakers = [...fresh, ...changes.map(({ after }) => after), ...[...nearby.values()].flat()];
  const clientIds = speakers.map(({ clientId }) => clientId);
  const known = await saidSince(database, clientIds, since);
  const heard = withFresh(known, fresh);
  for (const change of changes) seeStay(change, since, known, heard);

  const rows = [...grouped(changes)].map(([key, ofUser]) => {
    const { uid, channel_id } = (ofUser[0] as StayChange).after;
    const others = (nearby.get(key) ?? []).filter(({ id }) => !changed.has(id));
    const time = times.get(key) ?? NEVER;
    const before = { stays: [...others, ...ofUser.flatMap(({ before }) => before ?? [])], said: known };
    const after = { stays: [...others, ...ofUser.map(({ after }) => after)], said: heard };
    const visible = visibleColumns(time, since, before, after);
    return { uid, channel_id, ...afterChanges(time, others, ofUser), ...visible };
  });
  const columns = ['spent_ms', 'started_at', 'visible_ms', 'visible_since'] as const;
  await upsert(database, 'faye_user_online_times', rows, ['uid', 'channel_id'], columns);
  return heard;
}

function seeStay({ before, after }: StayChange, since: number, known: SaidBy, heard: SaidBy): void {
  const was = { stays: before ? [before] : [], said: known };
  Object.assign(after, visibleColumns(before ?? NEVER, since, was, { stays: [after], said: heard }));
}

function visibleColumns(time: VisibleTime, since: number, before: Seen, after: Seen): VisibleTime {
  const { visible_ms: spent_ms, visible_since: started_at } = time;
  const visible = visibleAfter({ spent_ms, started_at }, since, before, after);
  return { visible_ms: visible.spent_ms, visible_since: visible.started_at };
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
): Promise<Map<string, OnlineTime & VisibleTime>> {
  if (uids.length === 0) return new Map();
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
  if (uids.length === 0) return new Map();
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
