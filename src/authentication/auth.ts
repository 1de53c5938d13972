import type { Message } from 'faye';
import { isRecord } from '../bayeux/is-record.js';

/** What clients send as `auth` on each message (faye-online), or as `ext.auth`. Checked by `validate`. */
export interface Auth {
  /** Where the client is present, and whose user_list it sees. */
  room_channel?: string;
  /** Where its online time is counted. */
  time_channel?: string;
  /** Who the browser says it is. Counts only where the browser is trusted. */
  current_user?: Record<string, unknown>;
  /** A JSON Web Token. */
  token?: string;
  /** Proves a server of the operator's own. */
  server_token?: string;
  [field: string]: unknown;
}

export function authOf(message: Message): Auth | undefined {
  if (isRecord(message.auth)) return message.auth;
  const auth = message.ext?.auth;
  return isRecord(auth) ? auth : undefined;
}

/** The channels that a message asks to be present in; undefined where it names none. */
export function roomsOf(message: Message): string[] | undefined {
  const auth = authOf(message);
  const rooms = [auth?.room_channel, auth?.time_channel].filter((room) => room !== undefined);
  return rooms.length > 0 ? [...new Set(rooms)] : undefined;
}
