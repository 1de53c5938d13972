import type { Logger } from 'pino';
import { refuse, toWire, WireRefused } from '../bayeux/errors.js';
import type { Message, Request } from '../bayeux/extension.js';
import { isRecord } from '../bayeux/is-record.js';
import { OccasionalLog } from '../occasional-log.js';
import type { Identity } from '../presence/identity.js';
import { checkIdentity, type IdentityLimits } from './check-identity.js';
import type { Proof } from './proof.js';

type Verified = Identity | null | false;

/**
 * The operator's own proof. Gets the message and the HTTP request it came with (for WebSockets the one of the
 * upgrade; cookies are in it) and returns who that is, or null for somebody who is not signed in. False refuses the
 * message, and so does `throw new Refused(reason)`, whose reason goes to the client. Any other error is logged, and the
 * client gets a general text.
 */
export type Verify = (message: Message, request: Request) => Verified | Promise<Verified>;

export function custom(verify: Verify, limits: IdentityLimits, logger: Logger): Proof {
  const log = new OccasionalLog(logger);

  async function ask(message: Message, request: Request): Promise<unknown> {
    try {
      return await verify(message, request);
    } catch (error) {
      throw toWire(error);
    }
  }

  function checked(identity: Identity): Identity {
    try {
      return checkIdentity(identity, limits, 'identity');
    } catch (error) {
      const { uid, uname } = identity;
      const why = error instanceof WireRefused ? error.refusal : error;
      log.error('verify returned an identity that is not valid, and the message is refused', {
        why,
        uid: kindOf(uid),
        uname: kindOf(uname),
      });
      throw error;
    }
  }

  return {
    trusting: false,
    // Rooms are no proof: who moves to another room need not prove again who he is.
    basis({ auth, ext }) {
      const given = auth ?? ext?.auth;
      if (!isRecord(given)) return given === undefined ? undefined : JSON.stringify(given);
      const { room_channel: _room, time_channel: _time, ...rest } = given;
      return JSON.stringify(rest);
    },
    async prove(message, request) {
      const identity = await ask(message, request);
      if (identity === null || identity === undefined) return null;
      if (typeof identity === 'object') return checked(identity as Identity);
      if (identity !== false)
        log.error(
          'verify returned neither an identity nor null, and the message is refused: to give a reason throw new Refused(reason)',
          { returned: kindOf(identity) },
        );
      throw refuse('proofRefused');
    },
  };
}

/** Its type or class, never what it holds. */
function kindOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value;
}
