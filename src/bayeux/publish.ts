import type { Message } from 'faye';
import { isMeta } from './channels.js';

const OWN = new Set(['channel', 'data', 'id', 'clientId', 'error']);

/**
 * Strips a publish of all that its subscribers have no business with. Faye hands them the whole message, with the
 * publisher's `auth`, `ext` and even `advice`. The engine removes clientId itself.
 */
export function rebuildPublish(message: Message, relay: readonly string[]): void {
  if (isMeta(message.channel)) return;
  for (const field of Object.keys(message)) {
    if (!OWN.has(field) && !relay.includes(field)) delete message[field];
  }
}
