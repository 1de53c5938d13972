/** The options of how messages travel: from which pages, by which ways, through how many proxies. */
import { z } from 'zod';
import { originOf } from '../origin.js';
import { declared, offByDefault, whole } from './declaration.js';

const isOrigin = (text: string): boolean => originOf(text) !== undefined;

const ORIGIN = 'scheme://host[:port] without a path, or https://*.host for subdomains';

export const origins = z
  .union([z.literal('*'), z.array(z.string().refine(isOrigin).register(declared, { doc: '', type: ORIGIN }))])
  .register(declared, {
    doc: 'Whose pages may speak to the server beside those of its own origin; a request without an Origin is not held back. Apps and extensions have schemes of their own: capacitor://localhost, chrome-extension://<id>.',
    type: `a list of ${ORIGIN}, or '*' for any`,
    default: 'none where NODE_ENV is production, any otherwise',
  });

export const jsonp = offByDefault(
  "JSON-P and callback-polling: GET requests without an Origin, which any page can send. A stock Faye client on a page of another origin needs it for its handshake, with the token in the URL; faye-online's client does not.",
);

export const compression = offByDefault(
  'permessage-deflate on WebSockets; costs memory for each socket and CPU for each message to each, as a compressed frame is not shared.',
);

export const trustProxy = whole(
  'proxies',
  0,
  10,
  0,
  "How many stand in front of the server: the client's address is that entry of X-Forwarded-For, counted from its end, and with 0 the connection's own. With too few all clients count as one address, with too many a client can choose its own.",
);
