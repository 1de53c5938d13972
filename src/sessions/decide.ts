/** What a node does with a session whose write was refused, or whose claim has an unknown outcome: a pure function. */

/** `acquiring`: this node has tried to claim the client, and doesn't know whether it succeeded. */
export type SessionState = 'acquiring' | 'owned' | 'ending';

export interface Local {
  readonly state: SessionState;
  /** While it is acquired, the one that was seen before the claim. */
  readonly generation: number;
}

/** What Redis says of the client. */
export type Recorded =
  /** The client has ended: its record is missing although it was written in this epoch. */
  | { readonly is: 'absent' }
  /** It is not known yet, in a new epoch. */
  | { readonly is: 'later' }
  | {
      readonly is: 'present';
      readonly isOurs: boolean;
      readonly generation: number;
      readonly isEnding: boolean;
      /** Whether it was last written in an earlier epoch. */
      readonly isOutdated: boolean;
      /** Whether no other node may still write it again, in a new epoch. */
      readonly isSettled: boolean;
    };

export type Action =
  /** Write again, in a revision above the recorded one. */
  | 'write'
  /** Write again, in the recorded generation: an earlier claim of this node had succeeded. */
  | 'take over'
  /** The claim has succeeded. */
  | 'own'
  /** Claim what this node has left behind, and end it. */
  | 'end'
  /** Another node has the client: release it. */
  | 'yield'
  /** The client has ended: release it. One that lives has to shake hands again. */
  | 'expire'
  /** Ask again. */
  | 'retry';

/**
 * @example decide({ state: 'owned', generation: 2 }, { is: 'absent' }) // 'expire'
 */
export function decide(local: Local, recorded: Recorded): Action {
  if (recorded.is === 'later') return 'retry';
  if (recorded.is === 'absent') return 'expire';
  if (local.state === 'acquiring') return decideAcquiring(local, recorded);
  if (recorded.isOurs) return recorded.generation > local.generation ? 'take over' : 'write';
  if (recorded.isEnding) return local.state === 'ending' ? 'yield' : 'expire';
  return recorded.generation >= local.generation ? 'yield' : 'write';
}

/** A later generation than the one that was seen before the claim is that of the claim. */
function decideAcquiring(local: Local, recorded: Recorded & { is: 'present' }): Action {
  const { isOurs, isEnding, isOutdated, isSettled, generation } = recorded;
  if (!isOurs) return isEnding ? 'expire' : 'yield';
  if (!isEnding && (!isOutdated || generation > local.generation)) return 'own';
  return isSettled ? 'end' : 'retry';
}
