/**
 * The first `/meta/connect` of a client enters its channels; repeats cost nothing; another room in `auth` moves it.
 * A client without an identity, or a message without rooms, passes untouched.
 */
import { roomsOf } from '../src/authentication/auth.js';
import { identityOf } from '../src/authentication/speaker.js';
import { refuse } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message } from '../src/bayeux/extension.js';
import type { Presence } from '../src/presence/presence.js';

export function presence(domain: Presence): Extension {
  function incoming(message: Message): void | Promise<void> {
    const { channel, clientId } = message;
    if (channel !== '/meta/connect' || clientId === undefined || !identityOf(message)) return;
    const rooms = roomsOf(message);
    if (!rooms || domain.remembered.isIn(clientId, rooms)) return;
    return enter(clientId, rooms);
  }

  async function enter(clientId: string, rooms: string[]): Promise<void> {
    if (!(await domain.enter(clientId, rooms))) throw refuse('clientUnknown', clientId);
  }

  return extension({ name: 'presence', incoming });
}
