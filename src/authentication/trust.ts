import { refuse } from '../bayeux/errors.js';
import { isRecord } from '../bayeux/is-record.js';
import type { Identity } from '../presence/identity.js';
import { authOf } from './auth.js';
import { checkIdentity, type IdentityLimits } from './check-identity.js';
import type { Proof } from './proof.js';

/** The browser is believed (`auth.current_user`), as the gem did. For development, and for networks of friends. */
export function trust(limits: IdentityLimits): Proof {
  return {
    trusting: true,
    basis(message) {
      const user = authOf(message)?.current_user;
      return user === undefined ? undefined : JSON.stringify(user);
    },
    async prove(message) {
      const user = authOf(message)?.current_user;
      if (user === undefined) return null;
      if (!isRecord(user)) throw refuse('badValue', 'auth.current_user');
      // What limits an identity is not the browser's to say.
      const { channels: _channels, expiresAt: _expiresAt, ...said } = user;
      return checkIdentity(said as unknown as Identity, limits, 'auth.current_user');
    },
  };
}
