/** A session as its node knows it. */
import type { Channel } from '../layout.js';

/** `claiming`: a claim was sent and its outcome is not known yet. */
export type SessionState = 'owned' | 'claiming' | 'ending';

export class Session {
  generation = 1;
  revision = 0;
  /** The channels that the client is to be in. */
  desired: Channel[] = [];
  /** What is to be desired once the claim is answered. */
  wanted: Channel[] = [];
  /** The node claims the session to end it. */
  isClaimedToEnd = false;
  /** All channels that may have to be left. */
  readonly known = new Set<Channel>();
  /** The epoch in which the record was last written, or ''. */
  written = '';
  /** The newest generation of which a notice came during the claim. */
  noticed = 0;
  /** The step or the claim that is under way. */
  busy: Promise<unknown> | undefined;
  /** The node has dropped the session. */
  isDropped = false;
  /** Counts changes, and how often the session became suspect. */
  changes = 1;
  /** The count that the last completed step began with. */
  confirmed = 0;

  constructor(
    readonly id: string,
    public state: SessionState,
    public lastRequest: number,
  ) {}

  get isDirty(): boolean {
    return this.changes !== this.confirmed;
  }

  /** Takes over what a claim has answered. */
  own(state: 'owned' | 'ending', generation: number, epoch: string): void {
    this.state = state;
    this.generation = generation;
    this.revision = 1;
    this.written = epoch;
  }

  know(channels: readonly Channel[]): void {
    for (const channel of channels) this.known.add(channel);
  }
}
