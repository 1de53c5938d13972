import type { Logger } from 'pino';
import type { ResolvedAuthentication } from '../config/index.js';
import type { IdentityLimits } from './check-identity.js';
import { custom } from './custom.js';
import { jwt } from './jwt.js';
import type { Proof } from './proof.js';
import { trust } from './trust.js';

/** The one way to prove who one is that the config has. */
export function proofFor(authentication: ResolvedAuthentication, limits: IdentityLimits, log: Logger): Proof {
  if (authentication.way === 'jwt') return jwt(authentication.jwt, limits);
  if (authentication.way === 'verify') return custom(authentication.verify, limits, log);
  return trust(limits);
}
