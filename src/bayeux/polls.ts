/**
 * Long polls that the browser gave up. Faye keeps the connection of an aborted poll open until its timeout, so a
 * closed tab would look connected; here the response's own `close` ends it at once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Message } from 'faye';
import type { EngineProxy } from './internals.js';
import { hasGoneOut, isGone } from './responses.js';
import { isStopping } from './stopping.js';

export interface PollListener {
  /** A poll of the client has been answered, and not abandoned before: the connect with that id. */
  answered(clientId: string, connectId: string | undefined): void;
  /** A poll of the client was abandoned; what it was just being answered with may be lost. */
  abandoned(clientId: string): void;
  /** Another poll took its place before it was answered. What it was just being answered with may be lost. */
  superseded(clientId: string): void;
}

export class Polls {
  private readonly responses = new WeakMap<IncomingMessage, ServerResponse>();
  private readonly openings = new WeakMap<IncomingMessage, number>();
  private readonly latest = new Map<string, IncomingMessage>();

  constructor(
    private readonly proxy: EngineProxy,
    private readonly listener: PollListener,
  ) {}

  /** A request whose messages are about to be processed. */
  opened(request: IncomingMessage, response: ServerResponse): void {
    this.responses.set(request, response);
    this.openings.set(request, performance.now());
    // One request may bring the connects of many clients.
    response.setMaxListeners(0);
  }

  /** Called with each connect that passed the extensions. A close counts only for the client's latest poll. */
  connecting(clientId: string, message: Message, request: IncomingMessage | null): void {
    const before = this.latest.get(clientId);
    // Also where it is the same request: Faye answers only the last connect of a client, and the batch waits for all.
    if (before !== undefined) this.supersede(clientId, before);
    const response = request && this.responses.get(request);
    if (!response || !request) return;
    if (isGone(response)) return;
    // Waiting behind another answer: Node would not tell of its close.
    const isBehind = !response.socket;
    if (isBehind || isStopping(request)) message.advice = { ...message.advice, timeout: 0 };
    if (!isBehind)
      this.hold(clientId, message.id === undefined ? undefined : String(message.id), request, response);
  }

  /** When the request came, ms of `performance.now`; Infinity for what is no poll. */
  openedAt(request: IncomingMessage | null): number {
    return (request && this.openings.get(request)) ?? Number.POSITIVE_INFINITY;
  }

  /** Whether nobody waits for the answer any more. */
  isAbandoned(request: IncomingMessage): boolean {
    const response = this.responses.get(request);
    return response !== undefined && isGone(response);
  }

  private hold(
    clientId: string,
    connectId: string | undefined,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    this.latest.set(clientId, request);
    response.once('close', () => {
      if (this.latest.get(clientId) !== request) return;
      this.latest.delete(clientId);
      if (hasGoneOut(response)) {
        this.listener.answered(clientId, connectId);
        return;
      }
      this.listener.abandoned(clientId);
      this.proxy.flushConnection(clientId);
    });
  }

  /** Faye never answers a poll that another took the place of: thousands could wait on one connection. */
  private supersede(clientId: string, request: IncomingMessage): void {
    this.latest.delete(clientId);
    const response = this.responses.get(request);
    if (response && !hasGoneOut(response)) this.listener.superseded(clientId);
    if (!response?.writableEnded) response?.destroy();
  }
}
