/**
 * Takes over what the Ruby gem had recorded: its channels, every row of its log, and every second of its online times.
 * Its users' clocks that still run, which nobody stopped as a server was killed, are closed. Nobody is online.
 */
import { channelIds } from '../channels.js';
import type { Database } from '../database.js';
import { storable } from '../storable.js';
import { markTimeChannels } from '../time-channels.js';
import { insert, upsert } from '../upsert.js';
import { LocalTime } from './local-time.js';
import { OldClients, type OldStep } from './old-clients.js';
import { type OldLogRow, oldLog } from './old-log.js';
import { asideTables, type OldTables } from './old-tables.js';
import { type OldTime, parseOldTimes } from './old-times.js';

export interface TimeZones {
  /** The IANA time zone in which the gem's server ran: its clocks were started by the time there. */
  timeZone: string;
  /** The one of its log, where that is another: Rails writes UTC unless it is told otherwise. Default: `timeZone`. */
  logTimeZone?: string | undefined;
}

export interface ClosedClock {
  uid: string;
  channel: string;
  /** ISO 8601, UTC. */
  startedAt: string;
  /** The last that the log knows of the user in that channel; `startedAt` where it knows nothing later. */
  closedAt: string;
}

export interface TakenOver {
  channels: number;
  logRows: number;
  /** Users with an online time. */
  users: number;
  /** Of all users and channels together, without what the closed clocks added. */
  seconds: number;
  closedClocks: ClosedClock[];
  /** What could not be read, and is in the old tables only. */
  unreadable: string[];
}

/** Users in one question. */
const PAGE = 1_000;

/** Throws where one of them is none. */
export function checkZones({ timeZone, logTimeZone = timeZone }: TimeZones): void {
  for (const zone of [timeZone, logTimeZone]) new LocalTime(zone);
}

/** Undefined where there is nothing to take over. To be called in a transaction, with our tables there, and empty. */
export async function takeOver(database: Database, zones: TimeZones): Promise<TakenOver | undefined> {
  const aside = await asideTables(database);
  if (aside.size === 0) return undefined;
  const work = new TakeOver(database, zones);
  if (aside.has('faye_channels')) await work.channels();
  if (aside.has('faye_user_login_logs')) await work.log();
  if (aside.has('faye_user_online_times')) await work.times();
  await work.lists();
  await work.timeChannels();
  return work.taken;
}

class TakeOver {
  readonly taken: TakenOver = {
    channels: 0,
    logRows: 0,
    users: 0,
    seconds: 0,
    closedClocks: [],
    unreadable: [],
  };
  private readonly clock: LocalTime;
  private readonly logClock: LocalTime;
  private readonly clients = new OldClients();
  /** The numbers of channels in which the gem has measured time. */
  private readonly timed = new Set<number>();
  /** Names by the gem's number. */
  private names = new Map<number, string>();

  constructor(
    private readonly database: Database,
    { timeZone, logTimeZone = timeZone }: TimeZones,
  ) {
    this.clock = new LocalTime(timeZone);
    this.logClock = new LocalTime(logTimeZone);
  }

  async channels(): Promise<void> {
    const rows = await this.old.selectFrom('old_faye_channels').select(['id', 'name']).execute();
    this.names = new Map(rows.map(({ id, name }) => [id, name === null ? nameless(id) : absolute(name)]));
    const ids = await channelIds(this.database, new Set(this.names.values()));
    this.taken.channels = ids.size;
  }

  async log(): Promise<void> {
    for await (const page of oldLog(this.database)) await this.logPage(page);
    await insert(this.database, 'faye_online_stays', this.clients.rest());
    const users = [...this.clients.sightings].map(([uid, seen_at]) => ({ uid, info: null, seen_at }));
    await upsert(this.database, 'faye_online_users', users, ['uid'], []);
  }

  async times(): Promise<void> {
    let last = -1;
    for (;;) {
      const rows = await this.old
        .selectFrom('old_faye_user_online_times')
        .select(['id', 'user_id', 'online_times'])
        .where('id', '>', last)
        .orderBy('id')
        .limit(PAGE)
        .execute();
      for (const { user_id, online_times } of rows) await this.timesOf(String(user_id), online_times);
      last = rows.at(-1)?.id ?? last;
      if (rows.length < PAGE) return;
    }
  }

  /** As they are now: nobody is online. The uids that the gem had left there are in its own table. */
  async lists(): Promise<void> {
    const channels = await this.database.tables.selectFrom('faye_channels').select('id').execute();
    const rows = channels.map(({ id }) => ({
      channel_id: id,
      user_info_list: '[]',
      lock_version: 0,
      is_stale: 0,
      updated_at: 0,
    }));
    await upsert(this.database, 'faye_channel_online_lists', rows, ['channel_id'], []);
  }

  async timeChannels(): Promise<void> {
    await markTimeChannels(this.database, this.timed);
  }

  private get old() {
    return this.database.tables.withTables<OldTables>();
  }

  private async logPage(page: OldLogRow[]): Promise<void> {
    const named = page.map((row) => ({ ...row, name: this.nameOf(row.channel_id) }));
    const ids = await channelIds(this.database, new Set(named.map(({ name }) => name)));
    const steps = named.flatMap(({ name, ...row }): OldStep[] => {
      const t = row.t === null ? undefined : this.logClock.parse(row.t);
      if (t === undefined) {
        this.taken.unreadable.push(`a log row without a time: ${JSON.stringify(row)}`);
        return [];
      }
      const channel_id = ids.get(name) ?? 0;
      const { status, uid, clientId } = row;
      return [{ status: Number(status), uid: String(uid), t, channel_id, clientId: clientId ?? '' }];
    });
    for (const { channel_id } of steps) this.timed.add(channel_id);
    await insert(this.database, 'faye_user_login_logs', steps);
    await insert(this.database, 'faye_online_stays', this.clients.take(steps));
    this.taken.logRows += steps.length;
  }

  private async timesOf(uid: string, text: string | null): Promise<void> {
    const times = parseOldTimes(text);
    if (!times) {
      this.taken.unreadable.push(`the online times of user ${uid}: ${text}`);
      return;
    }
    const ids = await channelIds(this.database, new Set(times.map(({ channel }) => absolute(channel))));
    // Of a name with and without its slash both are one channel.
    const spent = new Map<number, number>();
    for (const time of times) {
      const channel_id = ids.get(absolute(time.channel)) ?? 0;
      const ms = Math.round(time.seconds * 1000) + this.closed(uid, channel_id, time);
      spent.set(channel_id, (spent.get(channel_id) ?? 0) + ms);
    }
    const rows = [...spent].map(([channel_id, spent_ms]) => {
      this.timed.add(channel_id);
      // Its clients could not say that they were hidden.
      const visible = { visible_ms: spent_ms, visible_since: null };
      return { uid: storable(uid), channel_id, spent_ms, started_at: null, ...visible };
    });
    const columns = ['spent_ms', 'visible_ms'] as const;
    await upsert(this.database, 'faye_user_online_times', rows, ['uid', 'channel_id'], columns);
    await this.known(uid);
    this.taken.users += 1;
    this.taken.seconds += times.reduce((sum, { seconds }) => sum + seconds, 0);
  }

  /** How many milliseconds a clock adds that still runs. */
  private closed(uid: string, channel_id: number, { channel, startedAt }: OldTime): number {
    if (startedAt === undefined) return 0;
    const started = this.clock.parse(startedAt);
    if (started === undefined) {
      this.taken.unreadable.push(`when the clock of user ${uid} in ${channel} was started: ${startedAt}`);
      return 0;
    }
    const closed = Math.max(started, this.clients.lastOf({ uid, channel_id }) ?? started);
    const iso = (ms: number) => new Date(ms).toISOString();
    this.taken.closedClocks.push({ uid, channel, startedAt: iso(started), closedAt: iso(closed) });
    return closed - started;
  }

  /** A user who is in no row of the log is one all the same. */
  private async known(uid: string): Promise<void> {
    const row = { uid: storable(uid), info: null, seen_at: 0 };
    await upsert(this.database, 'faye_online_users', [row], ['uid'], []);
  }

  private nameOf(id: number | null): string {
    return this.names.get(Number(id)) ?? nameless(id);
  }
}

/** The gem took time channels without a leading slash. A client can't name such a channel here, and goes on in this one. */
const absolute = (name: string): string => (name.startsWith('/') ? name : `/${name}`);

/** A channel that only rows of the log know: they are kept, under a name that says so. */
const nameless = (id: number | null): string => `/unknown/${id ?? 'channel'}`;
