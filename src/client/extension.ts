import type { Message } from 'faye';

/** Passing null drops the message. */
type Filter = (message: Message, pass: (message: Message | null) => void) => void;

/** A Faye extension of a client. (Faye's own type is a union, from which no parameter's type is inferred.) */
export interface ClientExtension {
  incoming?: Filter;
  outgoing?: Filter;
}
