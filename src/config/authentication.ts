/** How it is resolved which proof counts. */
import type { Verify } from '../authentication/custom.js';
import { HMAC, jwt, KEY_PAIR } from './declarations/jwt.js';
import type { Found } from './found.js';
import type { Proof, ResolvedJwt } from './resolved.js';
import { wrong } from './shown.js';
import type { JwtConfig } from './types.js';

const KEY_PAIR_DEFAULT = ['RS256', 'PS256', 'ES256', 'EdDSA'];

const BELIEVED =
  'The browser is believed: anybody can say to be anybody. Set FAYE_ONLINE_SECRET, or authentication.jwt or authentication.verify in faye.config.ts, before others can reach this server.';

const WAYS =
  'set FAYE_ONLINE_SECRET (at least 32 characters), or authentication.jwt or authentication.verify in faye.config.ts; authentication.trust: true believes whatever a browser says, if that is really meant';

export function resolveProof(found: Found): Proof | undefined {
  const { file, set, refused, production, problems, warnings } = found;
  if (refused.has('authentication') || refused.has('FAYE_ONLINE_SECRET')) return undefined;
  const { jwt, verify, trust } = file.authentication;
  const ways = given({ jwt, verify, trust: trust || undefined });
  if (ways.length > 1) {
    problems.push(
      wrong('Option `authentication`', 'exactly one of jwt, verify and trust', ways.join(' and ')),
    );
    return undefined;
  }
  if (verify) return byFunction(verify, found);
  if (jwt || set.FAYE_ONLINE_SECRET) return byToken(found);
  if (trust ?? !production) {
    warnings.push(BELIEVED);
    return { way: 'trust' };
  }
  const why = production ? ', as NODE_ENV is production' : '';
  problems.push(
    `${wrong('Option `authentication`', `a way to prove who somebody is${why}`, 'none')}: ${WAYS}`,
  );
  return undefined;
}

/** The function may well use the secret itself, so it is not overruled by it. */
function byFunction(verify: Verify, { set, warnings }: Found): Proof {
  if (set.FAYE_ONLINE_SECRET) warnings.push(unusedSecret('authentication.verify'));
  return { way: 'verify', verify };
}

function byToken({ file, set, problems, warnings }: Found): Proof | undefined {
  const configured = file.authentication.jwt ?? jwt.parse({});
  if (file.authentication.trust)
    warnings.push('FAYE_ONLINE_SECRET wins over authentication.trust: who somebody is takes a token.');
  const ownKey = given({ publicKey: configured.publicKey, jwks: configured.jwks })[0];
  if (ownKey && set.FAYE_ONLINE_SECRET) warnings.push(unusedSecret(`authentication.jwt.${ownKey}`));
  const secret = (ownKey ? undefined : set.FAYE_ONLINE_SECRET) ?? configured.secret;
  const resolved = withAlgorithms({ ...configured, secret });
  const wrongs = tokensProblems(resolved);
  problems.push(...wrongs);
  return wrongs.length > 0 ? undefined : { way: 'jwt', jwt: resolved };
}

const unusedSecret = (by: string): string => `FAYE_ONLINE_SECRET is not used: ${by} says who somebody is.`;

function withAlgorithms(configured: JwtConfig & { clockTolerance: number }): ResolvedJwt {
  const fallback = configured.secret === undefined ? KEY_PAIR_DEFAULT : ['HS256'];
  return { ...configured, algorithms: configured.algorithms ?? fallback };
}

/** A public key taken for the secret of an HS256 token would let anybody sign: the kinds are not mixed. */
function tokensProblems({ secret, publicKey, jwks, algorithms }: ResolvedJwt): string[] {
  const keys = given({ secret, publicKey, jwks });
  if (keys.length !== 1)
    return [
      wrong(
        'Option `authentication.jwt`',
        'exactly one of secret, publicKey and jwks',
        keys.join(' and ') || 'none',
      ),
    ];
  const fitting = keys[0] === 'secret' ? HMAC : KEY_PAIR;
  const odd = algorithms.filter((algorithm) => !fitting.includes(algorithm));
  const what = 'Option `authentication.jwt.algorithms`';
  return odd.map((algorithm) => wrong(what, `some of ${fitting.join(', ')} with a ${keys[0]}`, algorithm));
}

const given = (values: Readonly<Record<string, unknown>>): string[] =>
  Object.keys(values).filter((name) => values[name] !== undefined);
