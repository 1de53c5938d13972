/** `faye-online time`: for how long a user was in each channel. */
import type { UserTimes } from '../records/reports.js';
import { duration } from './duration.js';
import { table } from './table.js';

export function timeTable({ channels }: UserTimes): string {
  if (channels.length === 0) return 'Never there.';
  const rows = channels.map(({ channel, spentSecondsNow, visibleSecondsNow, startedAt }) => [
    channel,
    spentSecondsNow,
    duration(spentSecondsNow),
    duration(visibleSecondsNow),
    startedAt ?? '',
  ]);
  return table(['channel', 'seconds', 'h:mm:ss', 'visible', 'in since'], rows);
}
