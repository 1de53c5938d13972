/** What was recorded, as an app asks for it. */
import { setTimeout as wait } from 'node:timers/promises';
import { InvalidQueryError, UnavailableError } from '../errors.js';
import type { OpenDatabase } from './database.js';
import { reasonOf } from './loggable.js';
import type { Recorder } from './recorder.js';
import {
  type ChannelReport,
  channelReport,
  isKnownChannel,
  isKnownUser,
  type LogPage,
  logRows,
  type OnlineStatus,
  type Page,
  status,
  timesOf,
  type UserLog,
  type UserTimes,
  userLog,
  type Whereabouts,
  whereIs,
} from './reports.js';
import type { Ailment } from './trouble.js';

/** Milliseconds in which the database must answer whoever waits for it. */
const PATIENCE = 10_000;

export interface LogFilter {
  channel?: string | undefined;
  /** Part of what is asked for. Default: from the beginning. */
  from?: Date | undefined;
  /** No part of what is asked for. Default: up to now. */
  to?: Date | undefined;
  /** Rows at most, the newest: from 1 to 5,000. Default: 500. */
  limit?: number | undefined;
  /** The `next` of the page before. */
  before?: string | undefined;
}

/** How it is with the records of this process. */
export interface RecordsState {
  /** For people, without a password. */
  database: string;
  /** Entries that are yet to be written, of all processes that share a Redis; a few seconds old. */
  lag: number;
  /** Entries that were dropped before they were written, as there were too many. */
  dropped: number;
  /** Whether some were dropped in the last few seconds. */
  isDropping: boolean;
  /** Entries that this process has written since it began. */
  written: number;
  /** Entries that the database could not store since this process began, and that were left out. The log has each. */
  setAside: number;
  /** Why nothing can be written, and since when (ISO 8601, UTC); null while all is well. */
  trouble: { reason: string; since: string } | null;
}

/** Where it is asked for. */
export interface Source {
  /** For people, without a password. */
  readonly description: string;
  /** Undefined while it can't be asked. */
  readonly database: OpenDatabase | undefined;
  readonly trouble?: Ailment | undefined;
}

/**
 * All reject with an error whose `code` is `UNAVAILABLE` where the database can't be asked, and `INVALID_QUERY` where a limit, a
 * time or a page is none. Users and channels that never were are undefined.
 */
export class Reports {
  constructor(
    private readonly source: Source,
    private readonly patience: number = PATIENCE,
  ) {}

  /** In which channels somebody is, with their users and clients. */
  status(page: Page = {}): Promise<OnlineStatus> {
    return this.ask((database) => status(database, page));
  }

  /** Who is in a channel. */
  channel(name: string, page: Page = {}): Promise<ChannelReport | undefined> {
    return this.ask((database) => channelReport(database, name, page));
  }

  /** Where a user is, or was last seen. */
  user(uid: string | number): Promise<Whereabouts | undefined> {
    return this.ask((database) => whereIs(database, String(uid)));
  }

  /** For how long a user was in each channel, or in one. Undefined where the user, or the channel, never was. */
  time(
    uid: string | number,
    { channel, ...page }: Page & { channel?: string | undefined } = {},
  ): Promise<UserTimes | undefined> {
    return this.ask(async (database) => {
      const question = { channel, now: Date.now(), ...page };
      const times = await timesOf(database, String(uid), question);
      if (times.channels.length > 0) return times;
      const isKnown = (await isKnownUser(database, String(uid))) && (await isNoneOrKnown(database, question));
      return isKnown ? times : undefined;
    });
  }

  /** The newest logins and logouts. Undefined where the channel never was. */
  log(filter: LogFilter = {}): Promise<LogPage | undefined> {
    return this.ask(async (database) => {
      const page = await logRows(database, questionOf(filter));
      return page.rows.length > 0 || (await isNoneOrKnown(database, filter)) ? page : undefined;
    });
  }

  /** A user's logins and logouts, by channel and client. Undefined where the user, or the channel, never was. */
  userLog(uid: string | number, filter: LogFilter = {}): Promise<UserLog | undefined> {
    return this.ask(async (database) => {
      const log = await userLog(database, { uid: String(uid), ...questionOf(filter) });
      return (log?.channels.length ?? 0) > 0 || (await isNoneOrKnown(database, filter)) ? log : undefined;
    });
  }

  private async ask<T>(question: (database: OpenDatabase) => Promise<T>): Promise<T> {
    const { database, description, trouble } = this.source;
    if (!database) throw new UnavailableError(description, trouble?.error);
    const over = new AbortController();
    const late = wait(this.patience, undefined, { signal: over.signal, ref: false }).then(() => {
      throw new Error('It does not answer');
    });
    // It is heard by the race alone, and is aborted once that is over.
    late.catch(() => {});
    try {
      return await Promise.race([question(database), late]);
    } catch (error) {
      throw error instanceof InvalidQueryError ? error : new UnavailableError(description, error);
    } finally {
      over.abort();
    }
  }
}

/** The reports of the database that this process writes to, and how it is with that. */
export class Records extends Reports {
  constructor(private readonly recorder: Recorder) {
    super(recorder);
  }

  get state(): RecordsState {
    const { description, journal, written, leftOut, trouble } = this.recorder;
    const since = new Date(trouble?.since ?? 0).toISOString();
    return {
      database: description,
      lag: journal.lag,
      dropped: journal.dropped,
      isDropping: journal.isFull,
      written,
      setAside: leftOut,
      trouble: trouble ? { reason: reasonOf(trouble.error), since } : null,
    };
  }
}

function questionOf({ from, to, ...rest }: LogFilter) {
  if (from && to && from >= to)
    throw new InvalidQueryError(
      `Expected \`from\` to be before \`to\`, got ${from.toISOString()} and ${to.toISOString()}`,
    );
  return { ...rest, from: from?.getTime(), to: to?.getTime(), now: Date.now() };
}

const isNoneOrKnown = async (
  database: OpenDatabase,
  { channel }: { channel?: string | undefined },
): Promise<boolean> => channel === undefined || isKnownChannel(database, channel);
