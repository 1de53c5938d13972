/** The timings of the protocol, in milliseconds. */

/** How often a node renews its lease. */
export const RENEW = 1_000;
/** How long a node waits for the answer to a renewal. */
export const RENEW_TIMEOUT = 1_500;
export const LEASE = 5_000;
/** How long the sessions of a dead node wait for a claim before another node buries them. */
export const ADOPTION_GRACE = 5_000;
/** How long a new epoch waits for nodes to write their sessions again. */
export const SETTLING = 5_000;
/** How long a node waits for the answer to any other script. */
export const COMMAND_TIMEOUT = 5_000;
/** The longest time between the two writes of one step. */
export const STEP_MAX = 5_000;
/** A node reports dead nodes only after it has renewed for this long without a failure. */
export const STABLE = 4_000;
/** A session without a request for this long is ended. */
export const SILENCE = 6_000;
/** After settling, how long a node waits before its audit. */
export const AUDIT_DELAY = 300;
/** How often a node looks for silent and for unconfirmed sessions. */
export const TICK = 250;
/** How long a step waits after a script has refused it for now. */
export const REFUSED_PAUSE = 200;

/** The faults and the actions of clients occur before this time. */
export const FAULTS_UNTIL = 25_000;
/** From this time on no command is late and no answer is lost. */
export const HEALED_AT = FAULTS_UNTIL + 9_000;
/** The end of a round, when the oracle judges it. */
export const ROUND_END = FAULTS_UNTIL + 50_000;
