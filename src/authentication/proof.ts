import type { IncomingMessage } from 'node:http';
import type { Message } from 'faye';
import type { Identity } from '../presence/identity.js';
import type { Auth } from './auth.js';

/** A way to prove who somebody is. */
export interface Proof {
  /** Whether a browser's word counts, so that nothing is gained by asking for it. */
  readonly trusting: boolean;
  /** What the proof rests on: while it stays the same, it is not asked again. Undefined: the message brings no proof. */
  basis(auth: Auth | undefined): string | undefined;
  /** Null: not signed in. Throws `Refused` for a proof that fails. */
  prove(message: Message, request: IncomingMessage | null, auth: Auth | undefined): Promise<Identity | null>;
}
