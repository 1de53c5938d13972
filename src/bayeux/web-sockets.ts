/**
 * WebSockets, in the place of Faye's `handleUpgrade`: an origin that may, messages within a size, a ping that must be
 * answered, a stream that is really gone when it is ended, and no more unsent than a client may have.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Protocol } from './internals.js';
import { parseBatch, readableBytes } from './messages.js';
import type { Origins } from './origins.js';
import { isStopping } from './stopping.js';
import type { Stream, Streams, Traffic } from './streams.js';
import { thisTurn } from './turns.js';

export interface WebSocketsOptions {
  protocol: Protocol;
  streams: Streams;
  origins: Origins;
  /** Milliseconds between two pings. A socket that has not answered one by the next is gone. */
  ping: number;
  /** Bytes of a message. */
  messageBytes: number;
  /** Messages in one array. */
  batchLength: number;
  /** Bytes that may wait to be sent to a client; one that reads more slowly is disconnected. */
  unsentBytes: number;
  /** permessage-deflate. */
  compression: boolean;
  traffic: Traffic;
  /** A stream that was cut for reading too slowly. */
  onSlow(): void;
  log: Logger;
}

/** Milliseconds that a socket has for the closing handshake before its stream is destroyed. */
const CLOSING = 2_000;
/** Frames, and pieces read from the network, that a message may come in: each is memory, however small it is. */
const FRAGMENTS = 128;
const CHUNKS = 1_024;
/** Milliseconds in which a new socket must have become a client's. */
const UNBOUND = 30_000;

const DEFLATE = {
  threshold: 1024,
  concurrencyLimit: 4,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
};

/** How many times `unsentBytes` may wait behind what is being compressed. */
const COMPRESSING = 16;

const UNSUPPORTED = 1003;
const GOING_AWAY = 1001;
const TRY_AGAIN = 1013;

export class WebSockets {
  private readonly server: WebSocketServer;
  private readonly sockets = new Map<SocketStream, boolean>();
  private readonly pinger: NodeJS.Timeout;

  constructor(private readonly options: WebSocketsOptions) {
    this.server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: readableBytes(options),
      maxFragments: FRAGMENTS,
      maxBufferedChunks: CHUNKS,
      perMessageDeflate: options.compression && DEFLATE,
      skipUTF8Validation: false,
    });
    // A timer of a process that stood still runs before the pongs that came meanwhile are read.
    this.pinger = setInterval(() => setImmediate(() => this.pingAll()), options.ping);
    this.pinger.unref();
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (!this.options.origins.admits(request)) refuse(socket, 403);
    else if (isStopping(request)) refuse(socket, 503);
    else this.server.handleUpgrade(request, socket, head, (ws) => this.accept(ws, socket, request));
  }

  /** Sockets that are open. */
  get size(): number {
    return this.sockets.size;
  }

  /** Closes every socket, so that its client goes to another node. */
  release(): void {
    for (const stream of this.sockets.keys()) stream.close(GOING_AWAY);
  }

  close(): void {
    clearInterval(this.pinger);
    this.release();
  }

  private accept(ws: WebSocket, socket: Duplex, request: IncomingMessage): void {
    const { streams } = this.options;
    const stream = new SocketStream(ws, socket, this.options);
    this.sockets.set(stream, true);
    streams.opened(request, stream);
    const unbound = setTimeout(() => {
      if (streams.clientOf(stream) === undefined) stream.close(TRY_AGAIN);
    }, UNBOUND);
    unbound.unref();
    ws.on('message', (data, isBinary) => {
      if (isBinary) stream.close(UNSUPPORTED);
      else this.receive(stream, data, request);
    });
    ws.on('pong', () => {
      if (this.sockets.has(stream)) this.sockets.set(stream, true);
    });
    // ws itself closes after an error; what it was (a frame too large, bad UTF-8) is the peer's doing.
    ws.on('error', (error) => this.options.log.debug({ err: error }, 'a WebSocket failed'));
    ws.on('close', () => {
      clearTimeout(unbound);
      this.sockets.delete(stream);
      streams.closed(stream);
    });
  }

  private receive(stream: SocketStream, data: RawData, request: IncomingMessage): void {
    const batch = parseBatch(String(data), this.options);
    if ('refused' in batch) {
      stream.send(JSON.stringify(batch.refused));
      return;
    }
    const { messages, tooLarge } = batch;
    if (tooLarge.length > 0) stream.send(JSON.stringify(tooLarge));
    if (messages.length === 0 && tooLarge.length > 0) return;
    this.options.protocol.process(messages, request, (replies) => {
      stream.send(JSON.stringify(replies));
    });
  }

  private pingAll(): void {
    for (const [stream, answered] of this.sockets) {
      if (answered) stream.ping();
      else stream.cut();
      this.sockets.set(stream, false);
    }
  }
}

function refuse(socket: Duplex, status: number): void {
  // Nobody reads on: what the peer had sent beyond its request would keep the socket from ever ending.
  socket.once('finish', () => socket.destroy());
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status]}`;
  socket.end(`${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

class SocketStream implements Stream {
  /** Undefined where frames are compressed, each socket's for itself. */
  readonly write: ((frame: Buffer) => void) | undefined;
  /** The turn in which it was last found to read: more of the same turn is not held against it. */
  private read = 0;

  constructor(
    private readonly ws: WebSocket,
    private readonly socket: Duplex,
    private readonly options: Pick<WebSocketsOptions, 'unsentBytes' | 'onSlow' | 'traffic'>,
  ) {
    if (ws.extensions === '') this.write = (frame) => this.writeFrame(frame);
  }

  get open(): boolean {
    return this.ws.readyState === this.ws.OPEN;
  }

  send(text: string): void {
    if (!this.reads()) return;
    this.count(text.length);
    // Compressing is slower than sending: where much waits for it, what comes behind goes as it is.
    this.ws.send(text, { compress: this.ws.bufferedAmount < this.options.unsentBytes });
  }

  ping(): void {
    if (this.open) this.ws.ping();
  }

  check(alive: () => void): void {
    this.ws.once('pong', alive);
    this.ping();
  }

  /** Asks the peer to close, and destroys the stream where it does not. */
  close(code = 1000): void {
    this.ws.close(code);
    setTimeout(() => this.cut(), CLOSING).unref();
  }

  cut(): void {
    this.ws.terminate();
  }

  private writeFrame(frame: Buffer): void {
    if (!this.reads()) return;
    this.count(frame.length);
    this.socket.write(frame);
  }

  /** What is being compressed is not the peer's to read yet, but is memory too. */
  private get isFull(): boolean {
    const { unsentBytes } = this.options;
    return this.socket.writableLength > unsentBytes || this.ws.bufferedAmount > COMPRESSING * unsentBytes;
  }

  private count(bytes: number): void {
    const { traffic } = this.options;
    traffic.framesOut += 1;
    traffic.bytesOut += bytes;
  }

  /** Whether it is open and its peer reads; one that does not is cut. What is unsent from before counts. */
  private reads(): boolean {
    if (!this.open) return false;
    const turn = thisTurn();
    if (this.read === turn || !this.isFull) {
      this.read = turn;
      return true;
    }
    this.options.onSlow();
    this.cut();
    return false;
  }
}
