import { once } from 'node:events';
import type { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ws from 'ws';
import { textFrame } from '../../src/engine/frame.js';

/** Its types leave it out. */
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };

/** What ws, the library, reads of bytes that come in these pieces. */
async function read(bytes: Buffer, piece: number): Promise<string[]> {
  const receiver = new Receiver({ isServer: false });
  const texts: string[] = [];
  receiver.on('message', (data: Buffer, isBinary: boolean) => texts.push(isBinary ? 'binary' : String(data)));
  const finished = once(receiver, 'finish');
  for (let at = 0; at < bytes.length; at += piece) receiver.write(bytes.subarray(at, at + piece));
  receiver.end();
  await finished;
  return texts;
}

/** A text of so many bytes, with characters of 1 to 4. */
function textOf(bytes: number): string {
  const odd = ['ß', '€', '👋'].reduce((text, character) => {
    const longer = text + character;
    return Buffer.byteLength(longer) <= bytes ? longer : text;
  }, '');
  return odd + 'x'.repeat(bytes - Buffer.byteLength(odd));
}

describe('textFrame', () => {
  it.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])('of %i bytes is what ws reads', async (bytes) => {
    const text = textOf(bytes);
    expect(Buffer.byteLength(text)).toBe(bytes);
    expect(await read(textFrame(text), 16_384)).toEqual([text]);
  });

  it.each([
    [0, 2],
    [125, 2],
    [126, 4],
    [65_535, 4],
    [65_536, 10],
  ])('of %i bytes has the shortest header there is, of %i', (bytes, header) => {
    expect(textFrame(textOf(bytes))).toHaveLength(header + bytes);
  });

  it('is what ws reads of any texts, one after the other, in any pieces', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.integer({ min: 120, max: 130 }).map(textOf),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { maxLength: 5 }),
        fc.integer({ min: 1, max: 64 }),
        async (texts, piece) => {
          expect(await read(Buffer.concat(texts.map(textFrame)), piece)).toEqual(texts);
        },
      ),
      { numRuns: 60 },
    );
  });
});
