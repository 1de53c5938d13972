/** From text to messages, within the caps. */
import { bayeuxError } from './errors.js';
import { isRecord } from './is-record.js';

/** What a batch is answered with where none of its messages can be. */
export interface RefusedBatch {
  refused: { successful: false; error: string }[];
}

export interface BatchLimits {
  /** Messages in one array. */
  batchLength: number;
}

export function parseBatch(text: string, { batchLength }: BatchLimits): unknown[] | RefusedBatch {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return refused(bayeuxError('badMessage'));
  }
  const batch: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  if (batch.length > batchLength) return refused(bayeuxError('tooLong', 'messages'));
  return batch.filter(isConnect).length > 1 ? refused(bayeuxError('badMessage')) : batch;
}

/**
 * A batch is answered once all of its messages are: with two connects one answer would carry what waits for two clients,
 * or wait for one of them for ever. No client sends two.
 */
const isConnect = (message: unknown): boolean => isRecord(message) && message.channel === '/meta/connect';

const refused = (error: string): RefusedBatch => ({ refused: [{ successful: false, error }] });
