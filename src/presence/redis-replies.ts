/** What the scripts of the store answer (lua/), as the store says it. */
import type { Identity, User } from './identity.js';
import type { Change, ClientRecord } from './store.js';
import type { Visibility } from './visibility.js';

/** As lua/bind.lua says; a record of an earlier release has neither `leaving` nor `intended`. */
interface StoredRecord {
  identity: string;
  channels: string;
  leaving?: string;
  intended?: string;
  visibility?: string;
  since?: string;
  state: ClientRecord['state'];
}

export const due = (dueIn: number): number | null => (dueIn < 0 ? null : dueIn);

export const parseUser = (json: string): User => JSON.parse(json) as User;

/** Bytes before the uid: what it is, when the user entered, and the length of the uid (lua/enter.lua). */
const CHANGE_HEAD = 21;

export function parseChange(text: string): Change {
  const bytes = Buffer.from(text);
  const user = bytes.subarray(CHANGE_HEAD + Number(text.slice(CHANGE_HEAD - 4, CHANGE_HEAD)));
  return { type: text.startsWith('j') ? 'join' : 'leave', user: parseUser(user.toString()) };
}

export function parseRecord(json: string): ClientRecord {
  const record = JSON.parse(json) as StoredRecord;
  return {
    identity: JSON.parse(record.identity) as Identity,
    channels: record.channels.split(' ').filter(Boolean),
    leaving: (record.leaving ?? '').split(' ').filter(Boolean),
    intended: Number(record.intended ?? 0),
    visibility: parseVisibility(record.visibility, record.since),
    state: record.state,
  };
}

/** Null where nothing was said. */
export function parseVisibility(visibility = '', since: string | number = 0): Visibility | null {
  return visibility === '' ? null : { hidden: visibility === 'hidden', since: Number(since) };
}
