/**
 * EventSource streams, in the place of Faye's `handleEventSource`. Faye binds one to whatever clientId its path names;
 * here it waits until a connect of that client, which passed the extensions, says `eventsource`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Message } from 'faye';
import type { Origins } from './origins.js';
import { pathOf } from './request-path.js';
import type { Stream, Streams, Traffic } from './streams.js';
import { thisTurn } from './turns.js';

export interface EventSourcesOptions {
  streams: () => Streams;
  origins: Origins;
  clientExists(clientId: string): Promise<boolean>;
  /** For how many milliseconds whoever asks is to stay away; 0: it may come. */
  admit(request: IncomingMessage): Promise<number>;
  /** Milliseconds between two comments that keep proxies from closing the stream. */
  ping: number;
  /** Bytes that may wait to be sent to a client. */
  unsentBytes: number;
  onSlow(): void;
  traffic: Traffic;
}

/** Milliseconds in which the client of a new stream must have asked for it. */
const UNASKED = 30_000;
/** Milliseconds after which a browser reconnects. */
const RETRY = 1_000;

export class EventSources {
  private readonly streams = new Map<string, ResponseStream>();
  private readonly wanted = new Set<string>();
  private readonly pinger: NodeJS.Timeout;

  constructor(private readonly options: EventSourcesOptions) {
    this.pinger = setInterval(() => {
      for (const stream of this.streams.values()) stream.comment();
    }, options.ping);
    this.pinger.unref();
  }

  /** `GET <mount>/<clientId>` with `Accept: text/event-stream`. */
  async open(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const wait = await this.options.admit(request);
    if (wait > 0) {
      const retry = { 'Retry-After': String(Math.ceil(wait / 1_000)) };
      response.writeHead(429, { ...this.options.origins.headers(request), ...retry }).end();
      return;
    }
    const clientId = pathOf(request).split('/').pop() ?? '';
    const exists = clientId !== '' && (await this.options.clientExists(clientId).catch(() => false));
    if (response.destroyed) return;
    // One that is another's stays: who comes second has no better claim. The browser's own reconnect finds it closed.
    if (!exists || this.streams.get(clientId)?.open) {
      response.writeHead(exists ? 409 : 404, this.options.origins.headers(request)).end();
      return;
    }
    this.begin(clientId, request, response);
  }

  /** The stream that a connect asks for, if there is one. */
  askedBy({ clientId, connectionType }: Message): Stream | undefined {
    if (clientId === undefined) return undefined;
    if (connectionType !== 'eventsource') {
      this.wanted.delete(clientId);
      return undefined;
    }
    this.wanted.add(clientId);
    const stream = this.streams.get(clientId);
    return stream?.open ? stream : undefined;
  }

  /** Whether a stream for the client is open, or waits for its connect. */
  has(clientId: string): boolean {
    return this.streams.get(clientId)?.open ?? false;
  }

  /** The client has ended. */
  forget(clientId: string): void {
    this.wanted.delete(clientId);
    this.streams.get(clientId)?.close();
  }

  /** Streams that are open. */
  get size(): number {
    return this.streams.size;
  }

  release(): void {
    for (const stream of this.streams.values()) stream.close();
  }

  close(): void {
    clearInterval(this.pinger);
    this.release();
  }

  private begin(clientId: string, request: IncomingMessage, response: ServerResponse): void {
    const { origins } = this.options;
    response.writeHead(200, {
      ...origins.headers(request),
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-store',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'close',
    });
    response.write(`retry: ${RETRY}\n\n`);
    const stream = new ResponseStream(response, this.options);
    this.streams.set(clientId, stream);
    const unasked = setTimeout(() => {
      if (!this.wanted.has(clientId)) stream.close();
    }, UNASKED);
    unasked.unref();
    response.once('close', () => {
      clearTimeout(unasked);
      if (this.streams.get(clientId) === stream) this.streams.delete(clientId);
      this.options.streams().closed(stream);
    });
    // The browser's own reconnect: its client asked before, and is not going to ask again for a while.
    if (this.wanted.has(clientId)) this.options.streams().rebind(clientId, stream, request);
  }
}

class ResponseStream implements Stream {
  private read = 0;

  constructor(
    private readonly response: ServerResponse,
    private readonly options: Pick<EventSourcesOptions, 'unsentBytes' | 'onSlow' | 'traffic'>,
  ) {}

  get open(): boolean {
    return !this.response.destroyed && !this.response.writableEnded;
  }

  send(text: string): void {
    // JSON has no line breaks of its own.
    this.put(`data: ${text}\n\n`);
  }

  comment(): void {
    this.put(':\n\n');
  }

  close(): void {
    if (this.open) this.response.end();
    this.response.destroy();
  }

  private put(text: string): void {
    if (!this.open) return;
    const turn = thisTurn();
    if (this.read !== turn && this.response.writableLength > this.options.unsentBytes) {
      this.options.onSlow();
      this.response.destroy();
      return;
    }
    this.read = turn;
    this.options.traffic.framesOut += 1;
    this.options.traffic.bytesOut += text.length;
    this.response.write(text);
  }
}
