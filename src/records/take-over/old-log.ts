/** Reads the gem's login log by time, some thousand rows at once; it has no id that one could go by. */
import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../database.js';
import { oldName } from './old-tables.js';

export interface OldLogRow {
  status: number | null;
  uid: string | number | null;
  /** As the clock on the wall showed it. */
  t: string | null;
  channel_id: number | null;
  clientId: string | null;
}

const PAGE = 5_000;
const LOG = sql.table(oldName('faye_user_login_logs'));
/** The column, not the text that has its name. */
const TIME = sql.ref(`${oldName('faye_user_login_logs')}.t`);

/** A date as text and back, so that no driver takes it for one of its own time zone. */
const DATES: Record<Database['kind'], { text: RawBuilder<string>; date(text: string): RawBuilder<unknown> }> =
  {
    sqlite: { text: sql<string>`${TIME}`, date: (text) => sql`${text}` },
    mysql: {
      text: sql<string>`date_format(${TIME}, '%Y-%m-%d %H:%i:%s.%f')`,
      date: (text) => sql`cast(${text} as datetime(6))`,
    },
    postgres: {
      text: sql<string>`to_char(${TIME}, 'YYYY-MM-DD HH24:MI:SS.US')`,
      date: (text) => sql`cast(${text} as timestamp)`,
    },
  };

/** Pages in the order of time; all rows of one moment are in one page. Those without a time come last. */
export async function* oldLog({ kind, tables }: Database): AsyncGenerator<OldLogRow[]> {
  const { text, date } = DATES[kind];
  const columns = sql`status, uid, ${text} as t, channel_id, ${sql.ref('clientId')}`;
  let after = sql`${TIME} is not null`;
  for (;;) {
    const ends = await sql<{ t: string }>`
      select ${text} as t from ${LOG} where ${after} order by ${TIME} limit 1 offset ${sql.lit(PAGE)}
    `.execute(tables);
    const end = ends.rows[0]?.t;
    const within = end === undefined ? after : sql`${after} and ${TIME} <= ${date(end)}`;
    const { rows } = await sql<OldLogRow>`
      select ${columns} from ${LOG} where ${within} order by ${TIME}
    `.execute(tables);
    yield rows;
    if (end === undefined) break;
    after = sql`${TIME} > ${date(end)}`;
  }
  const { rows } = await sql<OldLogRow>`select ${columns} from ${LOG} where ${TIME} is null`.execute(tables);
  yield rows;
}
