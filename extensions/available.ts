/**
 * Answers at once while the engine can't be asked: a client is told to come back, and keeps its clientId, where it would
 * otherwise wait for an answer until it gives up.
 */
import type { Bayeux } from '../src/bayeux/bayeux.js';
import { refuse } from '../src/bayeux/errors.js';
import { type Extension, extension } from '../src/bayeux/extension.js';

export function available(bayeux: Bayeux): Extension {
  return extension({
    name: 'available',
    incoming({ clientId }) {
      if (bayeux.connected || (clientId !== undefined && bayeux.has(clientId))) return;
      throw refuse('unavailable');
    },
  });
}
