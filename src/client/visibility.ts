/** Tells the server when the page is hidden and when it is shown, for the records of time: nobody leaves by it. */
import type { Client, FayeError, Message } from 'faye';
import type { Ending } from './ending.js';
import type { ClientExtension } from './extension.js';
import { sessionAfter } from './session.js';

const CHANNEL = '/faye_online/visibility';

/**
 * The extension that says `{hidden: true}` or `{hidden: false}` where that is not what the server has: a client that has said
 * nothing it takes for shown, and each session is another client. So a page that is never hidden says nothing. Outside a page
 * (in Node) there is nothing to say.
 */
export function visibility(client: Client, ending: Ending): ClientExtension {
  if (typeof document === 'undefined') return {};
  const teller = new Teller(client, document);
  ending.onEnd(() => teller.stop());
  return {
    incoming(message, pass) {
      // Faye first: it must know of the session by which we speak.
      pass(message);
      teller.hear(message);
    },
  };
}

class Teller {
  private clientId: string | undefined;
  /** What the server has. */
  private told = false;
  /** The session in which something is said that has no answer yet. Only then the next is: they must not overtake each other. */
  private telling: string | undefined;
  /** The page goes, which hides it: that is said by other means, and its socket is not to be opened again. */
  private leaving = false;
  /** Stops listening to the page. */
  private readonly deafen: () => void;

  constructor(
    private readonly client: Client,
    private readonly page: Document,
  ) {
    const change = () => this.tell();
    const hide = () => this.leave(true);
    const show = () => this.leave(false);
    page.addEventListener('visibilitychange', change);
    addEventListener('pagehide', hide);
    addEventListener('pageshow', show);
    this.deafen = () => {
      page.removeEventListener('visibilitychange', change);
      removeEventListener('pagehide', hide);
      removeEventListener('pageshow', show);
    };
  }

  hear(message: Message): void {
    const before = this.clientId;
    this.clientId = sessionAfter(message, before);
    if (this.clientId !== before) this.told = false;
    // What could not be said is said again with each answer to a connect, some seconds later.
    if (message.successful && message.channel.startsWith('/meta/')) this.tell();
  }

  stop(): void {
    this.clientId = undefined;
    this.deafen();
  }

  private leave(leaving: boolean): void {
    this.leaving = leaving;
    this.tell();
  }

  private tell(): void {
    const { clientId } = this;
    const hidden = this.page.visibilityState === 'hidden';
    if (clientId === undefined || this.leaving || hidden === this.told || this.telling === clientId) return;
    this.telling = clientId;
    const settle = (isOver: boolean) => this.settle(clientId, hidden, isOver);
    this.client.publish(CHANNEL, { hidden }).then(
      () => settle(true),
      (error) => settle(isFinal(error)),
    );
  }

  private settle(clientId: string, hidden: boolean, isOver: boolean): void {
    if (this.telling === clientId) this.telling = undefined;
    if (this.clientId !== clientId || !isOver) return;
    this.told = hidden;
    this.tell();
  }
}

/** Whether it would be refused again: not where the server is away, or was asked too often. */
const isFinal = ({ code }: FayeError): boolean => code !== null && code < 500 && code !== 429;
