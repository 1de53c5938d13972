/**
 * Subscriptions that can't be judged now, because what is asked for that is away. A client of Faye's tells its app that one was
 * refused, and makes it no more, so it is judged again. (A connect and a publish it says again itself.)
 *
 * They wait beside their client's queue, which goes on. Anybody can make them: so many wait, and no large ones.
 */
import type { Message, Request } from './extension.js';

/** Milliseconds that a subscription may wait, and between two tries. */
export const PATIENCE = 30_000;
const AGAIN = 500;
/** Those of all clients that may wait, and characters of each. */
const MOST = 1_000;
const LARGEST = 8_192;

interface Held {
  clientId: string | undefined;
  subscriptions: readonly string[];
  /** The client does not want it any more. */
  isOver: boolean;
}

export class Patience {
  private readonly held = new Set<Held>();

  /**
   * False where it is not to wait, or no longer: `until` is in ms of `performance.now`. Calls back when it is to be judged again,
   * or, with false, where nobody waits for the answer.
   */
  hold(message: Message, request: Request, until: number, again: (mayGoOn: boolean) => void): boolean {
    if (message.channel !== '/meta/subscribe' || !request || request.socket.destroyed) return false;
    if (performance.now() >= until || this.held.size >= MOST || sizeOf(message) > LARGEST) return false;
    const subscriptions = namesIn(message);
    const held: Held = { clientId: message.clientId, subscriptions, isOver: false };
    this.held.add(held);
    setTimeout(() => {
      this.held.delete(held);
      again(!held.isOver && !request.socket.destroyed);
    }, AGAIN).unref();
    return true;
  }

  /** To be called with each message in its turn: who unsubscribes, or disconnects, wants it no more. */
  heard(message: Message): void {
    const { channel, clientId } = message;
    const isEnd = channel === '/meta/disconnect';
    if (this.held.size === 0 || (!isEnd && channel !== '/meta/unsubscribe')) return;
    const names = new Set(namesIn(message));
    for (const held of this.held) {
      if (held.clientId !== clientId) continue;
      held.isOver ||= isEnd || held.subscriptions.some((name) => names.has(name));
    }
  }
}

/** A client may ask for many at once. */
const namesIn = ({ subscription }: Message): string[] => [subscription ?? []].flat();

function sizeOf(message: Message): number {
  try {
    return JSON.stringify(message).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
