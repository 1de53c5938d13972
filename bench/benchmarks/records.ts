/** What records cost: how fast they are written, and what the message path has to do with it. */
import type { Options } from '../options.js';
import type { Section } from '../report.js';
import { recordsCost } from './records-cost.js';
import { recordsWritten } from './records-written.js';

export async function records(options: Options): Promise<Section> {
  const written = await recordsWritten(options);
  const cost = await recordsCost(options);
  return {
    title: 'Records',
    about: written.about,
    table: written.table,
    more: [{ about: cost.about, table: cost.table }],
    goals: [...written.goals, ...cost.goals],
    runs: { written: written.runs, cost: cost.runs },
  };
}
