/** `faye-online status`: in which channels somebody is, as the database says. */
import type { OnlineStatus } from '../records/reports.js';
import { table } from './table.js';

export function statusTable({ channels, users, clients }: OnlineStatus): string {
  if (channels.length === 0) return 'Nobody is online.';
  const rows = channels.map((each) => [each.channel, each.users, each.clients]);
  const sums = `${many(users, 'user')} with ${many(clients, 'client')} in ${many(channels.length, 'channel')}`;
  return `${table(['channel', 'users', 'clients'], rows)}\n\n${sums}`;
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
