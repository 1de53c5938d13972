/**
 * What must be in the database once all is written. Exactly what the journal has told: each in and each out once, each stay,
 * and of each user and channel the time that the stays cover, and what was visible of it, to the millisecond. And that is
 * within what the tabs know of themselves.
 */
import type { JournalEntry, MembershipEntry, VisibilityEntry } from '../../src/presence/journal.js';
import type { OpenDatabase } from '../../src/records/database.js';
import { type Interval, total } from '../../src/records/intervals.js';
import { without } from './bounds.js';
import type { Tab } from './tab.js';

export interface Round {
  /** What all channels of the round begin with. */
  prefix: string;
  /** All that the journal has told of it. */
  entries: readonly JournalEntry[];
  tabs: readonly Tab[];
  /** When it began, and when all had gone, milliseconds since 1970. */
  begun: number;
  end: number;
}

/** By channel and user. */
type Times = Map<string, { open: Interval[]; visible: Interval[] }>;

interface Stay extends Interval {
  uid: string;
  channel: string;
  clientId: string;
}

const isMembership = (entry: JournalEntry): entry is MembershipEntry => 'channel' in entry;
const isVisibility = (entry: JournalEntry): entry is VisibilityEntry => !isMembership(entry);

export async function wrongIn(database: OpenDatabase, round: Round): Promise<string[]> {
  const wrong: string[] = [];
  const stays = staysOf(round.entries, wrong);
  wrong.push(...(await wrongRows(database, round, stays)));
  wrong.push(...(await wrongTimes(database, round, timesOf(round.entries, stays))));
  return wrong;
}

/** Of each client in each channel an in, then an out, and so on. */
function staysOf(entries: readonly JournalEntry[], wrong: string[]): Stay[] {
  const open = new Map<string, MembershipEntry>();
  const stays: Stay[] = [];
  for (const entry of entries.filter(isMembership)) {
    const { channel, clientId, uid, at } = entry;
    const key = `${channel} ${clientId}`;
    const begun = open.get(key);
    if ((entry.type === 'in') === (begun !== undefined)) wrong.push(`two ${entry.type}s in a row of ${key}`);
    if (entry.type === 'in') open.set(key, entry);
    else open.delete(key);
    if (begun) stays.push({ uid, channel, clientId, from: begun.at, to: Math.max(begun.at, at) });
  }
  for (const key of open.keys()) wrong.push(`no out of ${key}`);
  return stays;
}

function timesOf(entries: readonly JournalEntry[], stays: readonly Stay[]): Times {
  const times: Times = new Map();
  for (const stay of stays) {
    const key = `${stay.channel} ${stay.uid}`;
    const time = times.get(key) ?? { open: [], visible: [] };
    times.set(key, time);
    time.open.push(stay);
    time.visible.push(...without([stay], hiddenOf(entries, stay.clientId)));
  }
  return times;
}

function hiddenOf(entries: readonly JournalEntry[], clientId: string): Interval[] {
  const said = entries.filter(isVisibility).filter((entry) => entry.clientId === clientId);
  said.sort((one, other) => one.at - other.at);
  return said.flatMap(({ type, at }, index) =>
    type === 'hidden' ? { from: at, to: said[index + 1]?.at ?? Number.POSITIVE_INFINITY } : [],
  );
}

async function wrongRows(
  { tables }: OpenDatabase,
  { prefix, entries }: Round,
  stays: readonly Stay[],
): Promise<string[]> {
  const log = await tables
    .selectFrom('faye_user_login_logs as log')
    .innerJoin('faye_channels as channel', 'channel.id', 'log.channel_id')
    .select(['channel.name', 'log.clientId', 'log.uid', 'log.status', 'log.t'])
    .where('channel.name', 'like', `${prefix}%`)
    .execute();
  const rows = await tables
    .selectFrom('faye_online_stays as stay')
    .innerJoin('faye_channels as channel', 'channel.id', 'stay.channel_id')
    .selectAll('stay')
    .select('channel.name')
    .where('channel.name', 'like', `${prefix}%`)
    .execute();
  const visible = (stay: Stay) => total(without([stay], hiddenOf(entries, stay.clientId)));
  const name = ({ channel, clientId, uid }: Stay) => `${channel} ${clientId} ${uid}`;
  return [
    ...difference(
      'a row of the log',
      log.map((row) => `${row.name} ${row.clientId} ${row.uid} ${row.status} ${row.t}`),
      stays.flatMap((stay) => [`${name(stay)} 1 ${stay.from}`, `${name(stay)} 0 ${stay.to}`]),
    ),
    ...difference(
      'a stay',
      rows.map(
        (row) =>
          `${row.name} ${row.clientId} ${row.uid} ${row.started_at} ${row.ended_at} ${row.ending} visible ${row.visible_ms} ${row.visible_since}`,
      ),
      stays.map((stay) => `${name(stay)} ${stay.from} ${stay.to} out visible ${visible(stay)} null`),
    ),
  ];
}

async function wrongTimes({ tables }: OpenDatabase, round: Round, times: Times): Promise<string[]> {
  const rows = await tables
    .selectFrom('faye_user_online_times as time')
    .innerJoin('faye_channels as channel', 'channel.id', 'time.channel_id')
    .selectAll('time')
    .select('channel.name')
    .where('channel.name', 'like', `${round.prefix}%`)
    .execute();
  const known = rows.map(
    (row) =>
      `${row.name} ${row.uid} ${row.spent_ms} ${row.started_at} ${row.visible_ms} ${row.visible_since}`,
  );
  const expected = [...times].map(
    ([key, { open, visible }]) => `${key} ${total(open)} null ${total(visible)} null`,
  );
  const outside = rows.flatMap(({ name, uid, spent_ms, visible_ms }) => [
    ...unlikely(round, name, uid, 'open', spent_ms),
    ...unlikely(round, name, uid, 'visible', visible_ms),
  ]);
  return [...difference('the times', known, expected), ...outside];
}

function unlikely(
  { tabs, begun, end }: Round,
  channel: string,
  uid: string,
  which: 'open' | 'visible',
  time: number,
): string[] {
  const bounds = tabs.flatMap((tab) => (tab.uid === uid ? (tab.times(end).get(channel)?.[which] ?? []) : []));
  const least = total(bounds.flatMap((each) => each.least));
  const most = total(bounds.flatMap((each) => each.most));
  if (least <= time && time <= most) return [];
  const shown = JSON.stringify(bounds, (_key, value) => (typeof value === 'number' ? value - begun : value));
  return [
    `${uid} was ${which} in ${channel} for ${time} ms; by its tabs for ${least} to ${most} ms: ${shown}`,
  ];
}

function difference(what: string, found: readonly string[], expected: readonly string[]): string[] {
  return [
    ...surplus(found, expected).map((each) => `${what} too many: ${each}`),
    ...surplus(expected, found).map((each) => `${what} is missing: ${each}`),
  ];
}

/** What is in the one more often than in the other. */
function surplus(some: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const each of others) counts.set(each, (counts.get(each) ?? 0) + 1);
  return some.filter((each) => {
    const left = counts.get(each) ?? 0;
    counts.set(each, left - 1);
    return left <= 0;
  });
}
