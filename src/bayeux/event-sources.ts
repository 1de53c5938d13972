/**
 * EventSource streams, in the place of Faye's `handleEventSource`. Faye binds one to whatever clientId its path names;
 * here it waits until a connect of that client, which passed the extensions, says `eventsource`.
 *
 * A stream that was bound has a token (the `id` of an EventSource), which its browser sends when it reconnects
 * (`Last-Event-ID`). Who knows it takes the place of the stream before, on whichever node; who knows the path alone does not,
 * and is not sent it where the client has had a stream before.
 *
 * A browser has six connections to a host by HTTP/1.1, for all of its tabs. Six streams take them all, and the connects of
 * their clients wait for one: they would all be silent, and ended. So the stream of a client that has been silent is closed.
 * A connect goes out by the connection that is free then, and the browser opens the stream again a second later.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Message } from 'faye';
import type { Origins } from './origins.js';
import { pathOf } from './request-path.js';
import { isGone } from './responses.js';
import type { Stream, Streams, Traffic } from './streams.js';
import { thisTurn } from './turns.js';

/** Which node an EventSource's client is on, and the token by which all nodes know it again. */
export interface StreamOwners {
  /** Whether this node has the client. */
  isHere(clientId: string): boolean;
  /** Empty where the client has no stream, null for no such client. Rejects where that is not known now. */
  tokenOf(clientId: string): Promise<string | null>;
  /** The token of a client of this node has changed; empty where it wants no stream any more. */
  saveToken(clientId: string, token: string): void;
  /** A client has asked for a stream that is not here. `token`: for one that has none. */
  requestStream(clientId: string, token: string): void;
  /** A stream has come whose browser knows the token: calls `bind` once the client is this node's. */
  claim(clientId: string, token: string): void;
}

export interface EventSourcesOptions {
  streams: () => Streams;
  origins: Origins;
  owners: StreamOwners;
  /** For how many milliseconds whoever asks is to stay away; 0: it may come. */
  admit(request: IncomingMessage): Promise<number>;
  /** Milliseconds between two comments that keep proxies from closing the stream. */
  ping: number;
  /** Milliseconds without a connect after which a client's stream is closed, to free a connection of its browser. */
  silence: number;
  /** Bytes that may wait to be sent to a client. */
  unsentBytes: number;
  onSlow(): void;
  traffic: Traffic;
}

/** Milliseconds in which the client of a new stream must have asked for it. */
const UNASKED = 30_000;
/** Milliseconds after which a browser reconnects. */
const RETRY = 1_000;
/** Milliseconds after which to ask again, where Redis is away. */
const ASK_AGAIN = 5_000;
/** How often in the time of a silence it is looked for. */
const LOOKS = 10;

export class EventSources {
  private readonly streams = new Map<string, Waiting>();
  /** Clients of this node that have asked for a stream, and its token. */
  private readonly wanted = new Map<string, string>();
  private readonly pinger: NodeJS.Timeout;
  private readonly looker: NodeJS.Timeout;

  constructor(private readonly options: EventSourcesOptions) {
    this.pinger = setInterval(() => {
      for (const { stream } of this.streams.values()) stream.comment();
    }, options.ping);
    this.pinger.unref();
    this.looker = setInterval(() => this.closeSilent(), options.silence / LOOKS);
    this.looker.unref();
  }

  /** `GET <mount>/<clientId>` with `Accept: text/event-stream`. */
  async open(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const wait = await this.options.admit(request);
    if (wait > 0) return this.refuse(request, response, 429, wait);
    const clientId = pathOf(request).split('/').pop() ?? '';
    const token = await this.tokenOf(clientId).catch(() => undefined);
    if (isGone(response)) return;
    if (token === undefined) return this.refuse(request, response, 503, ASK_AGAIN);
    if (token === null) return this.refuse(request, response, 404);
    const isItsOwn = token !== '' && request.headers['last-event-id'] === token;
    const before = this.streams.get(clientId)?.stream;
    // One that is another's stays: who comes second has no better claim, but for the browser's own reconnect.
    if (before?.open && !isItsOwn) return this.refuse(request, response, 409);
    this.begin(clientId, request, response, isItsOwn);
    if (isItsOwn && !this.wanted.has(clientId)) this.options.owners.claim(clientId, token);
    before?.close();
  }

  /** The stream that a connect asks for, if there is one. */
  askedBy({ clientId, connectionType }: Message): Stream | undefined {
    if (clientId === undefined) return undefined;
    if (connectionType === 'eventsource') return this.asked(clientId);
    if (this.wanted.delete(clientId)) this.options.owners.saveToken(clientId, '');
    return undefined;
  }

  /** Binds the stream that waits for a client which has become this node's. `identify`: whether it is sent the token. */
  bind(clientId: string, token: string, identify: boolean): void {
    const waiting = this.streams.get(clientId);
    if (!waiting?.stream.open || !this.options.owners.isHere(clientId)) return;
    this.wanted.set(clientId, token);
    if (identify) waiting.stream.identify(token);
    this.options.streams().rebind(clientId, waiting.stream, waiting.request);
  }

  /** Whether a stream for the client is open, or waits for its connect. */
  has(clientId: string): boolean {
    return this.streams.get(clientId)?.stream.open ?? false;
  }

  /** The client has ended. */
  forget(clientId: string): void {
    this.wanted.delete(clientId);
    this.streams.get(clientId)?.stream.close();
  }

  /**
   * The client has gone to another node. A stream that it has not asked for yet stays: a browser opens its stream and sends its
   * first connect at the same time, and a load balancer may send them to two nodes. The client's connect claims it.
   */
  leave(clientId: string): void {
    if (this.wanted.has(clientId)) this.forget(clientId);
  }

  /** Streams that are open. */
  get size(): number {
    return this.streams.size;
  }

  release(): void {
    for (const { stream } of this.streams.values()) stream.close();
  }

  close(): void {
    clearInterval(this.pinger);
    clearInterval(this.looker);
    this.release();
  }

  /** `wait`: milliseconds after which it may ask again. */
  private refuse(request: IncomingMessage, response: ServerResponse, status: number, wait?: number): void {
    const retry = wait === undefined ? {} : { 'Retry-After': String(Math.ceil(wait / 1_000)) };
    response.writeHead(status, { ...this.options.origins.headers(request), ...retry }).end();
  }

  private async tokenOf(clientId: string): Promise<string | null> {
    if (clientId === '') return null;
    return this.wanted.get(clientId) ?? this.options.owners.tokenOf(clientId);
  }

  private asked(clientId: string): Stream | undefined {
    const { owners } = this.options;
    if (!owners.isHere(clientId)) {
      owners.requestStream(clientId, randomUUID());
      return undefined;
    }
    const known = this.wanted.get(clientId);
    const token = known ?? randomUUID();
    this.wanted.set(clientId, token);
    const waiting = this.streams.get(clientId);
    const stream = waiting?.stream;
    if (waiting) waiting.heardAt = performance.now();
    if (!stream?.open) {
      owners.requestStream(clientId, token);
      return undefined;
    }
    if (known === undefined) {
      stream.identify(token);
      owners.saveToken(clientId, token);
    }
    return stream;
  }

  private closeSilent(): void {
    const before = performance.now() - this.options.silence;
    for (const [clientId, { stream, heardAt }] of this.streams) {
      if (heardAt < before && this.wanted.has(clientId)) stream.close();
    }
  }

  private begin(
    clientId: string,
    request: IncomingMessage,
    response: ServerResponse,
    isItsOwn: boolean,
  ): void {
    const { origins } = this.options;
    response.writeHead(200, {
      ...origins.headers(request),
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-store',
      'X-Content-Type-Options': 'nosniff',
      // HTTP/2 has no such header.
      ...(request.httpVersionMajor === 1 && { Connection: 'close' }),
    });
    response.write(`retry: ${RETRY}\n\n`);
    const stream = new ResponseStream(response, this.options);
    const waiting = { stream, request, heardAt: performance.now() };
    this.streams.set(clientId, waiting);
    const unasked = setTimeout(() => {
      if (!this.wanted.has(clientId)) stream.close();
    }, UNASKED);
    unasked.unref();
    response.once('close', () => {
      clearTimeout(unasked);
      if (this.streams.get(clientId) === waiting) this.streams.delete(clientId);
      this.options.streams().closed(stream);
    });
    // The browser's own reconnect: its client asked before, and is not going to ask again for a while.
    const token = this.wanted.get(clientId);
    if (token === undefined) return;
    if (isItsOwn) stream.identify(token);
    this.options.streams().rebind(clientId, stream, request);
  }
}

interface Waiting {
  stream: ResponseStream;
  request: IncomingMessage;
  /** When its client has connected last, or else when it was opened: ms of `performance.now`. */
  heardAt: number;
}

class ResponseStream implements Stream {
  private read = 0;

  constructor(
    private readonly response: ServerResponse,
    private readonly options: Pick<EventSourcesOptions, 'unsentBytes' | 'onSlow' | 'traffic'>,
  ) {}

  get open(): boolean {
    return !isGone(this.response) && !this.response.writableEnded;
  }

  send(text: string): void {
    // JSON has no line breaks of its own.
    this.put(`data: ${text}\n\n`);
  }

  /** The browser sends it when it reconnects. */
  identify(token: string): void {
    this.put(`id: ${token}\n\n`);
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
