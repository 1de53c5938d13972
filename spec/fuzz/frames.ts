/** WebSocket frames, proper ones and others. */
import { constants, deflateRawSync } from 'node:zlib';
import fc, { type Arbitrary } from 'fast-check';
import { batches } from './messages.js';

export interface Frame {
  fin: boolean;
  /** Three bits; 4 says that the payload is compressed. */
  reserved: number;
  opcode: number;
  masked: boolean;
  /** What its header says is the payload's length; undefined: the truth. */
  length: number | undefined;
  /** Whether the length is written in more bytes than it takes. */
  long: boolean;
  payload: Payload;
  /** Bytes of the frame that are sent; then the connection is cut. Undefined: all. */
  cutAt: number | undefined;
}

export type Payload =
  /** Holds placeholders. */
  { text: string; messages: number; compressed: boolean } | { bytes: readonly number[] } | { zeros: number };

const TEXT = 1;
const OPCODES = [0, 1, 2, 3, 7, 8, 9, 10, 11, 15];
const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 2 ** 31, 2 ** 40, 2 ** 53];
/** Bad UTF-8, and the bodies of close frames. */
const BYTES = [
  ...[[], [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82], [0x03, 0xe8]],
  ...[
    [0x03],
    [0x00, 0x00],
    [0x03, 0xed],
    [0xff, 0xff],
    [0x03, 0xe8, 0xff, 0xfe],
    Array.from({ length: 126 }, () => 0x61),
  ],
];

const often = <T>(usual: T, other: Arbitrary<T>): Arbitrary<T> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

export const frames: Arbitrary<Frame> = fc.record({
  fin: often(true, fc.constant(false)),
  reserved: often(0, fc.oneof(fc.nat(7), fc.constant(4))),
  opcode: often(TEXT, fc.constantFrom(...OPCODES)),
  masked: often(true, fc.constant(false)),
  length: often<number | undefined>(undefined, fc.constantFrom(...LENGTHS)),
  long: often(false, fc.constant(true)),
  payload: fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(batches, often(false, fc.constant(true)))
        .map(([batch, compressed]) => ({ ...batch, compressed })),
    },
    { weight: 1, arbitrary: fc.constantFrom(...BYTES).map((bytes) => ({ bytes })) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => ({ bytes: [...bytes] })) },
    { weight: 1, arbitrary: fc.constantFrom(1_000, 60_000, 10_000_000).map((zeros) => ({ zeros })) },
  ),
  cutAt: fc.option(fc.nat(60), { freq: 9, nil: undefined }),
});

/** A frame of a page's text. */
export function textFrames(text: string, fragments: number): Buffer[] {
  const bytes = Buffer.from(text, 'utf8');
  const size = Math.max(1, Math.ceil(bytes.length / fragments));
  return Array.from({ length: fragments }, (_, index) =>
    encode(
      {
        fin: index === fragments - 1,
        reserved: 0,
        opcode: index === 0 ? TEXT : 0,
        masked: true,
        length: undefined,
        long: false,
      },
      bytes.subarray(index * size, (index + 1) * size),
    ),
  );
}

/** The bytes of its payload; `fill` puts in what its placeholders stand for. */
export function bytesOf(payload: Payload, fill: (text: string) => string): Buffer {
  if ('bytes' in payload) return Buffer.from(payload.bytes);
  if ('zeros' in payload) return deflated(Buffer.alloc(payload.zeros));
  const bytes = Buffer.from(fill(payload.text), 'utf8');
  return payload.compressed ? deflated(bytes) : bytes;
}

/** As permessage-deflate has it: flushed, and without the four bytes that end a flush. */
const deflated = (bytes: Buffer): Buffer =>
  deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

const MASK = Buffer.from([1, 2, 3, 4]);

export function encode(
  { fin, reserved, opcode, masked, length, long }: Omit<Frame, 'payload' | 'cutAt'>,
  payload: Buffer,
): Buffer {
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const header = [Buffer.from([first]), lengthBytes(length ?? payload.length, long, masked)];
  if (!masked) return Buffer.concat([...header, payload]);
  return Buffer.concat([...header, MASK, payload.map((byte, index) => byte ^ (MASK[index % 4] ?? 0))]);
}

function lengthBytes(length: number, long: boolean, masked: boolean): Buffer {
  const bit = masked ? 0x80 : 0;
  if (length < 126 && !long) return Buffer.from([bit | length]);
  if (length < 65_536 && !(long && length > 125)) {
    const bytes = Buffer.from([bit | 126, 0, 0]);
    bytes.writeUInt16BE(length, 1);
    return bytes;
  }
  const bytes = Buffer.alloc(9);
  bytes[0] = bit | 127;
  bytes.writeBigUInt64BE(BigInt(length), 1);
  return bytes;
}

/** Reads the frames that a server sends: unmasked ones. */
export class FrameReader {
  private rest: Buffer = Buffer.alloc(0);

  /** What is whole now. `text` where it is a text frame that is not compressed. */
  read(bytes: Buffer): { opcode: number; text: string | undefined }[] {
    this.rest = Buffer.concat([this.rest, bytes]);
    const found: { opcode: number; text: string | undefined }[] = [];
    for (let frame = this.take(); frame; frame = this.take()) found.push(frame);
    return found;
  }

  private take(): { opcode: number; text: string | undefined } | undefined {
    const { rest } = this;
    if (rest.length < 2) return undefined;
    const [first = 0, second = 0] = rest;
    const head = second === 126 ? 4 : second === 127 ? 10 : 2;
    if (rest.length < head) return undefined;
    const length = head === 2 ? second : head === 4 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    if (rest.length < head + length) return undefined;
    this.rest = rest.subarray(head + length);
    const opcode = first & 0x0f;
    const isPlain = opcode === TEXT && (first & 0x70) === 0;
    return { opcode, text: isPlain ? rest.toString('utf8', head, head + length) : undefined };
  }
}
