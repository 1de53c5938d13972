/**
 * Every interval that another one depends on, in milliseconds, and what must hold between them. A change that breaks one of
 * these fails when the module is loaded.
 */

/** Between two renewals of a node's lease, each of which also looks in which epoch Redis is. */
export const RENEW_MS = 1_000;
/** In which a renewal must be answered. */
export const RENEW_TIMEOUT_MS = 1_500;
/** For which a lease holds after its last renewal. */
export const LEASE_MS = 5_000;
/** Which clients of a dead node have to go to another node, from the end of its lease. */
export const ADOPTION_GRACE_MS = 5_000;
/** In which nothing is announced in a new epoch, while the nodes write down their clients again. */
export const SETTLING_MS = 5_000;
/** For which a node must have renewed its lease without a failure before it judges others: they may come back later than it. */
export const STABLE_MS = 4_000;
/** In which any other command must be answered. */
export const COMMAND_TIMEOUT_MS = 5_000;
/** Between two attempts to connect to Redis, at most. */
export const RECONNECT_MAX_MS = 500;
/** Between two pings of a connection, and after which one that does not answer is made anew. */
export const PING_MS = 1_000;
export const HANG_MS = 4_000;
/** In which the node that had a client hands it over. */
export const HANDOVER_MS = 2_500;
/** From when Redis is back until a node sends what waited: the others listen again by then. */
export const FLUSH_DELAY_MS = 1_500;
/** In which a client whose stream has closed may come back: the default of the option `grace`. */
export const RECONNECT_GRACE_MS = 8_000;
/** In which the memberships of a write follow in other partitions (Redis Cluster); else the write is repeated first. */
export const STEP_MAX_MS = 5_000;
/** For which a channel knows who has left it, where the client's record is in another partition. */
export const TOMBSTONE_MS = 20_000;

const MUST_HOLD: readonly (readonly [rule: string, holds: boolean])[] = [
  ['a lease outlives one renewal that fails', LEASE_MS >= 2 * RENEW_MS + RENEW_TIMEOUT_MS],
  [
    'a client of a killed node has as long to come back as one whose stream has closed',
    LEASE_MS + ADOPTION_GRACE_MS - RENEW_MS >= RECONNECT_GRACE_MS,
  ],
  ['clients of a killed node are gone within 10 s', LEASE_MS + ADOPTION_GRACE_MS <= 10_000],
  [
    'a connection that hangs is made anew before the clients of its node are ended',
    RENEW_MS + HANG_MS + RECONNECT_MAX_MS < LEASE_MS + ADOPTION_GRACE_MS,
  ],
  [
    'a node judges others only when they have had the time to come back, too',
    STABLE_MS > RECONNECT_MAX_MS + RENEW_MS + RENEW_TIMEOUT_MS,
  ],
  [
    'a client is handed over before it could be ended with its old node',
    HANDOVER_MS + COMMAND_TIMEOUT_MS < ADOPTION_GRACE_MS + LEASE_MS,
  ],
  [
    'a channel knows who has left it until no older step can land any more',
    TOMBSTONE_MS >= STEP_MAX_MS + COMMAND_TIMEOUT_MS + RENEW_TIMEOUT_MS + LEASE_MS + 2_000,
  ],
  ['the others listen again before what waited is sent', FLUSH_DELAY_MS >= RECONNECT_MAX_MS + 1_000],
];

for (const [rule, holds] of MUST_HOLD) if (!holds) throw new Error(`src/timings.ts: expected that ${rule}`);
