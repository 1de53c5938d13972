import type { IncomingMessage } from 'node:http';
import type { Message } from 'faye';
import { Refused, refuse, refusedBecause } from '../bayeux/errors.js';
import type { Identity } from '../presence/identity.js';
import { checkIdentity, type IdentityLimits } from './check-identity.js';
import type { Proof } from './proof.js';

/**
 * The operator's own proof. Gets the message and the HTTP request it came with (for WebSockets the one of the
 * upgrade; cookies are in it) and returns who that is, or null for somebody who is not signed in. A text, or an error
 * that is thrown, refuses the message; only the text goes to the client.
 */
export type Verify = (
  message: Message,
  request: IncomingMessage | null,
) => Identity | string | null | Promise<Identity | string | null>;

export function custom(verify: Verify, limits: IdentityLimits): Proof {
  return {
    trusting: false,
    // Rooms are no proof: who moves to another room need not prove again who he is.
    basis(auth) {
      if (auth === undefined) return undefined;
      const { room_channel: _room, time_channel: _time, ...rest } = auth;
      return JSON.stringify(rest);
    },
    async prove(message, request) {
      const identity = await verify(message, request);
      if (identity === null || identity === undefined) return null;
      if (typeof identity === 'string') throw new Refused(refusedBecause(identity));
      if (typeof identity !== 'object') throw refuse('proofRefused');
      return checkIdentity(identity, limits, 'identity');
    },
  };
}
