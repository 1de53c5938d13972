/**
 * Reads WebSocket frames of a server (RFC 6455, 5.2) as cheaply as can be: payloads are handed on in the parts in which
 * they come, in a buffer that is used again for the next read.
 */

export interface FrameListener {
  /** A part of a text or compressed frame's payload: `buffer` from `start` to `end`. */
  part(buffer: Buffer, start: number, end: number, isLast: boolean, isCompressed: boolean): void;
  /** A whole ping or close. */
  control(opcode: number): void;
}

export const CLOSE = 8;
export const PING = 9;

const SHORT = 126;
const LONG = 127;

export class Frames {
  private readonly head = new Uint8Array(10);
  private headLength = 0;
  /** Bytes of the payload that are still to come. */
  private missing = 0;
  private inPayload = false;

  constructor(private readonly listener: FrameListener) {}

  feed(buffer: Buffer, from: number, end: number): void {
    let at = from;
    while (at < end) {
      if (!this.inPayload) at = this.readHead(buffer, at, end);
      if (this.inPayload) at = this.readPayload(buffer, at, end);
    }
  }

  private readHead(buffer: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end) {
      this.head[this.headLength++] = buffer[at++] ?? 0;
      if (this.headLength === this.headSize()) {
        this.missing = this.payloadLength();
        this.inPayload = true;
        this.headLength = 0;
        break;
      }
    }
    return at;
  }

  private readPayload(buffer: Buffer, start: number, available: number): number {
    const end = Math.min(available, start + this.missing);
    this.missing -= end - start;
    const isLast = this.missing === 0;
    const first = this.head[0] ?? 0;
    const opcode = first & 0x0f;
    if (opcode < CLOSE) this.listener.part(buffer, start, end, isLast, (first & 0x40) !== 0);
    else if (isLast) this.listener.control(opcode);
    if (isLast) this.inPayload = false;
    return end;
  }

  private headSize(): number {
    if (this.headLength < 2) return 2;
    const length = this.head[1] ?? 0;
    return length === LONG ? 10 : length === SHORT ? 4 : 2;
  }

  private payloadLength(): number {
    const [, length = 0] = this.head;
    const view = new DataView(this.head.buffer);
    if (length === LONG) return Number(view.getBigUint64(2));
    return length === SHORT ? view.getUint16(2) : length;
  }
}

/** A client's text frame. It is masked with zeros, so that masking costs the load nothing. */
export function maskedFrame(text: string, opcode = 1): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  if (length > 0xffff) throw new Error(`Expected a message of at most 65535 bytes, got ${length}`);
  const head = length < SHORT ? Buffer.from([0, 0x80 | length]) : Buffer.from([0, 0x80 | SHORT, 0, 0]);
  head[0] = 0x80 | opcode;
  if (length >= SHORT) head.writeUInt16BE(length, 2);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}
