/**
 * For pages that still read the gem's columns: views that show what is recorded now in the shape of the gem's tables, by
 * the name of each with `gem_` before it. Times are UTC, and uids text: no more can be said the same in all databases.
 * `created_at` and `updated_at` are not there. As the gem had it, log and times are those of time channels alone: what is
 * recorded of rooms is not in them.
 */
import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../database.js';

interface Words {
  /** Milliseconds since 1970 as a date. */
  date(ms: RawBuilder<unknown>): RawBuilder<unknown>;
  /** The same as YYYYmmddHHMMSS. */
  stamp(ms: RawBuilder<unknown>): RawBuilder<unknown>;
  seconds(ms: RawBuilder<unknown>): RawBuilder<unknown>;
  /** `<name><suffix>` */
  key(suffix: string): RawBuilder<unknown>;
  /** Of all rows of a group. */
  object(key: RawBuilder<unknown>, value: RawBuilder<unknown>): RawBuilder<unknown>;
  /** Of two objects, of which the second may be null. */
  merged(one: RawBuilder<unknown>, other: RawBuilder<unknown>): RawBuilder<unknown>;
}

const WORDS: Record<Database['kind'], Words> = {
  sqlite: {
    date: (ms) => sql`datetime(${ms} / 1000, 'unixepoch')`,
    stamp: (ms) => sql`strftime('%Y%m%d%H%M%S', ${ms} / 1000, 'unixepoch')`,
    seconds: (ms) => sql`${ms} / 1000`,
    key: (suffix) => sql`channel.name || ${sql.lit(suffix)}`,
    object: (key, value) => sql`json_group_object(${key}, ${value})`,
    merged: (one, other) => sql`json_patch(${one}, coalesce(${other}, '{}'))`,
  },
  mysql: {
    date: (ms) => sql`date_add('1970-01-01 00:00:00', interval ${ms} div 1000 second)`,
    stamp: (ms) =>
      sql`date_format(date_add('1970-01-01 00:00:00', interval ${ms} div 1000 second), '%Y%m%d%H%i%s')`,
    seconds: (ms) => sql`${ms} div 1000`,
    key: (suffix) => sql`concat(channel.name, ${sql.lit(suffix)})`,
    object: (key, value) => sql`json_objectagg(${key}, ${value})`,
    merged: (one, other) => sql`cast(json_merge_preserve(${one}, coalesce(${other}, '{}')) as char)`,
  },
  postgres: {
    date: (ms) => sql`to_timestamp(${ms} / 1000) at time zone 'UTC'`,
    stamp: (ms) => sql`to_char(to_timestamp(${ms} / 1000) at time zone 'UTC', 'YYYYMMDDHH24MISS')`,
    seconds: (ms) => sql`${ms} / 1000`,
    key: (suffix) => sql`channel.name || ${sql.lit(suffix)}`,
    object: (key, value) => sql`jsonb_object_agg(${key}, ${value})`,
    merged: (one, other) => sql`(${one} || coalesce(${other}, '{}'))::text`,
  },
};

/** Makes them anew. */
export async function createOldViews({ kind, tables }: Database): Promise<void> {
  const words = WORDS[kind];
  for (const [table, query] of Object.entries(viewsIn(words))) {
    const name = `gem_${table}`;
    await tables.schema.dropView(name).ifExists().execute();
    await sql`create view ${sql.table(name)} as ${query}`.execute(tables);
  }
}

const viewsIn = (words: Words): Record<string, RawBuilder<unknown>> => ({
  faye_channels: sql`select id, name from faye_channels`,
  faye_channel_online_lists: sql`
    select channel_id as id, channel_id, user_info_list, lock_version from faye_channel_online_lists
  `,
  faye_user_login_logs: sql`
    select status, uid, ${words.date(sql`t`)} as t, channel_id, ${sql.ref('clientId')} from faye_user_login_logs
    where ${isTimed(sql`channel_id`)}
  `,
  faye_user_online_times: sql`
    select spent.uid as user_id, ${words.merged(sql`spent.times`, sql`started.times`)} as online_times
    from (${timesAs(words, '_spended', words.seconds(sql`spent_ms`))}) spent
    left join (${timesAs(words, '_started_at', words.stamp(sql`started_at`), sql`started_at is not null`)}) started
    on started.uid = spent.uid
  `,
});

const isTimed = (id: RawBuilder<unknown>) =>
  sql`${id} in (select time_channel.channel_id from faye_online_time_channels time_channel)`;

const timesAs = (words: Words, suffix: string, value: RawBuilder<unknown>, which = sql`1 = 1`) => sql`
  select uid, ${words.object(words.key(suffix), value)} as times
  from faye_user_online_times join faye_channels channel on channel.id = channel_id
  where ${which} and ${isTimed(sql`channel.id`)} group by uid
`;
