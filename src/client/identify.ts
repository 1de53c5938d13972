/** The extension that puts `auth` on every message, and what else sends the identity along. */
import type { Message } from 'faye';
import type { ClientExtension } from './extension.js';
import type { AuthOptions } from './options.js';
import { Tokens } from './tokens.js';

/** As the server says it: `401:<args>:Token expired`. */
const EXPIRED = /^401:[^:]*:Token expired$/;

export class Identity {
  readonly tokens: Tokens | undefined;

  constructor(
    private readonly options: AuthOptions,
    log: (line: string) => void,
  ) {
    if (options.token) this.tokens = new Tokens(options.token, log);
  }

  /** What goes out as `auth`. A copy, so that a message keeps the room that it was sent from. */
  get auth(): Record<string, unknown> {
    return { ...this.options, token: this.tokens?.current };
  }

  extension(): ClientExtension {
    return {
      outgoing: (message, pass) => {
        this.whenReady(() => {
          message.auth = this.auth;
          pass(message);
        });
      },
      incoming: (message, pass) => {
        if (message.successful === false && EXPIRED.test(message.error ?? '')) this.tokens?.refused();
        pass(message);
      },
    };
  }

  /** Faye sends a failed message again as it was, past its extensions: only here does it get the newer token. */
  renewIn(message: Message): void {
    const { auth } = message;
    if (!this.tokens || typeof auth !== 'object' || auth === null) return;
    message.auth = { ...auth, token: this.tokens.current };
  }

  private whenReady(step: () => void): void {
    if (this.tokens) this.tokens.whenFresh(step);
    else step();
  }
}
