import type { Message, Request } from '../bayeux/extension.js';
import type { Identity } from '../presence/identity.js';

/** A way to prove who somebody is. */
export interface Proof {
  /** Whether a browser's word counts, so that nothing is gained by asking for it. */
  readonly trusting: boolean;
  /** What the proof rests on: while it stays the same, it is not asked again. Undefined: the message brings no proof. */
  basis(message: Message): string | undefined;
  /** Null: not signed in. Throws `WireRefused` for a proof that fails. */
  prove(message: Message, request: Request): Promise<Identity | null>;
}
