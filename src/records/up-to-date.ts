/** For those who only read: is the database as this version makes it? */
import type { Database } from './database.js';
import { missingIn } from './migrate.js';
import { oldTables } from './take-over/old-tables.js';

/** Undefined where it is, and otherwise what is to be done. */
export async function whatIsMissing(database: Database): Promise<string | undefined> {
  if ((await missingIn(database)).length === 0) return undefined;
  if ((await oldTables(database)).length > 0)
    return 'It is a database of the Ruby gem: take it over by `faye-online migrate --time-zone <zone>`';
  return 'It has not the tables of this version: run `faye-online migrate`, or start the server';
}
