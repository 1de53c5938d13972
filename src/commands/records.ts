/** The commands about what is recorded: what each takes, and what it prints. */
import { type Command, InvalidArgumentError } from 'commander';
import type { ResolvedConfig } from '../config/index.js';
import { InvalidQueryError } from '../errors.js';
import { momentOf } from '../records/moment.js';
import type { Reports } from '../records/records.js';
import { isTimeZone } from '../records/take-over/local-time.js';
import type { MigrateFlags } from './migrate.js';
import { print } from './print.js';

export interface Asking {
  config?: string;
  json?: true;
}

interface LogFlags extends Asking {
  user?: string;
  channel?: string;
  from?: Date;
  to?: Date;
  limit?: number;
  before?: string;
}

interface TimeFlags extends Asking {
  user: string;
  channel?: string;
}

/** `command` makes one of that name, with the flag for the file; `configOf` reads that. */
export function addRecordsCommands(
  command: (name: string) => Command,
  configOf: (flags: Asking) => Promise<ResolvedConfig>,
): void {
  command('migrate')
    .description('bring the database up to date, and take over one of the Ruby gem')
    .option('--time-zone <zone>', "of the gem's server, such as Europe/Berlin", zone)
    .option('--log-time-zone <zone>', "of the gem's login log, where that is another", zone)
    .option('--old-views', "make views in the shape of the gem's tables")
    .option('--json', 'as JSON')
    .action(async (flags: Asking & MigrateFlags) => {
      const { broughtUpToDate, migrateReport } = await import('./migrate.js');
      print(flags, await broughtUpToDate(await configOf(flags), flags), migrateReport);
    });

  command('status')
    .description('list the channels in which somebody is, as the database says')
    .option('--json', 'as JSON')
    .action(async (flags: Asking) => {
      const [{ reported }, { statusTable }] = await Promise.all([
        import('./database.js'),
        import('./status.js'),
      ]);
      print(flags, await reported(await configOf(flags), (reports) => reports.status()), statusTable);
    });

  command('log')
    .description('show who came and went; of one user with the time that they make')
    .option('--user <uid>', 'of this user alone')
    .option('--channel <name>', 'in this channel alone')
    .option('--from <time>', 'since then: 2026-01-31, or 2026-01-31T12:00:00Z', moment('--from'))
    .option('--to <time>', 'until then', moment('--to'))
    .option('--limit <rows>', 'the newest, from 1 to 5000 (default: 500)', rows)
    .option('--before <page>', 'older ones, as a page before has said')
    .option('--json', 'as JSON')
    .action(showLog(configOf));

  command('time')
    .description('show for how long a user was in each channel')
    .requiredOption('--user <uid>', 'of this user')
    .option('--channel <name>', 'in this channel alone')
    .option('--json', 'as JSON')
    .action(async ({ user, channel, ...flags }: TimeFlags) => {
      const [{ reported }, { timeTable }] = await Promise.all([import('./database.js'), import('./time.js')]);
      const times = (reports: Reports) => reports.time(user, { channel });
      print(flags, await reported(await configOf(flags), times, { user, channel }), timeTable);
    });
}

const showLog =
  (configOf: (flags: Asking) => Promise<ResolvedConfig>) =>
  async ({ user, channel, from, to, limit, before, ...flags }: LogFlags): Promise<void> => {
    const [{ reported }, { logTable, userLogTable }] = await Promise.all([
      import('./database.js'),
      import('./log.js'),
    ]);
    const filter = { channel, from, to, limit, before };
    const config = await configOf(flags);
    if (user === undefined)
      print(flags, await reported(config, (reports) => reports.log(filter), { channel }), logTable);
    else {
      const log = (reports: Reports) => reports.userLog(user, filter);
      print(flags, await reported(config, log, { user, channel }), userLogTable);
    }
  };

function zone(text: string): string {
  if (isTimeZone(text)) return text;
  throw new InvalidArgumentError('Expected an IANA time zone such as Europe/Berlin.');
}

const moment =
  (name: string) =>
  (text: string): Date => {
    try {
      return new Date(momentOf(text, name));
    } catch (error) {
      throw error instanceof InvalidQueryError ? new InvalidArgumentError(error.message) : error;
    }
  };

function rows(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 5_000) return count;
  throw new InvalidArgumentError('Expected a whole number from 1 to 5000.');
}
