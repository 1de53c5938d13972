/**
 * Makes Redis say of each session what this node has in memory: the one loop of sessions. Whatever may go wrong does one thing,
 * it marks sessions; a session that is dirty is written, and what its record says decides how it goes on (`decide`).
 *
 * Invariants:
 * - One step of a session runs at a time, and only where the lease of its partition holds in its term.
 * - A step that fails leaves its session dirty. All dirty sessions of a partition run after each renewal of its lease.
 * - An end has three steps that may be repeated: the record says `ending`, presence does its part, the record goes. A client whose
 *   record another node has claimed, or ended, is released without them.
 */
import { UnavailableError } from '../../errors.js';
import { decide, type Recorded } from '../decide.js';
import type { Session } from '../session.js';
import type { SessionHost } from '../sessions.js';
import type { Lease } from './lease.js';
import type { Leases } from './leases.js';
import type { SessionRecords } from './session-records.js';

export interface ReconcilerOptions {
  host(): SessionHost;
  records: SessionRecords;
  leases: Leases;
  /** Finds out what came of a claim. */
  resolve(session: Session): Promise<void>;
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
  release(session: Session): void {
    session.release();
    this.dirty.delete(session);
    const sessions = this.sessionsOf(session.id);
    if (sessions.get(session.id) === session) sessions.delete(session.id);
  }

  /** Something about it has changed, or is in doubt. It runs after the next renewal at the latest. */
  mark(session: Session): void {
    session.mark();
    this.dirty.add(session);
  }

  markAll(lease: Lease): void {
    for (const session of this.sessions.get(lease)?.values() ?? []) this.mark(session);
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
    const dirty = [...this.dirty].filter(({ id, step }) => !step && this.options.leases.of(id) === lease);
    // An end waits for presence, and no write should wait for that.
    for (const session of dirty) if (session.state === 'ending') this.run(session).catch(noop);
    const others = dirty.filter(({ state }) => state !== 'ending');
    for (let next = 0; next < others.length && lease.holds; next += BATCH) {
      await Promise.allSettled(others.slice(next, next + BATCH).map((session) => this.run(session)));
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
      else if (session.revision !== session.confirmed) await this.write(session);
      else await this.end(session);
    }
  }

  private async write(session: Session): Promise<void> {
    const { records, leases } = this.options;
    const lease = leases.of(session.id);
    const { revision, state } = session;
    const answer = await leases.attempt(lease, () => records.write(session, session.client?.channels ?? []));
    if (session.isReleased) {
      // Claimed, and ended, by another node before this write landed.
      if (answer.is === 'written' && answer.isNew) await records.remove(session);
      return;
    }
    if (answer.is === 'refused') {
      this.refused(session, answer.recorded, answer.owner, answer.revision);
      return;
    }
    const mayBeGone = answer.isNew && session.written !== '' && !lease.isSettling;
    session.written = answer.epoch;
    if (mayBeGone && state === 'owned') this.options.host().returned(session.id);
    session.confirm(revision);
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
    this.release(session);
    if (client) this.options.host().release(client);
    else this.options.host().gone(session.id);
  }

  private async end(session: Session): Promise<void> {
    const { host, records, leases } = this.options;
    await host().ending(session.id, session.lostAt);
    const isRemoved = await leases.attempt(leases.of(session.id), () => records.remove(session));
    // Claimed meanwhile: another node ends it once more.
    if (!session.isReleased) this.release(session);
    if (isRemoved) host().gone(session.id);
  }
}

/** It runs again after the next renewal. */
const noop = (): void => {};
