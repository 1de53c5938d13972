import { isChannelPattern } from '../bayeux/channels.js';
import { refuse } from '../bayeux/errors.js';
import type { Identity } from '../presence/identity.js';

export interface IdentityLimits {
  /** Characters of a uid. */
  uidLength: number;
  /** Characters of a uname. */
  unameLength: number;
  /** Bytes of the whole identity as JSON. */
  identityBytes: number;
}

/** Throws `WireRefused` for an identity that is not whole, or too large. `field` names its place in the message. */
export function checkIdentity(identity: Identity, limits: IdentityLimits, field: string): Identity {
  const { uid, uname, channels } = identity;
  if (uid === undefined || uid === null || uid === '') throw refuse('parameterMissing', `${field}.uid`);
  if (uname === undefined || uname === null || uname === '')
    throw refuse('parameterMissing', `${field}.uname`);
  if (!isUid(uid)) throw refuse('badValue', `${field}.uid`);
  if (typeof uname !== 'string') throw refuse('badValue', `${field}.uname`);
  if (String(uid).length > limits.uidLength) throw refuse('tooLong', `${field}.uid`);
  if (uname.length > limits.unameLength) throw refuse('tooLong', `${field}.uname`);
  if (channels !== undefined && !isPatterns(channels)) throw refuse('badValue', `${field}.channels`);
  const json = jsonOf(identity);
  if (json === undefined) throw refuse('badValue', field);
  if (Buffer.byteLength(json) > limits.identityBytes) throw refuse('tooLong', field);
  return identity;
}

/** Undefined for what JSON can't hold, such as a BigInt or a circle. */
function jsonOf(identity: Identity): string | undefined {
  try {
    return JSON.stringify(identity);
  } catch {
    return undefined;
  }
}

/** A number beyond 2^53 is refused: two of them could be one by the time they are read. */
function isUid(uid: unknown): boolean {
  return typeof uid === 'string' || (typeof uid === 'number' && Math.abs(uid) <= Number.MAX_SAFE_INTEGER);
}

function isPatterns(channels: unknown): boolean {
  return (
    Array.isArray(channels) &&
    channels.every((pattern) => typeof pattern === 'string' && isChannelPattern(pattern))
  );
}
