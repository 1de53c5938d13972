import type { Message } from 'faye';

/** The id of the client that the server knows after a message from it; undefined where it knows none. */
export function sessionAfter(message: Message, clientId: string | undefined): string | undefined {
  if (message.channel === '/meta/handshake' && message.successful) return message.clientId;
  return message.advice?.reconnect === 'handshake' ? undefined : clientId;
}
