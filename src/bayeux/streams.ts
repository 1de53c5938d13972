/**
 * Which WebSocket or EventSource belongs to which client.
 *
 * Faye binds a socket to whatever clientId a message names, before its extensions run: a client that is then refused
 * gets another's messages, and the late close of an old socket closes the new one. Here a stream is bound by an
 * accepted `/meta/connect` only: its extensions have passed, and the engine has said that the client exists. A close
 * counts only for the stream that is bound.
 */
import type { IncomingMessage } from 'node:http';
import type { Message } from 'faye';
import type { Request } from './extension.js';
import { replace, type Undo } from './faye-patches.js';
import type { EngineProxy, Protocol } from './internals.js';

/** What Faye calls a socket. */
export interface Stream {
  readonly open: boolean;
  send(text: string): void;
  /** Takes a whole WebSocket frame, prebuilt for many; only where the stream can. */
  write?(frame: Buffer): void;
  close(): void;
  /** Calls back once its peer has shown that it is there; only where the stream can ask. */
  check?(alive: () => void): void;
}

/** What has gone out by streams since the start. */
export interface Traffic {
  framesOut: number;
  bytesOut: number;
}

/** What an engine wants to know of streams. */
export interface StreamListener {
  attached(clientId: string, stream: Stream): void;
  /** The client's stream has closed, and no other has taken its place. */
  detached(clientId: string): void;
}

export interface StreamsOptions {
  protocol: Protocol;
  proxy: EngineProxy;
  /** The EventSource that waits for this client, where its connect says that it wants one. */
  eventSource(message: Message): Stream | undefined;
  /** Whether this node has the client. */
  isHere(clientId: string): boolean;
  /** Whether nobody waits for the answer of a poll any more. */
  isAbandoned(request: IncomingMessage): boolean;
  listener: StreamListener;
}

interface Accepted {
  stream: Stream | undefined;
  request: IncomingMessage;
}

export class Streams {
  private readonly bound = new Map<string, Stream>();
  private readonly clients = new WeakMap<Stream, string>();
  /** The stream that a request came by; the request of a WebSocket is that of its upgrade. */
  private readonly byRequest = new WeakMap<object, Stream>();
  /** What is to be bound where Faye accepts the connect; by the very object that it hands on to the engine. */
  private readonly accepted = new WeakMap<object, Accepted>();
  /** Gives the engine back as it was. */
  readonly close: Undo;

  constructor(private readonly options: StreamsOptions) {
    const { proxy } = options;
    this.close = replace(proxy, 'connect', (connect) => (clientId, options, callback, context) => {
      const known = options && this.accepted.get(options);
      if (known && this.isGone(known)) {
        // What waits for the client would be lost with the answer.
        callback.call(context, []);
        return;
      }
      if (known) this.settle(clientId, known.stream, known.request);
      connect.call(proxy, clientId, options, callback, context);
    });
  }

  /** A stream whose messages come with this request. */
  opened(request: object, stream: Stream): void {
    this.byRequest.set(request, stream);
  }

  /** Called with each connect that passed the extensions; Faye has yet to ask whether its client exists. */
  passed(message: Message, request: Request): void {
    if (!request) return;
    message.advice ??= {};
    const stream = this.byRequest.get(request) ?? this.options.eventSource(message);
    this.accepted.set(message.advice, { stream, request });
  }

  closed(stream: Stream): void {
    const clientId = this.clients.get(stream);
    if (clientId === undefined || this.bound.get(clientId) !== stream) return;
    this.bound.delete(clientId);
    this.options.listener.detached(clientId);
    this.options.proxy.flushConnection(clientId);
  }

  /** Binds a new stream of a client that has asked for it before. */
  rebind(clientId: string, stream: Stream, request: IncomingMessage): void {
    this.settle(clientId, stream, request);
    // As with a connect what has waited goes out now; but it proves nothing, and puts nothing off.
    this.options.proxy._engine.emptyQueue(clientId);
  }

  /** The client that the stream is bound to. */
  clientOf(stream: Stream): string | undefined {
    const clientId = this.clients.get(stream);
    return clientId !== undefined && this.bound.get(clientId) === stream ? clientId : undefined;
  }

  /** Whether the client has a stream that is open. */
  has(clientId: string): boolean {
    return this.bound.get(clientId)?.open ?? false;
  }

  /** Whether what a connect came by has closed since. */
  private isGone({ stream, request }: Accepted): boolean {
    return stream ? !stream.open : this.options.isAbandoned(request);
  }

  private settle(clientId: string, stream: Stream | undefined, request: Request): void {
    const before = this.bound.get(clientId);
    if (before === stream) return;
    // Not closeSocket with its default, which would tell Faye to close the stream: it is closed below, as no longer bound.
    if (before) this.options.protocol.closeSocket(clientId, false);
    this.bound.delete(clientId);
    before?.close();
    if (stream?.open && request && this.options.isHere(clientId)) {
      this.bind(clientId, stream, request);
      return;
    }
    // A client that has just gone to another node comes back where it is.
    stream?.close();
    if (before) this.options.listener.detached(clientId);
  }

  private bind(clientId: string, stream: Stream, request: Request): void {
    const other = this.clientOf(stream);
    if (other !== undefined) {
      this.bound.delete(other);
      this.options.listener.detached(other);
      this.options.protocol.closeSocket(other, false);
    }
    this.bound.set(clientId, stream);
    this.clients.set(stream, clientId);
    this.options.protocol.openSocket(clientId, withoutNothing(stream), request);
    this.options.listener.attached(clientId, stream);
  }
}

/** Faye sends `[null]` for a message that an outgoing extension has kept back, and its client throws at it. */
function withoutNothing(stream: Stream) {
  return {
    send: (text: string) => {
      if (text !== '[null]') stream.send(text);
    },
    // Faye closes the stream of a client that has ended, and answers its waiting connect a moment later.
    close: () => void setImmediate(() => stream.close()),
  };
}
