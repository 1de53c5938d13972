/**
 * A client of this node, as its record in Redis is made to say. What this node has in memory is the truth.
 *
 * Each change and each doubt raises the revision; a confirmed write makes `confirmed` the revision that it wrote. A session is
 * dirty while the two differ, and until a claim or an end is done. Nothing else says whether it is certain.
 */
import type { Client } from '../engine/client.js';
import type { SessionState } from './decide.js';
import type { HandOver } from './sessions.js';

/** Another node has claimed the client. */
export interface Notice {
  readonly by: string;
  readonly generation: number;
  /** Milliseconds for which the client had been there when it was claimed. */
  readonly ago: number;
}

export class Session {
  generation = 1;
  revision = 1;
  confirmed = 0;
  /** The epoch of Redis in which the record was last written; empty if it never was. */
  written = '';
  /** The last sign of life of the node that died with the client, ms since 1970. */
  lostAt: number | undefined;
  /** What is being done for it: one step at a time. */
  step: Promise<void> | undefined;
  /** Came while this node was acquiring the client. */
  notice: Notice | undefined;
  /** What the owner before has sent, for whom there is no need to wait any more. */
  handOver: HandOver | undefined;
  /** Called as that comes. */
  onHandOver = (): void => {};
  isReleased = false;
  private waiting: { revision: number; resolve(isConfirmed: boolean): void }[] = [];

  constructor(
    readonly id: string,
    public state: SessionState,
    /** Undefined where it is acquired only to be ended, and from its end on. */
    public client: Client | undefined,
  ) {}

  get isDirty(): boolean {
    return !this.isReleased && (this.revision !== this.confirmed || this.state !== 'owned');
  }

  mark(): void {
    this.revision += 1;
  }

  /** The record says what this session was at that revision. */
  confirm(revision: number): void {
    this.confirmed = revision;
    const confirmed = this.waiting.filter((each) => each.revision <= revision);
    this.waiting = this.waiting.filter((each) => each.revision > revision);
    for (const { resolve } of confirmed) resolve(true);
  }

  /** Resolves with true once the record says what this session is now; with false once it never will. */
  whenConfirmed(): Promise<boolean> {
    if (this.isReleased) return Promise.resolve(false);
    const { revision } = this;
    if (revision === this.confirmed) return Promise.resolve(true);
    return new Promise((resolve) => this.waiting.push({ revision, resolve }));
  }

  /** This node has nothing to do with the client any more. */
  release(): void {
    this.isReleased = true;
    for (const { resolve } of this.waiting.splice(0)) resolve(false);
  }
}
