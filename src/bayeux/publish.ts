/**
 * What subscribers get of a publish. Faye hands them the whole message, with the publisher's `auth`, `ext` and even
 * `advice`. Here they get what the config relays and what the app's own extensions have added; the rest stays with the
 * server. The engine removes clientId itself.
 */
import type { Message } from 'faye';
import { isRecord } from './is-record.js';

const DELIVERED = new Set(['channel', 'data', 'id', 'clientId', 'error']);
/** Secrets, and what a subscriber's client would take for the server's word to itself. No extension relays them. */
const NEVER = new Set(['auth', 'advice', 'successful']);

/** A record as it came, whose fields know whether they were written since. */
interface Arrived {
  record: Record<string, unknown>;
  values: Record<string, unknown>;
}

export interface Arrival {
  message: Arrived;
  ext: Arrived | undefined;
}

/**
 * To be called before any extension. What came becomes accessors until an extension writes it: by the value alone, a
 * sender could have a field of the app's dropped by sending the same.
 */
export function arrivalOf(message: Message): Arrival {
  const ext = isRecord(message.ext) ? watched(message.ext) : undefined;
  return { message: watched(message), ext };
}

/** To be called once the message has passed all extensions, which may have put another in its place. */
export function rebuildPublish(message: Message, arrival: Arrival, relay: readonly string[]): void {
  const { ext } = message;
  for (const field of Object.keys(message)) {
    if (DELIVERED.has(field) || (field === 'ext' && isRecord(ext))) continue;
    if (NEVER.has(field) || (!relay.includes(field) && isUntouched(message, field, arrival.message)))
      delete message[field];
  }
  if (!isRecord(ext)) return;
  for (const field of Object.keys(ext)) {
    if (field === 'auth' || (!relay.includes('ext') && isUntouched(ext, field, arrival.ext)))
      delete ext[field];
  }
  if (Object.keys(ext).length === 0) delete message.ext;
}

function watched(record: Record<string, unknown>): Arrived {
  const values = { ...record };
  for (const field of Object.keys(values)) if (!DELIVERED.has(field)) watch(record, field, values[field]);
  return { record, values };
}

function watch(record: Record<string, unknown>, field: string, value: unknown): void {
  const attributes = { configurable: true, enumerable: true };
  const set = (written: unknown) =>
    void Object.defineProperty(record, field, { ...attributes, writable: true, value: written });
  Object.defineProperty(record, field, { ...attributes, get: () => value, set });
}

function isUntouched(record: Record<string, unknown>, field: string, arrived: Arrived | undefined): boolean {
  if (!arrived || !Object.hasOwn(arrived.values, field)) return false;
  if (record === arrived.record) return Object.getOwnPropertyDescriptor(record, field)?.get !== undefined;
  // A copy that an extension made: what it has as it came was copied.
  return record[field] === arrived.values[field];
}
