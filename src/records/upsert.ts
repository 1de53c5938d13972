/** Many rows at once, and what a database is told about those that are there already. */
import { type Insertable, type Kysely, sql } from 'kysely';
import type { Database } from './database.js';
import type { Tables } from './tables.js';

/** Values in one statement, below what each of the databases takes (SQLite 32,766, PostgreSQL 65,535). */
const VALUES = 20_000;

/** Kysely can't follow a table that is named by a type parameter; the parameters of `upsert` hold instead. */
type Untyped = Kysely<Record<string, Record<string, unknown>>>;

/**
 * Inserts rows. Those whose `key` is there already get the columns in `set` changed to what the row says; with none in
 * `set` they stay as they are. No two of the rows may have the same key.
 */
export async function upsert<T extends keyof Tables & string>(
  { kind, tables }: Database,
  table: T,
  rows: readonly Insertable<Tables[T]>[],
  key: readonly (keyof Tables[T] & string)[],
  set: readonly (keyof Tables[T] & string)[],
): Promise<void> {
  for (const some of chunks(rows)) {
    const insert = (tables as unknown as Untyped).insertInto(table).values(some as Record<string, unknown>[]);
    if (kind === 'mysql') {
      // A column that is set to itself: unlike `insert ignore`, it hides no other error.
      const same = set.length > 0 ? set : key.slice(0, 1);
      const changes = same.map((column) => [
        column,
        set.length > 0 ? sql`values(${sql.ref(column)})` : sql.ref(column),
      ]);
      await insert.onDuplicateKeyUpdate(Object.fromEntries(changes)).execute();
    } else {
      const changes = set.map((column) => [column, sql.ref(`excluded.${column}`)]);
      await insert
        .onConflict((conflict) =>
          set.length > 0
            ? conflict.columns([...key]).doUpdateSet(Object.fromEntries(changes))
            : conflict.columns([...key]).doNothing(),
        )
        .execute();
    }
  }
}

export async function insert<T extends keyof Tables & string>(
  { tables }: Database,
  table: T,
  rows: readonly Insertable<Tables[T]>[],
): Promise<void> {
  for (const some of chunks(rows)) {
    await (tables as unknown as Untyped)
      .insertInto(table)
      .values(some as Record<string, unknown>[])
      .execute();
  }
}

function chunks<R extends object>(rows: readonly R[]): R[][] {
  const size = Math.floor(VALUES / Object.keys(rows[0] ?? { one: 1 }).length);
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, index) =>
    rows.slice(index * size, (index + 1) * size),
  );
}
