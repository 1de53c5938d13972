/**
 * What is in each table. Times are milliseconds since 1970 in whole numbers, on all databases alike: each has its own
 * idea of a date, of its time zone and of its precision, and what is summed up here is differences. A uid is text.
 */
import type { Generated } from 'kysely';

export interface Tables {
  /** The numbers of the channels' names. */
  faye_channels: { id: Generated<number>; name: string };
  /** Who is online, for pages that read SQL. */
  faye_channel_online_lists: {
    channel_id: number;
    /** JSON array of uids, in the type that they were given, oldest first. */
    user_info_list: string;
    /** Counts how often the list was written. */
    lock_version: number;
    /** 1 where it is not what it should be, and is to be written again. */
    is_stale: number;
    updated_at: number;
  };
  /** For how long each user was in each channel: the union of the user's stays. */
  faye_user_online_times: {
    uid: string;
    channel_id: number;
    /** Until `started_at`, where the user is in. Seconds would lose up to one with each stay. */
    spent_ms: number;
    /** Since when the user is in without a break; null for one who is not. */
    started_at: number | null;
    /** As `spent_ms`, of the time in which a page of the user was visible: until `visible_since`, where one is. */
    visible_ms: number;
    visible_since: number | null;
  };
  /** Every login and logout of a client. */
  faye_user_login_logs: {
    id: Generated<number>;
    /** 1 on, 0 off. */
    status: number;
    uid: string;
    t: number;
    channel_id: number;
    clientId: string;
  };
  /** When each client was in a channel. */
  faye_online_stays: StaysTable;
  /** When each client's page was hidden or shown, as it said; none for one that has said nothing. */
  faye_online_visibility: {
    id: Generated<number>;
    clientId: string;
    /** 1 hidden, 0 shown. */
    hidden: number;
    started_at: number;
    /** Null for what holds until the client says something else. */
    ended_at: number | null;
  };
  /** Channels that some client has named as its `time_channel`, or that the gem has measured time in. */
  faye_online_time_channels: { channel_id: number };
  /** Who has ever been there. */
  faye_online_users: {
    uid: string;
    /** JSON of `{uid, uname}`, as last given; null where it was never heard. */
    info: string | null;
    /** When the user last came or went. */
    seen_at: number;
  };
  /** When each node was last known to be alive. */
  faye_online_nodes: { node: string; seen_at: number };
  /** The entries of the journal that are in the other tables: one that comes again is not written again. */
  faye_online_written: { epoch: string; partition_number: number; entry: string; written_at: number };
  /** One row, which every writer changes first: so they write one after the other. */
  faye_online_turn: { id: number; turns: number };
  /** The steps of `migrate` that were done. */
  faye_online_migrations: { name: string; done_at: number };
}

const ALL: Record<keyof Tables, true> = {
  faye_channels: true,
  faye_channel_online_lists: true,
  faye_user_online_times: true,
  faye_user_login_logs: true,
  faye_online_stays: true,
  faye_online_visibility: true,
  faye_online_users: true,
  faye_online_nodes: true,
  faye_online_written: true,
  faye_online_turn: true,
  faye_online_time_channels: true,
  faye_online_migrations: true,
};

export const TABLES = Object.keys(ALL) as (keyof Tables)[];

interface StaysTable {
  id: Generated<number>;
  channel_id: number;
  clientId: string;
  uid: string;
  started_at: number;
  /** Null for one that goes on. */
  ended_at: number | null;
  /**
   * How it came to its end. `out`: the client went. `lost`: nobody was left to tell, so it ends where its node was last
   * known to be alive. `early`: the journal told of its end before its begin, which is not known yet. Null: it goes on.
   */
  ending: 'out' | 'lost' | 'early' | null;
  /** Of the stay, the time in which the client's page was visible: until `visible_since`, where it is. */
  visible_ms: number;
  visible_since: number | null;
  /** The presence store's epoch in which the stay was last told of. */
  epoch: string;
  /** The node that is known to have held the client. */
  node: string;
}
