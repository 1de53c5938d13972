import { type User, userKey } from './identity.js';
import type { Change } from './store.js';

/**
 * What a window's changes come to: a join and a leave of one user cancel out, but for another name. The changes of one user
 * alternate, so its first and its last decide.
 */
export function netChange(changes: readonly Change[]): { joins: User[]; leaves: User[]; renames: User[] } {
  const ends = new Map<string, { first: Change; last: Change }>();
  for (const change of changes) {
    const key = userKey(change.user.uid);
    const end = ends.get(key);
    if (end) end.last = change;
    else ends.set(key, { first: change, last: change });
  }
  const net = [...ends.values()].filter(({ first, last }) => first.type === last.type);
  const users = (type: Change['type']) =>
    net.filter(({ last }) => last.type === type).map(({ last }) => last.user);
  const renames = [...ends.values()]
    .filter(({ first, last }) => first.type === 'leave' && last.type === 'join')
    .filter(({ first, last }) => first.user.uname !== last.user.uname)
    .map(({ last }) => last.user);
  return { joins: users('join'), leaves: users('leave'), renames };
}
