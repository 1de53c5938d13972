/** What the run and its nodes say to each other. */

/** When a node kills itself, of the batches that it writes as the consumer of the journal. */
export const POINTS = [
  'before the commit',
  'before the acknowledgement',
  'after the acknowledgement',
] as const;
export type Point = (typeof POINTS)[number];

export type ToNode = { dieAt: Point };
export type FromNode = { ready: string };

export interface NodeOptions {
  redis: string;
  /** As `DATABASE_URL` has it. */
  database: string;
}

/** Seconds; short, so that a round is. What leases take is the product's. */
export const TIMINGS = { timeout: 3, ping: 2, grace: 3, gc: 1, leaveDelay: 0.5 };
export const NAMESPACE = 'crash';
/** Milliseconds after which what another consumer has read is taken over. It is short, so that some of those live. */
export const IDLE = 1_500;
