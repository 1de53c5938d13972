/**
 * Sessions for an engine that has all clients on every node, as faye-redis does: a node owns what presence does for a client, and
 * nothing of its messages. A client's session begins at its first proof, where the engine has it.
 */
import type { Client } from '../../engine/client.js';
import type { Remains, SessionHost, SessionNotices } from '../sessions.js';

const NOTHING: Remains = { waiting: [], channels: [], delivered: undefined };

const noop = (): void => {};

export class ExternalHost implements SessionHost {
  readonly notices: SessionNotices = {
    ended: noop,
    disconnected: noop,
    reconnected: noop,
    request: noop,
    streamRequested: noop,
  };
  private readonly clients = new Map<string, Client>();

  get size(): number {
    return this.clients.size;
  }

  get(clientId: string): Client | undefined {
    return this.clients.get(clientId);
  }

  /** Nothing but its name, and that it is here. */
  acquire(clientId: string): Client {
    const client = { id: clientId, isOwned: false, channels: new Set<string>() } as unknown as Client;
    this.clients.set(clientId, client);
    return client;
  }

  own(client: Client): void {
    client.isOwned = true;
  }

  release(client: Client): Remains {
    if (this.clients.get(client.id) === client) this.clients.delete(client.id);
    return NOTHING;
  }

  async subscribe(): Promise<void> {}

  async subscribeOnRequest(): Promise<void> {}

  unsubscribe(): void {}
}
