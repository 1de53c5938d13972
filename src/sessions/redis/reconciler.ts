/**
 * Makes Redis say of each session what this node has in memory: the one loop of sessions. Whatever may go wrong does one thing,
 * it marks sessions; a session that is dirty is written, and what its record says decides how it goes on (`decide`).
 *
 * Invariants:
 * - One step of a session runs at a time, and only where the lease of its partition holds in its term.
 * - A step that fails leaves its session dirty. All dirty sessions of a partition run after each renewal of its lease.
 * - A step is confirmed once all of it is done: the record, and the memberships in other partitions (Redis Cluster), which are named
 *   in the record before they are entered and until they are left.
 * - A client whose record another node has claimed, or ended, is released, and nothing is written for it.
 */
import { UnavailableError } from '../../errors.js';
import { allSettled } from '../../presence/all-settled.js';
import { type Identity, publicUser, type User } from '../../presence/identity.js';
import { STEP_MAX_MS } from '../../timings.js';
import { decide, type Recorded } from '../decide.js';
import type { Release, Session, Stay } from '../session.js';
import type { SessionHost } from '../sessions.js';
import type { Lease } from './lease.js';
import type { Leases } from './leases.js';
import type { Change, SessionRecords } from './session-records.js';

export interface ReconcilerOptions {
  host(): SessionHost;
  records: SessionRecords;
  leases: Leases;
  /** Finds out what came of a claim. */
  resolve(session: Session): Promise<void>;
  /** What entering or leaving a channel did, for that user. */
  changed(user: User, change: Change): void;
  /** Another node has the client, in that generation. */
  yieldTo(session: Session, owner: string, generation: number): void;
}

/** Sessions that are written in one go after a renewal. */
const BATCH = 200;

export class Reconciler {
  /** By partition and clientId. */
  private readonly sessions = new Map<Lease, Map<string, Session>>();
  /** Those that are dirty. */
  private readonly dirty = new Set<Session>();
  private readonly running = new Set<Lease>();

  constructor(private readonly options: ReconcilerOptions) {}

  get(clientId: string): Session | undefined {
    return this.sessionsOf(clientId).get(clientId);
  }

  /** How many sessions this node has in a partition; undefined while it is not certain. */
  certainSize(lease: Lease): number | undefined {
    for (const { id } of this.dirty) if (this.options.leases.of(id) === lease) return undefined;
    return this.sessions.get(lease)?.size ?? 0;
  }

  add(session: Session): Session {
    this.sessionsOf(session.id).set(session.id, session);
    this.dirty.add(session);
    return session;
  }

  /** This node has nothing to do with the client any more. */
  release(session: Session, why: Release): void {
    session.release(why);
    this.dirty.delete(session);
    const sessions = this.sessionsOf(session.id);
    if (sessions.get(session.id) === session) sessions.delete(session.id);
  }

  /** The session has changed, or is suspect. Its step runs after the next renewal at the latest. */
  mark(session: Session): void {
    session.mark();
    this.dirty.add(session);
  }

  /** Marks all sessions with a record or a membership in that partition as suspect: Redis may have lost them. */
  suspectAll(lease: Lease): void {
    const { leases } = this.options;
    for (const session of this.all()) {
      const isIts = [session.id, ...session.channels].some((name) => leases.of(name) === lease);
      if (!isIts) continue;
      session.suspect();
      this.dirty.add(session);
    }
  }

  *all(): Iterable<Session> {
    for (const sessions of this.sessions.values()) yield* sessions.values();
  }

  /** Runs the session until it is clean. Rejects where something is left to do. */
  async runNow(session: Session): Promise<void> {
    await this.options.leases.renewed(this.options.leases.of(session.id));
    await this.run(session);
  }

  run(session: Session): Promise<void> {
    return session.step ?? this.begin(session, () => this.settle(session));
  }

  /** Runs a step of the session, and then whatever is left to do. */
  begin(session: Session, work: () => Promise<void>): Promise<void> {
    const step = work().finally(() => {
      session.step = undefined;
      if (!session.isDirty) this.dirty.delete(session);
    });
    session.step = step;
    step.catch(noop);
    return step;
  }

  /** Runs what is dirty in a partition; what fails stays so. */
  async runAll(lease: Lease): Promise<void> {
    if (this.running.has(lease)) return;
    this.running.add(lease);
    const all = [...this.dirty].filter(({ id, step }) => !step && this.options.leases.of(id) === lease);
    // While a new epoch settles, ends are refused: they are not to delay what is to be written in that time.
    const dirty = [...all].sort(
      (one, other) => Number(one.state === 'ending') - Number(other.state === 'ending'),
    );
    for (let next = 0; next < dirty.length && lease.holds; next += BATCH) {
      await Promise.allSettled(dirty.slice(next, next + BATCH).map((session) => this.run(session)));
    }
    this.running.delete(lease);
  }

  private sessionsOf(clientId: string): Map<string, Session> {
    const lease = this.options.leases.of(clientId);
    const sessions = this.sessions.get(lease) ?? new Map<string, Session>();
    this.sessions.set(lease, sessions);
    return sessions;
  }

  private async settle(session: Session): Promise<void> {
    while (session.isDirty) {
      if (!this.options.leases.of(session.id).holds) throw new UnavailableError('the lease of this node');
      if (session.state === 'acquiring') await this.options.resolve(session);
      else await this.write(session);
    }
  }

  private async write(session: Session): Promise<void> {
    const { records, leases } = this.options;
    const startedAt = performance.now();
    const { revision, identity, visibility } = session;
    const channels = session.state === 'ending' ? [] : session.channels;
    const answer = await leases.attempt(leases.of(session.id), () => records.write(session));
    if (session.isReleased) {
      if (answer.is === 'written' && answer.isNew) await this.undo(session);
      return;
    }
    if (answer.is === 'refused') {
      this.refused(session, answer.recorded, answer.owner, answer.revision);
      return;
    }
    session.written = answer.epoch;
    session.record(revision);
    this.apply(session, identity, answer.epoch, answer.changes);
    // It may have said something else meanwhile.
    if (session.visibility === visibility && visibility?.since === 0)
      session.visibility = { ...visibility, since: answer.visibleSince };
    if (answer.isOver) {
      this.release(session, 'ended');
      this.options.host().notices.ended(session.id);
      return;
    }
    const isDone = await this.changeElsewhere(session, {
      startedAt,
      revision,
      identity,
      channels,
      outs: answer.outs,
    });
    if (!isDone || session.isReleased) return;
    session.enteredAs = identity;
    session.stays = new Map([...session.stays].filter(([channel]) => channels.includes(channel)));
    session.confirm(revision);
  }

  /** The memberships of other partitions. False where the record is to be written again, before or after them. */
  private async changeElsewhere(
    session: Session,
    { startedAt, revision, identity, channels, outs }: Step,
  ): Promise<boolean> {
    const { records, leases } = this.options;
    const own = leases.of(session.id);
    const isRenamed = session.enteredAs?.uname !== identity?.uname;
    const ins = channels.filter(
      (channel) =>
        leases.of(channel) !== own &&
        (session.isSuspect || isRenamed || !session.stays.get(channel)?.isEntered),
    );
    const partitions = new Set([...ins, ...outs].map((channel) => leases.of(channel)));
    const stale = await allSettled(
      [...partitions].map(async (lease) => {
        const isIts = (channel: string) => leases.of(channel) === lease;
        if (!own.holds || !lease.holds || performance.now() - startedAt > STEP_MAX_MS)
          throw new UnavailableError('the lease of this node');
        const step = { revision, identity, isRenamed, ins: ins.filter(isIts), outs: outs.filter(isIts) };
        const answer = await leases.attempt(lease, () => records.change(session, lease, step));
        if (answer.is === 'ok' && !session.isReleased)
          this.apply(session, identity, answer.epoch, answer.changes);
        return answer.is === 'stale' ? answer.generation : 0;
      }),
    );
    if (session.isReleased) return false;
    const above = Math.max(0, ...stale);
    if (above > 0) {
      await this.raise(session, above);
      return false;
    }
    session.left = outs;
    if (outs.length > 0) this.mark(session);
    return outs.length === 0;
  }

  /** A channel knows of a later revision than this one: that of an owner before. */
  private async raise(session: Session, above: number): Promise<void> {
    const { records, leases } = this.options;
    const claimed = await leases.attempt(leases.of(session.id), () =>
      records.claim(session.id, 'raise', { seen: { generation: above } }),
    );
    if (claimed.is === 'mine') session.generation = claimed.generation;
    this.mark(session);
  }

  private apply(
    session: Session,
    identity: Identity | null,
    epoch: string,
    changes: readonly Change[],
  ): void {
    const stays = new Map<string, Stay>(session.stays);
    const known = identity ?? session.enteredAs;
    for (const change of changes) {
      const { channel, isIn, since } = change;
      const came = change.came ?? stays.get(channel)?.came ?? null;
      if (isIn)
        stays.set(channel, { since, came, epoch: change.epoch ?? epoch, isEntered: true, isLeft: false });
      else stays.delete(channel);
      if (known) this.options.changed(publicUser(known), change);
    }
    session.stays = stays;
  }

  /** Another node has claimed and ended the client before a write landed: that has made a record, and memberships. */
  private async undo(session: Session): Promise<void> {
    session.state = 'ending';
    session.mark();
    await this.options.records.write(session);
  }

  private refused(session: Session, recorded: Recorded, owner: string, revision: number): void {
    const generation = recorded.is === 'present' ? recorded.generation : 0;
    switch (decide(session, recorded)) {
      case 'take over':
        session.generation = generation;
        session.revision = Math.max(session.revision, revision) + 1;
        return;
      case 'write':
        session.revision = Math.max(session.revision, revision) + 1;
        return;
      case 'yield':
        this.options.yieldTo(session, owner, generation);
        return;
      default:
        this.expire(session);
    }
  }

  /** It has ended elsewhere. Its connection closes, and its next connect is told that it is unknown. */
  private expire(session: Session): void {
    const { client } = session;
    this.release(session, 'ended');
    if (client) this.options.host().release(client);
    else this.options.host().notices.ended(session.id);
  }
}

interface Step {
  readonly startedAt: number;
  readonly revision: number;
  readonly identity: Identity | null;
  readonly channels: readonly string[];
  /** Channels that are to be left. */
  readonly outs: readonly string[];
}

/** It runs again after the next renewal. */
const noop = (): void => {};
