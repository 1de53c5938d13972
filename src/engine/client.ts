import type { Stream } from '../bayeux/streams.js';
import type { Step } from './turn.js';
import type { Waiting } from './waiting.js';

/** A client of this node. */
export interface Client {
  readonly id: string;
  /** Whether it is this node's. One that is arriving from another, or whose lease was over, is not, or not yet. */
  state: 'here' | 'arriving' | 'returning';
  /** How often it has changed its node. */
  generation: number;
  readonly channels: Set<string>;
  /** Its WebSocket or EventSource, while it has one. */
  stream: Stream | null;
  /** What it gets at the end of this turn. */
  step: Step | null;
  /** What waits for its next poll; null where nothing does. */
  waiting: Waiting | null;
  /** When it is over, ms; a word from it puts it off. */
  deadline: number;
  /** Where `Deadlines` keeps it. */
  bucket: number;
}
