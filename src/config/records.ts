/** How it is resolved whether anything is recorded, and where. */
import { DEFAULT_URL } from '../records/database-url.js';
import type { Found } from './found.js';
import type { ResolvedRecords, ResolvedRedis } from './resolved.js';
import { wrong } from './shown.js';

const DAY = 86_400_000;

const OFF =
  'Nothing is recorded: with Redis several processes write to one database, which has to be named. Set DATABASE_URL=mysql://… or postgres://…, or DATABASE_URL=none if that is meant.';
const ONE_MACHINE =
  'Records are kept in a SQLite file: with Redis that does only where all processes are on one machine and name the same file.';

export function resolveRecords(found: Found, redis: ResolvedRedis | null): ResolvedRecords | null {
  const { file, set, engineIsOurs, problems, warnings } = found;
  const { url: option, keep, timeZone, logTimeZone, hashClientIds, oldViews } = file.records;
  if (set.DATABASE_URL && option !== undefined)
    warnings.push('DATABASE_URL is used instead of the option `records.url`.');
  if (logTimeZone !== undefined && timeZone === undefined)
    problems.push(wrong('Option `records.logTimeZone`', 'records.timeZone beside it', 'none'));
  const given = set.DATABASE_URL ?? option;
  const url = given ?? (engineIsOurs && !redis ? DEFAULT_URL : 'none');
  if (given === undefined && engineIsOurs && redis) warnings.push(OFF);
  if (url === 'none') return null;
  if (redis && url.startsWith('sqlite:')) warnings.push(ONE_MACHINE);
  return {
    url,
    keep: keep === undefined ? undefined : keep * DAY,
    hashClientIds,
    migrate: { takeOver: timeZone === undefined ? undefined : { timeZone, logTimeZone }, oldViews },
  };
}
