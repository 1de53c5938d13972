/**
 * `/faye_online/visibility`: a client says that its page is hidden, or shown: `{hidden: true}` or `{hidden: false}`, with
 * what it likes beside that. It stays where it is, and no list changes; what is recorded of its time has both.
 *
 * Who it is, and whether it may speak so often, was asked before, as for any message. It costs one step of the store; a
 * client that says nothing costs nothing.
 */
import { identityOf } from '../src/authentication/speaker.js';
import { refuse } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message } from '../src/bayeux/extension.js';
import { isRecord } from '../src/bayeux/is-record.js';
import type { Presence } from '../src/presence/presence.js';

export const VISIBILITY = '/faye_online/visibility';

export function visibility(presence: Presence): Extension {
  function incoming(message: Message): void | Promise<void> {
    const { channel, clientId, data } = message;
    if (channel !== VISIBILITY || clientId === undefined) return;
    if (!isRecord(data) || typeof data.hidden !== 'boolean') throw refuse('badValue', 'data.hidden');
    return set(message, clientId, data.hidden);
  }

  async function set(message: Message, clientId: string, hidden: boolean): Promise<void> {
    if (await presence.clients.setVisibility(clientId, hidden)) return;
    // Where nobody has proven to be the client, there is nobody whose time it would be.
    throw identityOf(message) ? refuse('clientUnknown', clientId) : refuse('proofMissing', VISIBILITY);
  }

  return extension({ name: 'visibility', incoming });
}
