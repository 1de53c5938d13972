import type { Stream } from '../bayeux/streams.js';
import type { DeliveredLists } from './delivered-lists.js';
import type { Recipient } from './turn.js';
import type { Waiting } from './waiting.js';

/** A client of this node. */
export interface Client extends Recipient {
  readonly id: string;
  /** False while this node is acquiring it from another. */
  isOwned: boolean;
  readonly channels: Set<string>;
  /** Its WebSocket or EventSource, while it has one. */
  stream: Stream | null;
  /** What waits for its next poll; null where nothing does. */
  waiting: Waiting | null;
  /** What its polls were answered with; null where none was by a list. */
  delivered: DeliveredLists | null;
  /** Lists that waited for it, and were withdrawn as this node became deaf: it gets them anew. */
  withdrawn: Set<string> | null;
  /** When it came from another node, ms of `performance.now`; 0 for one that was made here. */
  cameAt: number;
  /** When it is over, ms: a while after its stream has closed, or when it has been silent for too long. */
  deadline: number;
  /** When it is over for its silence, ms; a word from it puts it off, a new stream does not. */
  silentUntil: number;
  /** Where `Deadlines` keeps it. */
  bucket: number;
}

/** Milliseconds in which a client must say something. */
export const leftOf = ({ silentUntil }: Client): number => silentUntil - performance.now();
