/**
 * What was recorded, for people: questions to the database and nothing else. Times are ISO 8601 in UTC, seconds are
 * whole ones. `now` is in milliseconds since 1970. Who or what never was is undefined. Long ones come page by page.
 */
import { InvalidQueryError } from '../errors.js';
import type { Database } from './database.js';
import { clip, type Interval, total } from './intervals.js';
import { asGiven } from './online-lists.js';
import { saidSince } from './said.js';
import { visibleIn } from './visible-time.js';

export interface Page {
  /** At most so many: from 1 to 5,000. Default: all. */
  limit?: number | undefined;
  /** The `next` of the page before. */
  after?: string | undefined;
}

const LONGEST = 5_000;

/** One more than the page, to know whether there is another. */
function upTo(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > LONGEST)
    throw new InvalidQueryError(`Expected \`limit\` to be a whole number from 1 to ${LONGEST}, got ${limit}`);
  return limit + 1;
}

function paged<T>(rows: T[], { limit = rows.length }: Page, key: (last: T) => string) {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { page, next: rows.length > limit && last ? key(last) : null };
}

export interface ChannelStatus {
  channel: string;
  users: number;
  clients: number;
}

export interface OnlineStatus {
  /** Those in which somebody is, by name. */
  channels: ChannelStatus[];
  /** Each counted once, in however many channels. */
  users: number;
  clients: number;
  /** Ask again with this as `after` for more channels; null where there are none. */
  next: string | null;
}

export async function status({ tables }: Database, question: Page = {}): Promise<OnlineStatus> {
  const { limit, after } = question;
  const open = tables.selectFrom('faye_online_stays as stay').where('stay.ended_at', 'is', null);
  const channels = await open
    .innerJoin('faye_channels as channel', 'channel.id', 'stay.channel_id')
    .select(({ fn }) => [
      'channel.name as channel',
      fn.count<number>('stay.uid').distinct().as('users'),
      fn.count<number>('stay.clientId').distinct().as('clients'),
    ])
    .groupBy('channel.name')
    .orderBy('channel.name')
    .$if(after !== undefined, (rows) => rows.where('channel.name', '>', after ?? ''))
    .$if(limit !== undefined, (rows) => rows.limit(upTo(limit ?? 0)))
    .execute();
  const totals = await open
    .select(({ fn }) => [
      fn.count<number>('stay.uid').distinct().as('users'),
      fn.count<number>('stay.clientId').distinct().as('clients'),
    ])
    .executeTakeFirstOrThrow();
  const { page, next } = paged(channels, question, ({ channel }) => channel);
  return { channels: page, ...totals, next };
}

export interface UserTime {
  channel: string;
  /** Up to `startedAt`, or to the end of the last stay. */
  spentSeconds: number;
  /** Since when the user is in without a break; null for one who is not. */
  startedAt: string | null;
  /** With what has passed since. */
  spentSecondsNow: number;
  /** The same three of the time in which a page of the user was visible. */
  visibleSeconds: number;
  visibleSince: string | null;
  visibleSecondsNow: number;
}

export interface UserTimes {
  /** By name. */
  channels: UserTime[];
  /** Ask again with this as `after` for more channels; null where there are none. */
  next: string | null;
}

type TimeQuestion = Page & { channel?: string | undefined; now: number };

/** A user's time in each channel, page by page. */
export async function timesOf(database: Database, uid: string, question: TimeQuestion): Promise<UserTimes> {
  const { limit } = question;
  const times = await timeOf(database, uid, {
    ...question,
    limit: limit === undefined ? limit : upTo(limit),
  });
  const { page, next } = paged(times, question, ({ channel }) => channel);
  return { channels: page, next };
}

/** A user's time in each channel, or in one. */
export async function timeOf(
  { tables }: Database,
  uid: string,
  { channel, now, limit, after }: TimeQuestion,
): Promise<UserTime[]> {
  const rows = await tables
    .selectFrom('faye_user_online_times as time')
    .innerJoin('faye_channels as channel', 'channel.id', 'time.channel_id')
    .selectAll('time')
    .select('channel.name')
    .where('time.uid', '=', uid)
    .$if(channel !== undefined, (times) => times.where('channel.name', '=', channel ?? ''))
    .$if(after !== undefined, (times) => times.where('channel.name', '>', after ?? ''))
    .orderBy('channel.name')
    .$if(limit !== undefined, (times) => times.limit(limit ?? 0))
    .execute();
  return rows.map(({ name, spent_ms, started_at, visible_ms, visible_since }) => ({
    channel: name,
    spentSeconds: seconds(spent_ms),
    startedAt: started_at === null ? null : iso(started_at),
    spentSecondsNow: seconds(withOpen(now, spent_ms, started_at)),
    visibleSeconds: seconds(visible_ms),
    visibleSince: visible_since === null ? null : iso(visible_since),
    visibleSecondsNow: seconds(withOpen(now, visible_ms, visible_since)),
  }));
}

const withOpen = (now: number, spent: number, since: number | null): number =>
  spent + (since === null ? 0 : Math.max(now - since, 0));

export interface Whereabouts {
  /** In the type that was given last. */
  uid: string | number;
  uname: string | null;
  online: boolean;
  /** When the user last came or went. */
  lastSeenAt: string;
  channels: { channel: string; since: string; clients: number }[];
}

/** Where is a user, and when was the user last seen? */
export async function whereIs({ tables }: Database, uid: string): Promise<Whereabouts | undefined> {
  const user = await tables
    .selectFrom('faye_online_users')
    .selectAll()
    .where('uid', '=', uid)
    .executeTakeFirst();
  if (!user) return undefined;
  const rows = await tables
    .selectFrom('faye_online_stays as stay')
    .innerJoin('faye_channels as channel', 'channel.id', 'stay.channel_id')
    .select(({ fn }) => [
      'channel.name',
      fn.min('stay.started_at').as('since'),
      fn.count<number>('stay.clientId').distinct().as('clients'),
    ])
    .where('stay.uid', '=', uid)
    .where('stay.ended_at', 'is', null)
    .groupBy('channel.name')
    .orderBy('channel.name')
    .execute();
  return {
    uid: asGiven(uid, user.info),
    uname: unameOf(user.info),
    online: rows.length > 0,
    lastSeenAt: iso(user.seen_at),
    channels: rows.map(({ name, since, clients }) => ({ channel: name, since: iso(since), clients })),
  };
}

export interface ChannelReport {
  channel: string;
  /** How many users are in. */
  count: number;
  clients: number;
  /** Who is in, oldest first. */
  users: { uid: string | number; uname: string | null; since: string; clients: number }[];
  /** Ask again with this as `after` for more users; null where there are none. */
  next: string | null;
}

/** Who is in a channel? Rejects an `after` that is no page's `next`. */
export async function channelReport(
  { tables }: Database,
  name: string,
  question: Page = {},
): Promise<ChannelReport | undefined> {
  const { limit, after } = question;
  const place = after === undefined ? undefined : userAfter(after);
  const channel = await tables
    .selectFrom('faye_channels')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst();
  if (!channel) return undefined;
  const open = tables
    .selectFrom('faye_online_stays as stay')
    .where('stay.channel_id', '=', channel.id)
    .where('stay.ended_at', 'is', null);
  const totals = await open
    .select(({ fn }) => [
      fn.count<number>('stay.uid').distinct().as('count'),
      fn.count<number>('stay.clientId').distinct().as('clients'),
    ])
    .executeTakeFirstOrThrow();
  let users = open
    .leftJoin('faye_online_users as user', 'user.uid', 'stay.uid')
    .select(({ fn }) => [
      'stay.uid',
      'user.info',
      fn.min('stay.started_at').as('since'),
      fn.count<number>('stay.clientId').distinct().as('clients'),
    ])
    .groupBy(['stay.uid', 'user.info'])
    .orderBy('since')
    .orderBy('stay.uid');
  if (place) {
    const { since, uid } = place;
    users = users.having(({ or, and, eb, fn }) => {
      const first = fn.min('stay.started_at');
      return or([eb(first, '>', since), and([eb(first, '=', since), eb('stay.uid', '>', uid)])]);
    });
  }
  if (limit !== undefined) users = users.limit(upTo(limit));
  const { page, next } = paged(await users.execute(), question, ({ since, uid }) => `${since}-${uid}`);
  return {
    channel: name,
    ...totals,
    users: page.map(({ uid, info, since, clients }) => ({
      uid: asGiven(uid, info),
      uname: unameOf(info),
      since: iso(since),
      clients,
    })),
    next,
  };
}

function userAfter(after: string): { since: number; uid: string } {
  const [, since, uid = ''] = /^(\d{1,15})-(.*)$/s.exec(after) ?? [];
  if (since === undefined) throw noPage('after', after);
  return { since: Number(since), uid };
}

const noPage = (name: string, got: string): InvalidQueryError =>
  new InvalidQueryError(`Expected \`${name}\` to be the \`next\` of a page, got ${JSON.stringify(got)}`);

export interface LogQuestion {
  uid?: string | undefined;
  channel?: string | undefined;
  /** Milliseconds since 1970, part of what is asked for. Default: from the beginning. */
  from?: number | undefined;
  /** Milliseconds since 1970, no part of what is asked for. Default: up to now. */
  to?: number | undefined;
  /** Rows at most, the newest. Default: 500. */
  limit?: number | undefined;
  /** The `next` of the page before. */
  before?: string | undefined;
  now: number;
}

export interface LogRow {
  at: string;
  status: 'on' | 'off';
  uid: string;
  channel: string;
  clientId: string;
}

export interface LogPage {
  /** Newest first. */
  rows: LogRow[];
  /** Ask again with this as `before` for older ones; null where there are none. */
  next: string | null;
}

const LIMIT = 500;

/** The newest rows of the login log. Rejects a `before` that is no page's `next`. */
export async function logRows({ tables }: Database, question: LogQuestion): Promise<LogPage> {
  const { uid, channel, from, to, limit = LIMIT, before } = question;
  const place = before === undefined ? undefined : placeIn(before);
  let rows = tables
    .selectFrom('faye_user_login_logs as log')
    .innerJoin('faye_channels as channel', 'channel.id', 'log.channel_id')
    .select(['log.id', 'log.t', 'log.status', 'log.uid', 'log.clientId', 'channel.name'])
    .orderBy('log.t', 'desc')
    .orderBy('log.id', 'desc')
    .limit(upTo(limit));
  if (uid !== undefined) rows = rows.where('log.uid', '=', uid);
  if (channel !== undefined) rows = rows.where('channel.name', '=', channel);
  if (from !== undefined) rows = rows.where('log.t', '>=', from);
  if (to !== undefined) rows = rows.where('log.t', '<', to);
  if (place) {
    const { t, id } = place;
    rows = rows.where(({ or, and, eb }) =>
      or([eb('log.t', '<', t), and([eb('log.t', '=', t), eb('log.id', '<', id)])]),
    );
  }
  const { page, next } = paged(await rows.execute(), { limit }, ({ t, id }) => `${t}-${id}`);
  return {
    rows: page.map(({ t, status, uid, name, clientId }) => ({
      at: iso(t),
      status: status === 1 ? 'on' : 'off',
      uid,
      channel: name,
      clientId,
    })),
    next,
  };
}

function placeIn(before: string): { t: number; id: number } {
  const [, t, id] = /^(\d{1,15})-(\d{1,15})$/.exec(before) ?? [];
  if (t === undefined) throw noPage('before', before);
  return { t: Number(t), id: Number(id) };
}

export interface UserLog {
  channels: {
    channel: string;
    clients: { clientId: string; rows: LogRow[]; seconds: number; visibleSeconds: number }[];
    /** What several clients cover counts once. */
    seconds: number;
    visibleSeconds: number;
  }[];
  /** What several channels or clients cover counts once. */
  seconds: number;
  /** In which a page of the user was visible. */
  visibleSeconds: number;
  next: string | null;
}

/**
 * A user's log, by channel and client. The seconds are those of the whole time that is asked for, whatever the rows of
 * the page.
 */
export async function userLog(
  database: Database,
  question: LogQuestion & { uid: string },
): Promise<UserLog | undefined> {
  const { rows, next } = await logRows(database, question);
  const stays = await staysWithin(database, question);
  if (rows.length === 0 && stays.length === 0 && !(await isKnownUser(database, question.uid)))
    return undefined;
  const names = [...new Set([...rows, ...stays].map(({ channel }) => channel))].sort();
  return {
    channels: names.map((channel) => {
      const here = of(stays, { channel });
      const rowsHere = of(rows, { channel });
      const clientIds = [...new Set([...rowsHere, ...here].map(({ clientId }) => clientId))];
      return {
        channel,
        clients: clientIds.map((clientId) => ({
          clientId,
          rows: of(rowsHere, { clientId }),
          ...secondsOf(of(here, { clientId })),
        })),
        ...secondsOf(here),
      };
    }),
    ...secondsOf(stays),
    next,
  };
}

const secondsOf = (stays: StayWithin[]) => ({
  seconds: seconds(total(stays)),
  visibleSeconds: seconds(total(stays.flatMap(({ visible }) => visible))),
});

type InChannel = { channel: string; clientId: string };
type StayWithin = Interval & InChannel & { visible: Interval[] };

const of = <T extends InChannel>(all: T[], { channel, clientId }: Partial<InChannel>): T[] =>
  all.filter(
    (one) =>
      (channel === undefined || one.channel === channel) &&
      (clientId === undefined || one.clientId === clientId),
  );

async function staysWithin(
  database: Database,
  { uid, channel, from = 0, to, now }: LogQuestion & { uid: string },
): Promise<StayWithin[]> {
  const until = Math.min(to ?? now, now);
  const rows = await database.tables
    .selectFrom('faye_online_stays as stay')
    .innerJoin('faye_channels as channel', 'channel.id', 'stay.channel_id')
    .select(['channel.name', 'stay.clientId', 'stay.started_at', 'stay.ended_at'])
    .where('stay.uid', '=', uid)
    .$if(channel !== undefined, (stays) => stays.where('channel.name', '=', channel ?? ''))
    .where('stay.started_at', '<', until)
    .where(({ or, eb }) => or([eb('stay.ended_at', 'is', null), eb('stay.ended_at', '>', from)]))
    .execute();
  const clientIds = rows.map(({ clientId }) => clientId);
  const said = await saidSince(database, clientIds, from);
  return rows.flatMap(({ name, clientId, started_at, ended_at }) =>
    clip([{ from: started_at, to: ended_at ?? until }], { from, to: until }).map((interval) => ({
      ...interval,
      channel: name,
      clientId,
      visible: visibleIn(interval, said.get(clientId) ?? []),
    })),
  );
}

/** Whether a user ever was. */
export async function isKnownUser({ tables }: Database, uid: string): Promise<boolean> {
  const user = await tables
    .selectFrom('faye_online_users')
    .select('uid')
    .where('uid', '=', uid)
    .executeTakeFirst();
  return user !== undefined;
}

/** Whether anybody ever was in a channel. */
export async function isKnownChannel({ tables }: Database, name: string): Promise<boolean> {
  const channel = await tables
    .selectFrom('faye_channels')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst();
  return channel !== undefined;
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
const iso = (ms: number): string => new Date(ms).toISOString();
const unameOf = (info: string | null): string | null =>
  info === null ? null : (JSON.parse(info) as { uname: string }).uname;
