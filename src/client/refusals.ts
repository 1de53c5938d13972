/** What the client makes of the server's refusals. */
import type { Message } from 'faye';
import type { ClientExtension } from './extension.js';
import type { Refusal } from './options.js';

export type Report = (error: Refusal, message: Message) => void;

/** `code:args:text`, as Faye parses it (faye `protocol/error.js`). */
const ERROR = /^(\d{3}):([^:]*):([^:]*)$/;

export function parseError(error: string): Refusal {
  const [, code, params, message] = ERROR.exec(error) ?? [];
  if (code === undefined) return { code: null, params: [], message: error };
  return { code: Number(code), params: params ? params.split(',') : [], message: message ?? '' };
}

/** The extension that reports each refused message, before Faye acts on it. */
export function reportRefusals(report: Report): ClientExtension {
  return {
    incoming(message, pass) {
      try {
        if (message.successful === false && message.error) report(parseError(message.error), message);
      } finally {
        pass(message);
      }
    },
  };
}

/** A reporter that prints each error once: a refused client tries again and again. */
export function printOnce(): Report {
  const printed = new Set<string>();
  return ({ code, params, message }, { channel }) => {
    const line = `faye-online: ${channel} was refused: ${[code, message].filter(Boolean).join(' ')}`;
    if (printed.has(line)) return;
    printed.add(line);
    // The arguments of a 401 may be a clientId, which is a secret.
    console.error(code === 401 || params.length === 0 ? line : `${line} (${params.join(', ')})`);
  };
}

/**
 * The extension that takes the advice `handshake` off a refused handshake. Faye's client tries again by itself after
 * `retry`; following the advice too, it forgets the subscriptions and publishes that waited for the handshake, and
 * with the interval 0 it tries hundreds of times a second (seen with faye 1.4.3).
 */
export function calmHandshake(): ClientExtension {
  return {
    incoming(message, pass) {
      const refused = message.channel === '/meta/handshake' && message.successful === false;
      if (refused && message.advice?.reconnect === 'handshake') delete message.advice;
      pass(message);
    },
  };
}
