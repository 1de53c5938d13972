import type { Logger } from 'pino';
import { refuse } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message, type Request } from '../src/bayeux/extension.js';
import { OccasionalLog } from '../src/occasional-log.js';

/**
 * True lets the message pass; false refuses it, as with the gem's `valid_message_proc`. Throwing `Refused` refuses it
 * with a reason.
 */
export type ValidMessage = (message: Message, request: Request) => boolean | Promise<boolean>;

export function validMessage(isValid: ValidMessage, logger: Logger): Extension {
  const log = new OccasionalLog(logger);
  return extension({
    name: 'valid-message',
    async incoming(message, request) {
      const answer: unknown = await isValid(message, request);
      if (typeof answer === 'string')
        log.error(
          'validMessage returned a text, and the message is refused without it: throw new Refused(text)',
        );
      if (!answer || typeof answer === 'string') throw refuse('messageForbidden', message.channel);
    },
  });
}
