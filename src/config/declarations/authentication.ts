/** The options of who somebody is, and what they may do. */
import { z } from 'zod';
import type { Verify } from '../../authentication/custom.js';
import type { MayEnter, MayUse } from '../types.js';
import { callback, declared, group, yesOrNo } from './declaration.js';
import { jwt } from './jwt.js';

export const serverToken = z.string().min(16).register(declared, {
  doc: 'What a server of yours sends to publish by one HTTP POST, without a handshake.',
  type: 'a text of at least 16 characters',
  default: 'none, such a publish is refused',
  secret: true,
});

const MAY = '(identity, channel) → boolean, or a promise of it';
const SIGNED_IN = 'whoever is signed in may';

export const authentication = group(
  {
    jwt: jwt.optional(),
    verify: callback<Verify>(
      '(message, request) → identity, null or false, or a promise of it',
      'none',
      'Proof by a function of your own; null is not signed in, false refuses, and `throw new Refused(reason)` says why.',
    ),
    trust: yesOrNo(
      'true where nothing else is configured and NODE_ENV is not production',
      'Believes what the browser says in auth.current_user, as the gem faye-online did.',
    ),
    serverToken: serverToken.optional(),
    mayEnter: callback<MayEnter>(
      MAY,
      'none',
      'Whether somebody may be present in a channel that the channels of their identity do not name.',
    ),
    maySubscribe: callback<MayUse>(
      MAY,
      SIGNED_IN,
      'Whether somebody may subscribe to a channel; null is not signed in.',
    ),
    mayPublish: callback<MayUse>(
      MAY,
      SIGNED_IN,
      'Whether somebody may publish on a channel; null is not signed in.',
    ),
  },
  'Who somebody is, by exactly one of jwt, verify and trust, and what they may do.',
  true,
);
