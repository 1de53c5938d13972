/**
 * The first `/meta/connect` of a client enters its channels; repeats cost nothing; another room in `auth` moves it.
 * A client without an identity, or a message without rooms, passes untouched.
 */
import { authOf, roomsOf } from '../src/authentication/auth.js';
import { identityOf } from '../src/authentication/speaker.js';
import { refuse } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message } from '../src/bayeux/extension.js';
import type { Presence } from '../src/presence/presence.js';

/** `timed` is called with the `time_channel` of each client that enters its channels. */
export function presence(domain: Presence, timed: (channel: string) => void = () => {}): Extension {
  function incoming(message: Message): void | Promise<void> {
    const { channel, clientId } = message;
    if (channel !== '/meta/connect' || clientId === undefined || !identityOf(message)) return;
    const rooms = roomsOf(message);
    if (!rooms || domain.clients.isIn(clientId, rooms)) return;
    return enter(clientId, rooms, authOf(message)?.time_channel);
  }

  async function enter(clientId: string, rooms: string[], timeChannel: string | undefined): Promise<void> {
    if (!(await domain.clients.enter(clientId, rooms))) throw refuse('clientUnknown', clientId);
    if (timeChannel !== undefined) timed(timeChannel);
  }

  return extension({ name: 'presence', incoming });
}
