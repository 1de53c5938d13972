import { Refused, refuse, refusedBecause } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message, type Request } from '../src/bayeux/extension.js';

/** True lets the message pass; false, or a text for the client, refuses it. As the gem's `valid_message_proc`. */
export type ValidMessage = (
  message: Message,
  request: Request,
) => boolean | string | Promise<boolean | string>;

export function validMessage(isValid: ValidMessage): Extension {
  return extension({
    name: 'valid-message',
    async incoming(message, request) {
      const answer = await isValid(message, request);
      if (typeof answer === 'string') throw new Refused(refusedBecause(answer, message.channel));
      if (!answer) throw refuse('messageForbidden', message.channel);
    },
  });
}
