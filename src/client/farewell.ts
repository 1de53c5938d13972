/** Tells the server that the page goes, so that it need not wait for a silence (faye-online's before_leave). */
import type { Client, Message } from 'faye';
import type { Ending } from './ending.js';
import type { ClientExtension } from './extension.js';
import type { Identity } from './identify.js';
import { sessionAfter } from './session.js';
import { closeSocket } from './socket.js';

const CHANNEL = '/faye_online/before_leave';

/**
 * The extension that knows the client's id, and says goodbye with it: on `beforeunload` through the client, on
 * `pagehide` by a beacon, which gets out while the page dies and is the only one that phones fire. A close that the
 * person cancels has sent the first; the server lets a client stay that is still connected 3 s later.
 */
export function farewell(client: Client, url: string, identity: Identity, ending: Ending): ClientExtension {
  let clientId: string | undefined;
  const publish = () => {
    // A publish of a client without a session would open one.
    if (clientId) client.publish(CHANNEL, {}, { attempts: 1 });
  };
  const send = () => {
    if (!clientId) return;
    const sent = beacon(url, { channel: CHANNEL, clientId, data: {}, auth: identity.auth });
    // Chromium keeps the socket of a page that it keeps for the way back, and to the server the client is still there.
    if (sent) closeSocket(client);
    else publish();
  };
  ending.onEnd(onPageEnd(publish, send));
  return {
    incoming(message, pass) {
      clientId = sessionAfter(message, clientId);
      pass(message);
    },
  };
}

/** A form, which Faye's adapter reads and browsers send across origins without asking first. */
function beacon(url: string, message: Message): boolean {
  if (typeof navigator === 'undefined' || typeof navigator.sendBeacon !== 'function') return false;
  return navigator.sendBeacon(url, new URLSearchParams({ message: JSON.stringify([message]) }));
}

/** Outside a page (in Node) there is nothing to listen to. */
function onPageEnd(beforeUnload: () => void, pageHide: () => void): () => void {
  if (typeof addEventListener !== 'function') return () => {};
  addEventListener('beforeunload', beforeUnload);
  addEventListener('pagehide', pageHide);
  return () => {
    removeEventListener('beforeunload', beforeUnload);
    removeEventListener('pagehide', pageHide);
  };
}
