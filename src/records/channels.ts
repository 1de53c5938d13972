/** The numbers of the channels' names. */
import type { Database } from './database.js';
import { upsert } from './upsert.js';

/** Names in one question: a statement takes some 32,000 values at most (SQLite), and a database of the gem may have more. */
const STEP = 2_000;

/** By name. Those that were never heard of get a number. */
export async function channelIds(
  database: Database,
  names: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const known = await knownIds(database, names);
  const missing = [...names].filter((name) => !known.has(name));
  if (missing.length === 0) return known;
  await upsert(
    database,
    'faye_channels',
    missing.map((name) => ({ name })),
    ['name'],
    [],
  );
  return knownIds(database, names);
}

async function knownIds({ tables }: Database, names: ReadonlySet<string>): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  const all = [...names];
  for (let start = 0; start < all.length; start += STEP) {
    const rows = await tables
      .selectFrom('faye_channels')
      .select(['id', 'name'])
      .where('name', 'in', all.slice(start, start + STEP))
      .execute();
    for (const { id, name } of rows) ids.set(name, id);
  }
  return ids;
}
