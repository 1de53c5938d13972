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

/** The fields by which an `auth` is ours. */
export const AUTH_FIELDS = ['room_channel', 'time_channel', 'current_user', 'token', 'server_token'] as const;

/** Undefined where the message has none, or one of another library's, which is not ours to read or to refuse. */
export function authOf(message: Message): Auth | undefined {
  return [message.auth, message.ext?.auth].find(isOurs);
}

/** A token alone is ours where it can be one: other libraries use the name too. */
function isOurs(auth: unknown): auth is Auth {
  if (!isRecord(auth)) return false;
  const { token, ...rest } = auth;
  return typeof token === 'string' || AUTH_FIELDS.some((field) => rest[field] !== undefined);
}

/** The channels that a message asks to be present in; undefined where it names none. */
export function roomsOf(message: Message): string[] | undefined {
  const auth = authOf(message);
  const rooms = [auth?.room_channel, auth?.time_channel].filter((room) => room !== undefined);
  return rooms.length > 0 ? [...new Set(rooms)] : undefined;
}
