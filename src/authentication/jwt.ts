import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  importSPKI,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { refuse } from '../bayeux/errors.js';
import { UnavailableError } from '../errors.js';
import type { Identity } from '../presence/identity.js';
import { authOf } from './auth.js';
import { checkIdentity, type IdentityLimits } from './check-identity.js';
import type { Proof } from './proof.js';

export interface JwtOptions {
  /** HS256, at least 32 characters. */
  secret?: string | undefined;
  /** PEM (SPKI). */
  publicKey?: string | undefined;
  /** The address of a JSON Web Key Set, or the set itself. */
  jwks?: string | JSONWebKeySet | undefined;
  algorithms: string[];
  issuer?: string | undefined;
  audience?: string | string[] | undefined;
  /** Seconds by which clocks may be apart. */
  clockTolerance: number;
}

/**
 * A JSON Web Token in `auth.token`. Claims: `uid` or `sub`, `name`, `channels` (Bayeux patterns that it may enter; none
 * where it is missing), `exp`.
 */
export function jwt(options: JwtOptions, limits: IdentityLimits): Proof {
  const keys = keyFor(options);
  return {
    trusting: false,
    basis: (message) => authOf(message)?.token,
    async prove(message) {
      const { token } = authOf(message) ?? {};
      if (token === undefined) return null;
      const claims = await verified(token, keys, options);
      return checkIdentity(identityFrom(claims, options.clockTolerance), limits, 'token');
    },
  };
}

async function verified(token: string, key: Keys, options: JwtOptions): Promise<JWTPayload> {
  const { algorithms, issuer, audience, clockTolerance } = options;
  // A set that was just fetched is not fetched again, whatever key it lacks.
  const isKeptForNow = key.coolingDown === true;
  try {
    const checks = { algorithms, clockTolerance, ...(issuer && { issuer }), ...(audience && { audience }) };
    return (await jwtVerify(token, key, checks)).payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refuse('tokenExpired');
    if (error instanceof errors.JWKSNoMatchingKey && isKeptForNow)
      throw new UnavailableError('the key set for a key that may be new', error);
    // A key set that can't be fetched is the server's trouble and not the client's, which may try again.
    if (!(error instanceof errors.JOSEError) || isUnfetched(error)) throw error;
    throw refuse('tokenRefused');
  }
}

/** No answer in time, one that is not 200, or one that is no key set. */
const isUnfetched = ({ code }: errors.JOSEError): boolean =>
  ['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID'].includes(code);

/** The tolerance is part of `expiresAt`, so that whatever looks at the expiry later allows for it as the first check did. */
function identityFrom(claims: JWTPayload, clockTolerance: number): Identity {
  const { uid, sub, name, channels, exp } = claims;
  const id = (uid ?? sub) as Identity['uid'];
  return {
    uid: id,
    uname: (name ?? (id === undefined ? '' : String(id))) as string,
    channels: (channels ?? []) as string[],
    ...(exp !== undefined && { expiresAt: exp + clockTolerance }),
  };
}

/** `coolingDown`, of a remote set: whether it was fetched within the last 30 s. */
type Keys = JWTVerifyGetKey & { coolingDown?: boolean };

function keyFor(options: JwtOptions): Keys {
  const { secret, publicKey, jwks, algorithms } = options;
  if (typeof jwks === 'string') return createRemoteJWKSet(new URL(jwks));
  if (jwks) return createLocalJWKSet(jwks);
  if (publicKey) {
    const imported = new Map<string, ReturnType<typeof importSPKI>>();
    return ({ alg }) => {
      const algorithm = alg && algorithms.includes(alg) ? alg : (algorithms[0] ?? '');
      const key = imported.get(algorithm) ?? importSPKI(publicKey, algorithm);
      imported.set(algorithm, key);
      return key;
    };
  }
  const bytes = new TextEncoder().encode(secret);
  return async () => bytes;
}
