/** `faye-online log`: who came and went when; of one user by channel and client, with the time that they make. */
import type { LogPage, UserLog } from '../records/reports.js';
import { duration } from './duration.js';
import { table } from './table.js';

export function logTable({ rows, next }: LogPage): string {
  if (rows.length === 0) return 'No rows.';
  const cells = rows.map(({ at, status, uid, channel, clientId }) => [at, status, uid, channel, clientId]);
  return table(['time', '', 'user', 'channel', 'client'], cells) + older(next);
}

export function userLogTable({ channels, seconds, next }: UserLog): string {
  if (channels.length === 0) return 'No rows.';
  const parts = channels.flatMap(({ channel, clients, ...sum }) => [
    `${channel}  ${time(sum.seconds)}`,
    ...clients.flatMap(({ clientId, rows, ...own }) => [
      `  ${clientId}  ${time(own.seconds)}`,
      ...rows.map(({ at, status }) => `    ${at}  ${status}`),
    ]),
  ]);
  return `${parts.join('\n')}\n\nIn all, each second once: ${time(seconds)}${older(next)}`;
}

const time = (seconds: number): string => `${duration(seconds)} (${seconds} s)`;

const older = (next: string | null): string => (next === null ? '' : `\n\nOlder ones: --before ${next}`);
