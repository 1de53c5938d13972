/**
 * Answers at once while the engine can't be asked: a client is told to come back, and keeps its clientId, where it would
 * otherwise wait for an answer until it gives up. A subscription waits: nobody would make it again.
 */

import type { Bayeux } from '../src/bayeux/bayeux.js';
import { refuse } from '../src/bayeux/errors.js';
import { type Extension, extension } from '../src/bayeux/extension.js';
import { UnavailableError } from '../src/errors.js';

export function available(bayeux: Bayeux): Extension {
  const { online } = bayeux;
  return extension({
    name: 'available',
    incoming({ channel, clientId }) {
      if (online.status.connected || (clientId !== undefined && online.ownership.has(clientId))) return;
      if (channel === '/meta/subscribe') throw new UnavailableError(online.status.description);
      throw refuse('unavailable');
    },
  });
}
