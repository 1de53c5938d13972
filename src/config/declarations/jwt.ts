/** The options of proof by JSON Web Token. */
import { createPublicKey } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import { z } from 'zod';
import { declared, group, type Judge, ranged } from './declaration.js';

export const HMAC = ['HS256', 'HS384', 'HS512'];
export const KEY_PAIR = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

/** Not what createPublicKey makes of a private key or a certificate: they don't belong here. */
const isPublicKey = (text: string): boolean => {
  if (!text.trimStart().startsWith('-----BEGIN PUBLIC KEY-----')) return false;
  try {
    createPublicKey(text);
    return true;
  } catch {
    return false;
  }
};

const isWebUrl = (text: string): boolean =>
  URL.canParse(text) && ['https:', 'http:'].includes(new URL(text).protocol);

const isKeySet: Judge<JSONWebKeySet> = (value): value is JSONWebKeySet =>
  typeof value === 'object' &&
  value !== null &&
  'keys' in value &&
  Array.isArray(value.keys) &&
  value.keys.length > 0 &&
  value.keys.every((key: unknown) => typeof key === 'object' && key !== null && 'kty' in key);

export const secret = z.string().min(32).register(declared, {
  doc: 'The secret of HS256 tokens.',
  type: 'a text of at least 32 characters',
  default: 'FAYE_ONLINE_SECRET',
  secret: true,
});

const algorithm = z.enum([...HMAC, ...KEY_PAIR]).register(declared, {
  doc: '',
  type: `one of ${[...HMAC, ...KEY_PAIR].join(', ')}`,
});

export const jwt = group(
  {
    secret: secret.optional(),
    publicKey: z
      .string()
      .refine(isPublicKey)
      .register(declared, {
        doc: "The issuer's public key.",
        type: 'a PEM text that begins with -----BEGIN PUBLIC KEY-----',
        default: 'none',
        secret: true,
      })
      .optional(),
    jwks: z
      .union([z.string().refine(isWebUrl), z.custom<JSONWebKeySet>(isKeySet)])
      .register(declared, {
        doc: "The issuer's key set.",
        type: 'an https:// or http:// URL, or a JSON Web Key Set object',
        default: 'none',
        secret: 'url',
      })
      .optional(),
    algorithms: z
      .array(algorithm)
      .min(1)
      .register(declared, {
        doc: 'Signatures that count; none is never one.',
        type: `a list of ${HMAC.join(', ')} (with a secret) or ${KEY_PAIR.join(', ')} (with a publicKey or jwks)`,
        default: 'HS256 with a secret, RS256, PS256, ES256 and EdDSA otherwise',
      })
      .optional(),
    issuer: z
      .string()
      .min(1)
      .register(declared, { doc: 'The iss that a token must have.', type: 'a text', default: 'any' })
      .optional(),
    audience: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .register(declared, {
        doc: 'The aud that a token must have, or one of them.',
        type: 'a text, or a list of texts',
        default: 'any',
      })
      .optional(),
    clockTolerance: ranged(
      'a number of seconds',
      0,
      3600,
      5,
      "How far the issuer's clock may be off. A token counts for so long after its exp, and expiryGrace begins then.",
    ),
  },
  'Proof by JSON Web Token in auth.token; exactly one of secret, publicKey and jwks.',
  true,
  'by FAYE_ONLINE_SECRET, where that is set',
);
