/**
 * Long polls that the browser gave up. Faye keeps the connection of an aborted poll open until its timeout, so a
 * closed tab would look connected; here the response's own `close` ends it at once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EngineProxy } from './internals.js';

export class Polls {
  private readonly responses = new WeakMap<IncomingMessage, ServerResponse>();
  private readonly latest = new Map<string, IncomingMessage>();

  constructor(private readonly proxy: EngineProxy) {}

  /** A request whose messages are about to be processed. */
  opened(request: IncomingMessage, response: ServerResponse): void {
    this.responses.set(request, response);
  }

  /** Called with each connect that passed the extensions. A close counts only for the client's latest poll. */
  connecting(clientId: string, request: IncomingMessage | null): void {
    const response = request && this.responses.get(request);
    if (!response || !request) {
      this.latest.delete(clientId);
      return;
    }
    this.latest.set(clientId, request);
    response.once('close', () => {
      if (this.latest.get(clientId) !== request) return;
      this.latest.delete(clientId);
      if (!response.writableFinished) this.proxy.flushConnection(clientId);
    });
  }
}
