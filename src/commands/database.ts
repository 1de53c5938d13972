/** The database of the configuration, for a command: opened, asked, closed. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError, type ResolvedConfig, type ResolvedRecords } from '../config/index.js';
import { CliError, UnavailableError } from '../errors.js';
import { connect, type OpenDatabase } from '../records/database.js';
import { describePlace, placeOf } from '../records/database-url.js';
import { reasonOf } from '../records/loggable.js';
import { Reports } from '../records/records.js';
import { unknownOf } from '../records/unknown.js';
import { whatIsMissing } from '../records/up-to-date.js';

/** Milliseconds that a report may take: who typed a command can end it. */
const PATIENCE = 600_000;

export function recordsOf({ records }: ResolvedConfig): ResolvedRecords {
  if (records) return records;
  throw new ConfigError([
    'Option `records.url`: expected a database, got none: nothing is recorded. Set DATABASE_URL to the one that the server has',
  ]);
}

/** Asks a database that is there, and changes nothing in it. `about` is who or what may never have been. */
export async function reported<T>(
  config: ResolvedConfig,
  question: (reports: Reports) => Promise<T | undefined>,
  about: { user?: string | undefined; channel?: string | undefined } = {},
): Promise<T> {
  const { url } = recordsOf(config);
  expectFile(url);
  return withDatabase(url, async (database) => {
    const { description } = database;
    const missing = await whatIsMissing(database);
    if (missing) throw new CliError(`${description} can't be read. ${missing}`);
    const reports = new Reports({ description, database }, PATIENCE);
    const report = await question(reports).catch((error: unknown) => {
      const why =
        error instanceof UnavailableError && error.cause instanceof Error ? `: ${reasonOf(error.cause)}` : '';
      throw error instanceof UnavailableError ? new CliError(`${error.message}${why}`) : error;
    });
    if (report === undefined) throw new CliError(await unknownOf(reports, about));
    return report;
  });
}

export async function withDatabase<T>(url: string, step: (database: OpenDatabase) => Promise<T>): Promise<T> {
  const database = await connect(url).catch((error: Error) => {
    throw new CliError(`${describePlace(placeOf(url))} can't be opened: ${reasonOf(error)}`);
  });
  try {
    return await step(database);
  } finally {
    await database.close();
  }
}

/** SQLite would make one. */
function expectFile(url: string): void {
  const place = placeOf(url);
  if (place.kind !== 'sqlite' || existsSync(place.file)) return;
  throw new CliError(
    `Expected a database at ${resolve(place.file)}, got no such file. A server makes it, or \`faye-online migrate\`; DATABASE_URL says where else to look`,
  );
}
