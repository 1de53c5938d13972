/** `faye-online migrate`: brings the database up to date, and takes over what the Ruby gem recorded. */
import type { ResolvedConfig } from '../config/index.js';
import { CliError } from '../errors.js';
import { reasonOf } from '../records/loggable.js';
import { type Migrated, migrate } from '../records/migrate.js';
import type { TakenOver } from '../records/take-over/take-over.js';
import { recordsOf, withDatabase } from './database.js';
import { duration } from './duration.js';
import { table } from './table.js';

export interface MigrateFlags {
  timeZone?: string;
  logTimeZone?: string;
  oldViews?: true;
}

export interface Brought extends Migrated {
  database: string;
}

/** The flags go before the configuration. */
export async function broughtUpToDate(config: ResolvedConfig, flags: MigrateFlags): Promise<Brought> {
  const { url, migrate: options } = recordsOf(config);
  const timeZone = flags.timeZone ?? options.takeOver?.timeZone;
  const logTimeZone = flags.logTimeZone ?? options.takeOver?.logTimeZone;
  if (timeZone === undefined && logTimeZone !== undefined)
    throw new CliError('Expected --time-zone beside --log-time-zone');
  return withDatabase(url, async (database) => {
    const migrated = await migrate(database, {
      takeOver: timeZone === undefined ? undefined : { timeZone, logTimeZone },
      oldViews: flags.oldViews ?? options.oldViews,
    }).catch((error: Error) => {
      throw new CliError(`${database.description} is left as it was. ${reasonOf(error)}`);
    });
    return { database: database.description, ...migrated };
  });
}

export function migrateReport({ database, steps, takenOver }: Brought): string {
  const done = steps.length === 0 ? 'is up to date: there was nothing to do.' : 'is up to date. Done:';
  return [
    `${database} ${done}`,
    ...steps.map((step) => `  ${step}`),
    ...(takenOver ? taken(takenOver) : []),
  ].join('\n');
}

function taken({ channels, logRows, users, seconds, closedClocks, unreadable }: TakenOver): string[] {
  const sums = table(
    ['  channels', String(channels)],
    [
      ['  rows of the login log', logRows],
      ['  users with an online time', users],
      ['  seconds of online time', seconds],
    ],
  );
  const clocks = closedClocks.map(({ uid, channel, startedAt, closedAt }) => [
    `  ${uid}`,
    channel,
    startedAt,
    closedAt,
    duration((Date.parse(closedAt) - Date.parse(startedAt)) / 1_000),
  ]);
  return [
    '\nTaken over from the Ruby gem, whose tables are kept as old_faye_…:',
    sums,
    ...(clocks.length > 0
      ? [
          '\nClocks that were still running, closed at the last that the log tells of their user:',
          table(['  user', 'channel', 'started', 'closed', 'adds'], clocks),
        ]
      : []),
    ...(unreadable.length > 0
      ? ['\nNot readable, and in the old tables only:', ...unreadable.map((what) => `  ${what}`)]
      : []),
  ];
}
