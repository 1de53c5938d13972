/** What the fuzz and the process of its server say to each other. */

export type Profile =
  /** Rates so high that no limit hides anything; compression and JSON-P on. */
  | 'open'
  /** The same with Faye's own engine, which a server has that its app made. */
  | 'faye-memory'
  /** What an operator gets who configures a secret. */
  | 'default';

export const PROFILES: readonly Profile[] = ['open', 'faye-memory', 'default'];

/** Throws a TypeError for a name that is none. */
export function profileOf(name: string | undefined): Profile {
  const profile = PROFILES.find((each) => each === name);
  if (!profile) throw new TypeError(`Expected a profile, one of ${PROFILES.join(', ')}, got ${name}`);
  return profile;
}

/** By the server, unasked. */
export type Report =
  /** `at` in milliseconds. */
  | { report: 'joined'; channel: string; uid: unknown; uname: unknown; at: number }
  | { report: 'fault'; what: string; detail: string };

export type Question =
  | { ask: 'ready' }
  /** Answered after all that was reported before. */
  | { ask: 'flush' }
  | { ask: 'held' }
  | { ask: 'measure' }
  | { ask: 'lists'; channels: string[] }
  | { ask: 'stop' };

export interface Answers {
  ready: { port: number };
  flush: null;
  held: Measure['held'];
  measure: Measure;
  lists: unknown[][];
  stop: null;
}

export interface Measure {
  /** Bytes, after garbage collection. */
  heapUsed: number;
  rss: number;
  /** What is held for clients: zero where there are none. */
  held: Record<string, number>;
  /** Entries of all Maps and Sets of the process, and objects of some kinds. */
  totals: Record<string, number>;
  /** The largest Maps and Sets, each with a key. */
  largest: string[];
  /** What was refused, by the server's own count. */
  counters: Record<string, number>;
}

export type ToServer = Question & { id: number };
export type FromServer = Report | { id: number; answer: unknown };
