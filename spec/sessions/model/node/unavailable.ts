/** A step cannot go on: Redis did not answer, refused it for now, or must not be asked. */
export type Reason = 'away' | 'unknown' | 'no lease' | 'fenced' | 'later' | 'stalled' | 'busy';

export class UnavailableError extends Error {
  constructor(readonly reason: Reason) {
    super(reason);
  }
}
