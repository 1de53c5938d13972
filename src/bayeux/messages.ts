/** From text to messages, within the caps. */
import type { Message } from 'faye';
import { adviceFor, bayeuxError } from './errors.js';
import { isRecord } from './is-record.js';

/** What a batch is answered with where none of its messages can be. */
export interface RefusedBatch {
  refused: Refusal[];
}

export interface Batch {
  messages: unknown[];
  /** The answers to those that are too large. */
  tooLarge: Refusal[];
}

type Refusal = Partial<Message> & { successful: false; error: string };

export interface BatchLimits {
  /** Messages in one array. */
  batchLength: number;
  /** Bytes of a message. */
  messageBytes: number;
}

/**
 * So many times `messageBytes` is read of a frame or body, but at most so many bytes more. A message that is too large can then be answered: a client that
 * gets no answer sends it again and again. And several messages may be larger together than each may be alone.
 */
const READ_TIMES = 4;
const READ_MORE = 1_048_576;
/** Characters of an id or a channel that is repeated in an answer. */
const LONGEST_NAME = 255;

/** Bytes of a frame or body that are read. */
export const readableBytes = ({ messageBytes }: Pick<BatchLimits, 'messageBytes'>): number =>
  Math.min(READ_TIMES * messageBytes, messageBytes + READ_MORE);

export function parseBatch(text: string, limits: BatchLimits): Batch | RefusedBatch {
  const { batchLength, messageBytes } = limits;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return refused(bayeuxError('badMessage'));
  }
  const batch: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  if (batch.length > batchLength) return refused(bayeuxError('tooLong', 'messages'));
  if (batch.filter(isConnect).length > 1) return refused(bayeuxError('badMessage'));
  if (Buffer.byteLength(text) <= messageBytes) return { messages: batch, tooLarge: [] };
  const large = batch.filter((message) => bytesOf(message) > messageBytes);
  return {
    messages: batch.filter((message) => !large.includes(message)),
    tooLarge: large.map((message) => refusalOf(message, messageBytes)),
  };
}

/**
 * A batch is answered once all of its messages are: with two connects one answer would carry what waits for two clients,
 * or wait for one of them for ever. No client sends two.
 */
const isConnect = (message: unknown): boolean => isRecord(message) && message.channel === '/meta/connect';

const refused = (error: string): RefusedBatch => ({ refused: [{ successful: false, error }] });

/** Of a message as JSON; infinite where it is nested too deep to be written. */
export function bytesOf(message: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(message));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** With the id and the channel, by which its client knows what was refused. */
function refusalOf(message: unknown, messageBytes: number): Refusal {
  const error = bayeuxError('tooLarge', messageBytes);
  const { id, channel } = isRecord(message) ? message : {};
  const isConnecting = channel === '/meta/connect' || channel === '/meta/handshake';
  const advice = isConnecting ? adviceFor(error) : undefined;
  return {
    ...(isName(id) && { id: id as string }),
    ...(isName(channel) && { channel: channel as string }),
    successful: false,
    error,
    ...(advice && { advice: { ...advice } }),
  };
}

const isName = (value: unknown): boolean =>
  typeof value === 'number' || (typeof value === 'string' && value.length <= LONGEST_NAME);
