/** Visits by WebSocket: as a page would speak, and with frames that no page could send. */
import { bytesOf, encode, type Frame, FrameReader, textFrames } from './frames.js';
import type { Batch } from './messages.js';
import { RawConnection } from './raw-connection.js';
import { PROPER_UPGRADE, type Upgrade } from './requests.js';
import type { Visitor } from './visitor.js';
import type { Say } from './visits.js';

/** Milliseconds that an answer is waited for where it matters for what follows. */
const PATIENCE = 3_000;
/** Milliseconds for an answer that may not come. */
const GLANCE = 60;

const CLOSE = 8;
const PONG = 10;
const CLOSE_FRAME = { fin: true, reserved: 0, opcode: CLOSE, masked: true, length: undefined, long: false };
const PING_FRAME = { ...CLOSE_FRAME, opcode: 9 };

export async function visitBySocket(visitor: Visitor, says: Say[], farewell: 'close' | 'cut'): Promise<void> {
  const socket = new FuzzSocket(visitor, PROPER_UPGRADE);
  await socket.opened();
  for (const batch of visitor.beginning) await socket.say(batch, 1);
  for (const { batch, fragments, times } of says)
    for (let time = 0; time < times; time += 1) await socket.say(batch, fragments);
  await socket.settled();
  if (farewell === 'close') socket.write(encode(CLOSE_FRAME, Buffer.from([0x03, 0xe8])));
  socket.leave();
}

export async function visitByFrames(visitor: Visitor, upgrade: Upgrade, frames: Frame[]): Promise<void> {
  const socket = new FuzzSocket(visitor, upgrade);
  if (!upgrade.early) await socket.opened();
  if (!upgrade.early && socket.isOpen) for (const batch of visitor.beginning) await socket.say(batch, 1);
  for (const frame of frames) {
    if (frame.payload && 'messages' in frame.payload) visitor.ground.sent.messages += frame.payload.messages;
    const bytes = encode(
      frame,
      bytesOf(frame.payload, (text) => visitor.filled(text)),
    );
    socket.write(bytes.subarray(0, frame.cutAt));
    if (frame.cutAt !== undefined) break;
  }
  await socket.glance();
  socket.leave();
}

class FuzzSocket {
  private readonly connection: RawConnection;
  private readonly reader = new FrameReader();
  private head = '';
  private handshakes = 0;
  private pongs = 0;
  private closing = false;
  private heard = 0;

  constructor(
    private readonly visitor: Visitor,
    { method, target, headers }: Upgrade,
  ) {
    const { ground } = visitor;
    ground.sent.requests += 1;
    this.connection = new RawConnection(ground.port, (bytes) => this.receive(bytes));
    const from = Object.entries(visitor.headers).map(([name, value]) => `${name}: ${value}`);
    this.connection.write(
      `${[`${method} ${target} HTTP/1.1`, 'Host: fuzz', ...headers, ...from].join('\r\n')}\r\n\r\n`,
    );
  }

  get isOpen(): boolean {
    return this.head.startsWith('HTTP/1.1 101') && !this.connection.closed;
  }

  async opened(): Promise<void> {
    await this.connection.until(() => this.head.includes('\r\n\r\n'), PATIENCE);
  }

  /** Waits for the answer to a handshake: what follows may need its clientId. */
  async say(batch: Batch, fragments: number): Promise<void> {
    const text = this.visitor.text(batch);
    const before = this.handshakes;
    for (const frame of textFrames(text, fragments)) this.write(frame);
    if (text.includes('"/meta/handshake"'))
      await this.connection.until(() => this.handshakes > before, GLANCE);
  }

  write(bytes: Buffer): void {
    this.visitor.ground.sent.frames += 1;
    this.connection.write(bytes);
  }

  /** Once the server has read all, and had a moment to answer. */
  async settled(): Promise<void> {
    this.write(encode(PING_FRAME, Buffer.alloc(0)));
    await this.connection.until(() => this.pongs > 0 || this.closing, PATIENCE);
    await this.glance();
  }

  async glance(): Promise<void> {
    const before = this.heard;
    await this.connection.until(() => this.heard > before || this.closing, GLANCE);
  }

  leave(): void {
    this.visitor.ground.oracle.answered(this.head);
    this.connection.cut();
  }

  private receive(bytes: Buffer): void {
    const rest = this.head.includes('\r\n\r\n') ? bytes : this.readHead(bytes);
    if (!this.head.startsWith('HTTP/1.1 101')) return;
    for (const { opcode, text } of this.reader.read(rest)) {
      if (opcode === PONG) this.pongs += 1;
      if (opcode === CLOSE) this.closing = true;
      if (text === undefined) continue;
      this.heard += 1;
      this.handshakes += this.visitor.heard(text);
    }
  }

  private readHead(bytes: Buffer): Buffer {
    const text = this.head + bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    const before = this.head.length;
    this.head = end < 0 ? text : text.slice(0, end + 4);
    return end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 4 - before);
  }
}
