/** What the run and its nodes say to each other over IPC. */
export type Question =
  | { ask: 'lists'; channels: readonly string[] }
  | { ask: 'held' }
  /** An orderly stop, after which the process ends. */
  | { ask: 'stop' };

export interface Answers {
  /** The uids of each channel, in the order asked. */
  lists: string[][];
  held: Record<string, number>;
  stop: null;
}

export type ToNode = Question & { id: number };

export type FromNode = { ready: string } | { id: number; answer?: unknown; error?: string };

/** A URL; or of each master of a Cluster its port, and the port by which the node reaches it. */
export type RedisOptions = string | { port: number; way: number }[];

export interface NodeOptions {
  redis: RedisOptions;
  engine?: 'faye-online' | 'faye-redis';
  /** Whether its log tells each step. */
  traced?: boolean;
}

/** Seconds; short, so that a round is. What leases take is the product's. */
export const TIMINGS = { timeout: 3, ping: 2, grace: 3, gc: 1, leaveDelay: 0.5 };
export const NAMESPACE = 'chaos';
/** With Redis Cluster: more than there are masters. */
export const PARTITIONS = 5;
