/** The options of what is to be remembered, and where. */
import { z } from 'zod';
import { isDatabaseUrl } from '../../records/database-url.js';
import { isTimeZone } from '../../records/take-over/local-time.js';
import { declared, group, offByDefault, whole } from './declaration.js';

export const databaseUrl = (fallback: string, doc: string) =>
  z
    .string()
    .refine((text) => text === 'none' || isDatabaseUrl(text))
    .register(declared, {
      doc,
      type: 'a database URL (sqlite:<file>, mysql://<user>:<password>@<host>/<database> or postgres://<the same>), or none',
      default: fallback,
      secret: 'url',
    });

const timeZone = (fallback: string, doc: string) =>
  z
    .string()
    .refine(isTimeZone)
    .register(declared, { doc, type: 'an IANA time zone such as Europe/Berlin', default: fallback })
    .optional();

export const records = group(
  {
    url: databaseUrl(
      'sqlite:./data/faye-online.db in one process, none with Redis and with attachPresence',
      'The database; none records nothing.',
    ).optional(),
    keep: z
      .number()
      .min(1)
      .max(36_500)
      .register(declared, {
        doc: 'How long rows of the login log and stays are kept that ended; sums of online time stay.',
        type: 'a number of days',
        limits: 'from 1 to 36500',
        default: 'for ever',
      })
      .optional(),
    hashClientIds: offByDefault(
      'Keeps a hash in place of each clientId, which is a secret while its client lives. The same on all nodes, and from the first start on.',
    ),
    timeZone: timeZone(
      'none, such a database is not touched',
      'To take over a database of the gem faye-online: where its server ran, as it wrote local times.',
    ),
    logTimeZone: timeZone(
      'timeZone',
      'Of the login log of such a database, where that is another: Rails writes UTC unless it is told otherwise.',
    ),
    oldViews: offByDefault("Makes views in the shape of the gem's tables, for pages that read those."),
    journalBound: whole(
      'entries',
      100,
      100_000_000,
      1_000_000,
      'Most that wait while the database is away, of each partition; beyond it the oldest are dropped, and that is said.',
    ),
  },
  'What is remembered in SQL: the login log, online time, who is online.',
);
