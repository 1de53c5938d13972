/**
 * A client of this node, as its record in Redis is made to say. What this node has in memory is the truth.
 *
 * Each change raises the revision, and so does each event that makes the session suspect; a confirmed write makes `confirmed` the revision that it wrote. A session is
 * dirty while the two differ, and until a claim or an end is done. Nothing else says whether it is certain.
 */
import type { Client } from '../engine/client.js';
import type { Identity } from '../presence/identity.js';
import type { Visibility } from '../presence/visibility.js';
import type { SessionState } from './decide.js';
import type { HandOver } from './sessions.js';

/** Another node has claimed the client. */
export interface Notice {
  readonly by: string;
  readonly generation: number;
  /** Milliseconds for which the client had been there when it was claimed. */
  readonly ago: number;
}

/** A client in a channel. */
export interface Stay {
  /** Since when its user is there, microseconds since 1970, 16 digits; empty while that is not known. */
  readonly since: string;
  /** When the client came itself, ms since 1970; null where that is not known. */
  readonly came: number | null;
  /** The epoch of the channel's partition in which it was entered last; empty where that is not known. */
  readonly epoch: string;
  /** False until this node has entered it itself, where the channel is in another partition. */
  readonly isEntered: boolean;
  /** Whether the client is to leave it, in another partition. */
  readonly isLeft: boolean;
}

/** Why this node has nothing to do with a client any more. */
export type Release = 'ended' | 'yielded';

export class Session {
  generation = 1;
  revision = 1;
  confirmed = 0;
  /** The last revision that the record has; what belongs to it in other partitions may be yet to be done. */
  recorded = 0;
  /** The epoch of Redis in which the record was last written; empty if it never was. */
  written = '';
  /** The last revision in which the session became suspect. */
  suspectedAt = 0;
  /** The last sign of life of the node that died with the client, ms since 1970. */
  lostAt: number | undefined;
  /** What is being done for it: one step at a time. */
  step: Promise<void> | undefined;
  /** Came while this node was acquiring the client. */
  notice: Notice | undefined;
  /** What the owner before has sent. The session does not wait for it any more. */
  handOver: HandOver | undefined;
  /** Called as that comes. */
  onHandOver = (): void => {};
  released: Release | undefined;

  /** Null until somebody has proven to be the client. */
  identity: Identity | null = null;
  /** The one that its channels know. */
  enteredAs: Identity | null = null;
  /** Where it is to be. */
  channels: readonly string[] = [];
  /** Where it is, as far as its record says. */
  stays: ReadonlyMap<string, Stay> = new Map();
  /** Channels of other partitions that it has left, until the record says so. */
  left: readonly string[] = [];
  /** Null where the client has said nothing; `since` is 0 until Redis has said since when it is so. */
  visibility: Visibility | null = null;
  private waiting: { revision: number; resolve(isConfirmed: boolean): void }[] = [];

  constructor(
    readonly id: string,
    public state: SessionState,
    /** Undefined where it is acquired only to be ended, and from its end on. */
    public client: Client | undefined,
  ) {}

  get isReleased(): boolean {
    return this.released !== undefined;
  }

  get isDirty(): boolean {
    return !this.isReleased && (this.revision !== this.confirmed || this.state !== 'owned');
  }

  /** Whether its memberships may be missing in Redis although its record says that it has them. */
  get isSuspect(): boolean {
    return this.suspectedAt > this.confirmed;
  }

  /** Whether the client is in exactly these channels, by the proof that it has now. */
  isIn(channels: readonly string[]): boolean {
    const { stays, identity, enteredAs } = this;
    if (this.state !== 'owned' || identity !== enteredAs || this.channels.length !== channels.length)
      return false;
    return channels.every(
      (channel) => this.channels.includes(channel) && stays.get(channel)?.isLeft === false,
    );
  }

  mark(): void {
    this.revision += 1;
  }

  suspect(): void {
    this.mark();
    this.suspectedAt = this.revision;
  }

  /** All is done that belongs to that revision. */
  confirm(revision: number): void {
    this.confirmed = revision;
    this.record(revision);
  }

  /** The record says what this session was at that revision. */
  record(revision: number): void {
    this.recorded = revision;
    const recorded = this.waiting.filter((each) => each.revision <= revision);
    this.waiting = this.waiting.filter((each) => each.revision > revision);
    for (const { resolve } of recorded) resolve(true);
  }

  /** Resolves with true once the record says what this session is now; with false once it never will. */
  whenRecorded(): Promise<boolean> {
    if (this.isReleased) return Promise.resolve(false);
    const { revision } = this;
    if (revision === this.recorded) return Promise.resolve(true);
    return new Promise((resolve) => this.waiting.push({ revision, resolve }));
  }

  /** This node has nothing to do with the client any more. */
  release(why: Release): void {
    this.released = why;
    for (const { resolve } of this.waiting.splice(0)) resolve(false);
  }
}
