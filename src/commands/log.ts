/** `faye-online log`: who came and went when; of one user by channel and client, with the time that they make. */
import type { LogPage, UserLog } from '../records/reports.js';
import { duration } from './duration.js';
import { table } from './table.js';

export function logTable({ rows, next }: LogPage): string {
  if (rows.length === 0) return 'No rows.';
  const cells = rows.map(({ at, status, uid, channel, clientId }) => [at, status, uid, channel, clientId]);
  return table(['time', '', 'user', 'channel', 'client'], cells) + older(next);
}

export function userLogTable({ channels, seconds, visibleSeconds, next }: UserLog): string {
  if (channels.length === 0) return 'No rows.';
  const parts = channels.flatMap(({ channel, clients, ...sum }) => [
    `${channel}  ${time(sum)}`,
    ...clients.flatMap(({ clientId, rows, ...own }) => [
      `  ${clientId}  ${time(own)}`,
      ...rows.map(({ at, status }) => `    ${at}  ${status}`),
    ]),
  ]);
  return `${parts.join('\n')}\n\nIn all, each second once: ${time({ seconds, visibleSeconds })}${older(next)}`;
}

type Times = { seconds: number; visibleSeconds: number };

const time = ({ seconds, visibleSeconds }: Times): string =>
  `${duration(seconds)} (${seconds} s), visible ${duration(visibleSeconds)}`;

const older = (next: string | null): string => (next === null ? '' : `\n\nOlder ones: --before ${next}`);
