/** Faye extensions, and ours, which are a little more than those. */
import type { Extension as FayeExtension, FayeRequest, Message } from 'faye';

export type { FayeExtension, FayeRequest, Message };
/** Null for clients in the server's own process (`adapter.getClient()`), which are trusted. */
export type Request = FayeRequest | null;
export type Pass = (message: Message | null) => void;

/**
 * An extension of ours, made by `extension()`. It changes the message in place and never drops it.
 *
 * `incoming` may return a promise; the next extension runs after it, or in the same turn where it returns nothing.
 * It is not asked about a message that an earlier one has refused. Throwing `Refused` refuses the message with its
 * reason; throwing anything else is logged and refuses it with 500.
 */
export interface Extension {
  readonly name: string;
  /**
   * Its `incoming` is synchronous and looks at the message alone. Where it stands first it runs as the message comes,
   * and not when it is its turn among the messages of its client. Default: false.
   */
  readonly atOnce?: boolean;
  incoming?(message: Message, request: Request): void | Promise<void>;
  /**
   * Its `outgoing` lets every message of a channel pass as it is, so that one encoding may go to all subscribers: it only
   * looks at replies. Default: false, and each recipient's copy goes through it.
   */
  readonly broadcastSafe?: boolean;
  /** Returns false to keep the message from this client. */
  outgoing?(message: Message, request: Request): boolean;
}

const ours = new WeakSet<object>();

export function extension(definition: Extension): Extension {
  ours.add(definition);
  return definition;
}

export function isOurs(candidate: Extension | FayeExtension): candidate is Extension {
  return ours.has(candidate);
}
