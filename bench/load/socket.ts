/** A WebSocket on a bare TCP connection. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { inflateRawSync, constants as zlib } from 'node:zlib';
import { MARK_BYTE } from '../wire.js';
import { CLOSE, type FrameListener, Frames, maskedFrame, PING } from './frames.js';

/** All sockets read into this one; the byte after it ends a search. */
const SHARED = Buffer.allocUnsafe(256 * 1024 + 1);
const READABLE = SHARED.subarray(0, SHARED.length - 1);

const EMPTY_BLOCK = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const PONG = maskedFrame('', 10);
const DEFLATE = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';

export interface Address {
  port: number;
  path: string;
  /** Asks for permessage-deflate. */
  compression?: boolean;
}

type OnText = (text: string, socket: WebSocketClient) => void;

export class WebSocketClient implements FrameListener {
  /** Called with the text of each message, unless it is counted instead. The first may come with the upgrade. */
  onText: (text: string) => void;
  /** Called for each read in which `count` marks came; counts instead of making texts. */
  onCount: ((count: number) => void) | null = null;
  bytes = 0;
  private readonly tcp: Socket;
  private readonly frames = new Frames(this);
  private head: string | null = '';
  private parts: Buffer[] = [];
  private marks = 0;
  private marksInFrame = 0;
  private closing = false;
  private upgraded: () => void = () => {};
  private failed: (error: Error) => void = (error) => {
    throw error;
  };

  private constructor({ port, path, compression }: Address, onText: OnText) {
    this.onText = (text) => onText(text, this);
    const onread = { buffer: READABLE, callback: (length: number) => this.read(length) };
    this.tcp = connect({ port, host: '127.0.0.1', noDelay: true, onread });
    this.tcp.on('error', (error) => this.end(error));
    this.tcp.on('close', () => this.end(new Error('Expected a WebSocket to stay open, it was closed')));
    const extension = compression ? `Sec-WebSocket-Extensions: ${DEFLATE}\r\n` : '';
    this.tcp.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n${extension}\r\n`,
    );
  }

  static async open(address: Address, onText: OnText = () => {}): Promise<WebSocketClient> {
    const socket = new WebSocketClient(address, onText);
    await new Promise<void>((resolve, reject) => {
      socket.upgraded = resolve;
      socket.failed = reject;
    });
    socket.failed = (error) => {
      throw error;
    };
    return socket;
  }

  send(text: string): void {
    this.write(maskedFrame(text));
  }

  write(frames: Buffer): void {
    this.tcp.write(frames);
  }

  /** The server is about to close it. */
  expectClose(): void {
    this.closing = true;
  }

  async close(): Promise<void> {
    this.closing = true;
    if (this.tcp.closed) return;
    const closed = once(this.tcp, 'close');
    this.tcp.destroy();
    await closed;
  }

  part(buffer: Buffer, start: number, end: number, isLast: boolean, isCompressed: boolean): void {
    if (isCompressed) this.compressed(buffer, start, end, isLast);
    else if (this.onCount) this.counted(buffer, start, end, isLast);
    else this.text(buffer, start, end, isLast);
  }

  control(opcode: number): void {
    if (opcode === PING) this.tcp.write(PONG);
    else if (opcode === CLOSE) this.end(new Error('Expected a WebSocket to stay open, it got a close frame'));
  }

  private read(length: number): boolean {
    this.bytes += length;
    // What is searched for ends the search at the latest here: no stale byte beyond is looked at.
    SHARED[length] = MARK_BYTE;
    const start = this.head === null ? 0 : this.readHead(length);
    this.frames.feed(SHARED, start, length);
    if (this.marks > 0) {
      const { marks } = this;
      this.marks = 0;
      this.onCount?.(marks);
    }
    return true;
  }

  /** Where the frames begin. */
  private readHead(length: number): number {
    const before = this.head?.length ?? 0;
    this.head += SHARED.toString('latin1', 0, length);
    const end = this.head?.indexOf('\r\n\r\n') ?? -1;
    if (end === -1) return length;
    if (this.head?.startsWith('HTTP/1.1 101')) this.upgraded();
    else this.end(new Error(`Expected a WebSocket, got ${this.head}`));
    this.head = null;
    return end + 4 - before;
  }

  private text(buffer: Buffer, start: number, end: number, isLast: boolean): void {
    if (isLast && this.parts.length === 0) {
      this.onText(buffer.toString('utf8', start, end));
      return;
    }
    this.parts.push(Buffer.from(buffer.subarray(start, end)));
    if (isLast) this.onText(this.whole().toString());
  }

  /** A frame without a mark is an answer of the protocol's, and is handed on as a text. */
  private counted(buffer: Buffer, start: number, end: number, isLast: boolean): void {
    let marks = 0;
    for (let at = buffer.indexOf(MARK_BYTE, start); at !== -1 && at < end; ) {
      marks += 1;
      at = buffer.indexOf(MARK_BYTE, at + 1);
    }
    this.marks += marks;
    this.marksInFrame += marks;
    if (this.marksInFrame === 0) this.text(buffer, start, end, isLast);
    else this.parts.length = 0;
    if (isLast) this.marksInFrame = 0;
  }

  private compressed(buffer: Buffer, start: number, end: number, isLast: boolean): void {
    this.parts.push(Buffer.from(buffer.subarray(start, end)));
    if (!isLast) return;
    this.parts.push(EMPTY_BLOCK);
    const inflated = inflateRawSync(this.whole(), { finishFlush: zlib.Z_SYNC_FLUSH });
    this.part(inflated, 0, inflated.length, true, false);
  }

  private whole(): Buffer {
    const whole = Buffer.concat(this.parts);
    this.parts = [];
    return whole;
  }

  private end(error: Error): void {
    if (this.closing) return;
    this.closing = true;
    this.tcp.destroy();
    this.failed(error);
  }
}
