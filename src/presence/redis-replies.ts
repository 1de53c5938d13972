/** What the scripts of the store answer (lua/), as the store says it. */
import type { User } from './identity.js';
import type { Change } from './store.js';

export const due = (dueIn: number): number | null => (dueIn < 0 ? null : dueIn);

export const parseUser = (json: string): User => JSON.parse(json) as User;

/** Bytes before the uid: what it is, when the user entered, and the length of the uid (lua/includes/membership.lua). */
const CHANGE_HEAD = 21;

export function parseChange(text: string): Change {
  const bytes = Buffer.from(text);
  const user = bytes.subarray(CHANGE_HEAD + Number(text.slice(CHANGE_HEAD - 4, CHANGE_HEAD)));
  return { type: text.startsWith('j') ? 'join' : 'leave', user: parseUser(user.toString()) };
}
