/**
 * Long polls that the browser gave up. Faye keeps the connection of an aborted poll open until its timeout, so a
 * closed tab would look connected; here the response's own `close` ends it at once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NodeAdapter } from 'faye';
import type { EngineProxy } from './internals.js';

export class Polls {
  private readonly responses = new WeakMap<IncomingMessage, ServerResponse>();
  private readonly latest = new Map<string, IncomingMessage>();
  private readonly restore: () => void;

  constructor(
    adapter: NodeAdapter,
    private readonly proxy: EngineProxy,
  ) {
    const handle = adapter.handle;
    adapter.handle = (request, response) => {
      this.responses.set(request, response);
      handle.call(adapter, request, response);
    };
    this.restore = () => {
      adapter.handle = handle;
    };
  }

  /** Called for each accepted `/meta/connect`. A close counts only for the client's latest poll. */
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

  close(): void {
    this.restore();
  }
}
