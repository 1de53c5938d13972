/** The numbers of the channels' names. */
import type { Database } from './database.js';
import { upsert } from './upsert.js';

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
  if (names.size === 0) return new Map();
  const rows = await tables
    .selectFrom('faye_channels')
    .select(['id', 'name'])
    .where('name', 'in', [...names])
    .execute();
  return new Map(rows.map(({ id, name }) => [name, id]));
}
