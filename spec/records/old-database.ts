/** A database as the Ruby gem left it. */
import { sql } from 'kysely';
import type { OpenDatabase } from '../../src/records/database.js';

export const LESSON = '/courses/5/lessons/1';
export const CLASS = '/classes/4';

/** The gem's migrations, in the words of each database. */
const TYPES = {
  sqlite: { id: 'integer primary key autoincrement', time: 'datetime' },
  mysql: { id: 'int auto_increment primary key', time: 'datetime' },
  postgres: { id: 'serial primary key', time: 'timestamp' },
};

export async function makeOld({ kind, tables }: OpenDatabase): Promise<void> {
  const { id, time } = TYPES[kind];
  const stamps = `created_at ${time}, updated_at ${time}`;
  const quoted = kind === 'mysql' ? '`clientId`' : '"clientId"';
  for (const statement of [
    `create table faye_channels (id ${id}, name varchar(255), ${stamps})`,
    'create unique index index_faye_channels_on_name on faye_channels (name)',
    `create table faye_channel_online_lists (id ${id}, channel_id integer, user_info_list text, lock_version integer default 0, ${stamps})`,
    `create table faye_user_online_times (id ${id}, user_id integer, online_times text, lock_version integer default 0, ${stamps})`,
    'create unique index index_faye_user_online_times_on_user_id on faye_user_online_times (user_id)',
    `create table faye_user_login_logs (status smallint, uid integer, t ${time}, channel_id integer, ${quoted} varchar(255))`,
    'create index index_faye_user_login_logs on faye_user_login_logs (t, channel_id, uid)',
    `insert into faye_channels (id, name) values (3, '${LESSON}'), (8, '${CLASS}')`,
    `insert into faye_channel_online_lists (channel_id, user_info_list) values (3, '[470700]'), (8, '[]')`,
  ])
    await sql.raw(statement).execute(tables);
}

/** Status, uid, time, channel, client. */
export type OldRow = [status: number, uid: number, t: string, channel: number, clientId: string];

export async function log({ kind, tables }: OpenDatabase, rows: OldRow[]): Promise<void> {
  const quoted = sql.ref('clientId');
  for (let start = 0; start < rows.length; start += 1_000) {
    const values = rows.slice(start, start + 1_000).map(([status, uid, t, channel, clientId]) => {
      const time = kind === 'postgres' ? sql`cast(${t} as timestamp)` : sql`${t}`;
      return sql`(${status}, ${uid}, ${time}, ${channel}, ${clientId})`;
    });
    await sql`insert into faye_user_login_logs (status, uid, t, channel_id, ${quoted}) values ${sql.join(values)}`.execute(
      tables,
    );
  }
}

export async function times({ tables }: OpenDatabase, uid: number, online: unknown): Promise<void> {
  const text = typeof online === 'string' ? online : JSON.stringify(online);
  await sql`insert into faye_user_online_times (user_id, online_times) values (${uid}, ${text})`.execute(
    tables,
  );
}
