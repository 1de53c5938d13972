/** Who a message comes from, as the extensions of one pipeline tell each other. It is never part of the message. */
import type { Message } from 'faye';
import type { Identity } from '../presence/identity.js';

export type Speaker =
  /** The operator's own server (a server token), or code in this process. */
  { kind: 'server' } | { kind: 'user'; identity: Identity } | { kind: 'anonymous' };

const ANONYMOUS: Speaker = { kind: 'anonymous' };

const speakers = new WeakMap<Message, Speaker>();

export function setSpeaker(message: Message, speaker: Speaker): void {
  speakers.set(message, speaker);
}

/** Anonymous where nobody has said otherwise. */
export function speakerOf(message: Message): Speaker {
  return speakers.get(message) ?? ANONYMOUS;
}

export function identityOf(message: Message): Identity | null {
  const speaker = speakerOf(message);
  return speaker.kind === 'user' ? speaker.identity : null;
}
