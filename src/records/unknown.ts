/** Says, where a report is undefined, who or what of it never was. */
import type { Reports } from './records.js';

export async function unknownOf(
  reports: Reports,
  { user, channel = '' }: { user?: string | undefined; channel?: string | undefined },
): Promise<string> {
  const isUser = user !== undefined && !(await reports.user(user));
  return isUser ? `Unknown user ${JSON.stringify(user)}` : `Unknown channel ${JSON.stringify(channel)}`;
}
