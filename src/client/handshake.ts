import type { Client } from 'faye';

const JSON_P = 'callback-polling';
const CORS = 'cross-origin-long-polling';

type Select = (types: string[]) => void;

interface Selecting {
  _dispatcher?: { selectTransport?: Select };
}

/**
 * Makes a page of another origin say hello by a POST (CORS). Faye's client would do it by JSON-P, the only way across
 * origins that it holds for mandatory (faye `util/constants.js`): servers have it off, and the token would be in a URL,
 * which logs keep. Touches private fields of Faye's client (1.4.3); where another version has none of them, such a page
 * can't connect, and Faye throws.
 */
export function handshakeByPost(client: Client): void {
  client.disable(JSON_P);
  const { _dispatcher: dispatcher } = client as unknown as Selecting;
  const select = dispatcher?.selectTransport;
  if (!dispatcher || typeof select !== 'function') return;
  dispatcher.selectTransport = (types) =>
    select.call(dispatcher, types.includes(JSON_P) ? [...types, CORS] : types);
}
