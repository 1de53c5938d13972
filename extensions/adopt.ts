/**
 * Clients need no sticky sessions: a client whose poll or new socket reaches this node is made this node's, with its
 * subscriptions and what waits for it. What it says beside its connection, by a POST that reached another node than its
 * poll, is done where it is. An EventSource's connects are such too: its stream is where it is.
 */
import type { Bayeux } from '../src/bayeux/bayeux.js';
import { refuse } from '../src/bayeux/errors.js';
import { type Extension, extension, type Message, type Request } from '../src/bayeux/extension.js';

export function adopt(bayeux: Bayeux): Extension {
  const { ownership } = bayeux.online;
  function incoming(message: Message, request: Request): void | Promise<void> {
    const { clientId } = message;
    if (clientId === undefined || request === null) return;
    if (!ownership.has(clientId)) return elsewhere(message, clientId);
    if (message.channel !== '/meta/connect') return;
    // What is yet to be done for it may take longer than it has left.
    bayeux.ping(clientId);
    const verified = ownership.verified(clientId);
    return verified && orElsewhere(verified, message, clientId);
  }

  /** What this node has for a client that went elsewhere while it was cut off is older than what that was told since. */
  async function orElsewhere(verified: Promise<boolean>, message: Message, clientId: string): Promise<void> {
    if (!(await verified)) await elsewhere(message, clientId);
  }

  async function elsewhere(message: Message, clientId: string): Promise<void> {
    if (!(await done(message, clientId))) throw refuse('clientUnknown', clientId);
  }

  async function done(message: Message, clientId: string): Promise<boolean> {
    const channels = [message.subscription ?? []].flat();
    switch (message.channel) {
      case '/meta/connect':
        return message.connectionType === 'eventsource' ? renew(clientId) : take(clientId);
      case '/meta/subscribe':
        return bayeux.acknowledgements.subscribeElsewhere(message, clientId, channels);
      case '/meta/unsubscribe':
        return ownership.others.subscribe(clientId, channels, false);
      default:
        return true;
    }
  }

  async function take(clientId: string): Promise<boolean> {
    const isHere = await ownership.adopt(clientId);
    if (isHere) bayeux.ping(clientId);
    return isHere;
  }

  async function renew(clientId: string): Promise<boolean> {
    const hasStream = await ownership.others.ask(clientId, 'renew');
    // One that waits here takes the place of none that is open elsewhere, nor of one of which nobody answers: who opened it
    // may be anybody.
    if (hasStream !== true && hasStream !== undefined && bayeux.transports.eventSources.has(clientId))
      return ownership.adopt(clientId);
    return ownership.exists(clientId);
  }

  return extension({ name: 'adopt', incoming });
}
