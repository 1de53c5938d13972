/** The sessions of a single process: each client is its own. */
import type { Client } from '../engine/client.js';
import type { OtherSessions, SessionHost, Sessions, SessionsStatus, StreamTokens } from './sessions.js';

export class LocalSessions implements Sessions {
  readonly status: SessionsStatus = {
    description: 'faye-online',
    connected: true,
    ready: true,
    outage: null,
  };
  readonly streams: StreamTokens = {
    get: async () => null,
    save: async () => {},
    request: async () => {},
  };
  readonly others: OtherSessions = {
    exists: async () => false,
    existing: async () => [],
    end: async () => {},
    subscribe: async () => false,
    ask: async () => undefined,
  };
  private host!: SessionHost;

  open(host: SessionHost): void {
    this.host = host;
  }

  isAway(): boolean {
    return false;
  }

  changed(): undefined {}

  confirmed(): undefined {}

  verified(): undefined {}

  ended({ id }: Client): void {
    this.host.notices.ended(id);
  }

  async claim(): Promise<boolean> {
    return false;
  }

  async close(): Promise<void> {}
}
