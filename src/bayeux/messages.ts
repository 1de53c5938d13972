/** From text to messages, within the caps. */
import { bayeuxError } from './errors.js';

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
  return batch.length > batchLength ? refused(bayeuxError('tooLong', 'messages')) : batch;
}

const refused = (error: string): RefusedBatch => ({ refused: [{ successful: false, error }] });
