/**
 * Writes sessions until what is stored is what they are: the record with the memberships in its partition, then the
 * memberships in the other partition, then the record without the channels that were left. One step at a time.
 */
import type { Channel } from '../layout.js';
import { claim } from '../scripts/claim.js';
import { members } from '../scripts/members.js';
import { settle } from '../scripts/settle.js';
import { type WriteAnswer, write } from '../scripts/write.js';
import { REFUSED_PAUSE, STEP_MAX } from '../timings.js';
import type { NodeCore } from './core.js';
import type { Session } from './session.js';
import { UnavailableError } from './unavailable.js';

/** What a step writes: the session as it was when the step began. */
interface Step {
  session: Session;
  changes: number;
  generation: number;
  revision: number;
  desired: Channel[];
  isEnding: boolean;
  term: number;
}

type Written = Extract<WriteAnswer, { is: 'ok' | 'absent' }>;
type Refusal = Extract<WriteAnswer, { is: 'gone' | 'other' | 'newer' | 'old' }>;

export class Reconciler {
  constructor(
    private readonly node: NodeCore,
    /** Finds out what became of a claim. */
    private readonly resolveClaim: (session: Session) => Promise<void>,
  ) {}

  /** Resolves once the session is confirmed or dropped, or the claim that is under way is answered. */
  reconcile(session: Session): Promise<unknown> {
    session.busy?.catch(() => {});
    session.busy ??= this.run(session).finally(() => {
      session.busy = undefined;
    });
    return session.busy;
  }

  /** The same without waiting for it. */
  start(session: Session): void {
    void this.reconcile(session).catch(() => {});
  }

  private async run(session: Session): Promise<void> {
    while (session.isDirty && !session.isDropped) {
      this.node.home.requireLease();
      if (session.state === 'claiming') await this.resolveClaim(session);
      else await this.step(session);
    }
  }

  private async step(session: Session): Promise<void> {
    const step = this.begin(session);
    const written = await this.writeRecord(step);
    if (!written) return;
    const ins = step.desired.filter((channel) => this.isForeign(channel));
    const outs = this.outs(step, written);
    if (ins.length + outs.length > 0 && !(await this.writeMembers(step, ins, outs))) return;
    if (needsSettling(step, written) && !(await this.settleRecord(step, outs))) return;
    this.confirm(step, outs);
  }

  private begin(session: Session): Step {
    const { changes, generation, revision } = session;
    const desired = [...session.desired];
    session.know(desired);
    const isEnding = session.state === 'ending';
    return { session, changes, generation, revision, desired, isEnding, term: this.node.home.term };
  }

  /** Undefined where the step goes no further. */
  private async writeRecord(step: Step): Promise<Written | undefined> {
    const { session, term, generation, revision, desired, isEnding } = step;
    const { name, home, context } = this.node;
    const { id, written } = session;
    const version = { generation, revision };
    const args = { ...version, id, node: name, term, desired, written, isEnding, layout: context.layout };
    const answer = await home.run(write, args);
    if (session.isDropped) return undefined;
    if (answer.is === 'ok' || answer.is === 'absent') {
      session.written = home.epoch;
      return answer;
    }
    if (answer.is === 'later' || answer.is === 'fenced') return this.waitAndThrow(answer.is);
    this.refused(session, answer);
    return undefined;
  }

  private refused(session: Session, answer: Refusal): void {
    const { sessions } = this.node;
    if (answer.is === 'gone') {
      sessions.drop(session, 'it has ended elsewhere');
    } else if (answer.is === 'other') {
      sessions.drop(session, 'another has it');
    } else {
      if (answer.is === 'newer') session.generation = answer.generation;
      session.revision += 1;
      sessions.mark(session);
    }
  }

  private async waitAndThrow(reason: 'later' | 'fenced'): Promise<never> {
    await this.node.process.sleep(REFUSED_PAUSE);
    throw new UnavailableError(reason);
  }

  /** The channels of the other partition to leave. An ending session leaves all that it may be in. */
  private outs({ session, desired, isEnding }: Step, written: Written): Channel[] {
    const known = [...session.known].filter((channel) => this.isForeign(channel));
    const named = written.is === 'ok' ? written.outs : known.filter((channel) => !desired.includes(channel));
    return [...new Set([...named, ...(isEnding ? known : [])])];
  }

  /** Whether the step goes on. */
  private async writeMembers(step: Step, ins: Channel[], outs: Channel[]): Promise<boolean> {
    const { name, foreign, context } = this.node;
    const { session, generation, revision } = step;
    if (context.rules.on('leaseMembers')) foreign.requireLease();
    await this.stall(step);
    const version = { generation, revision };
    const args = { ...version, id: session.id, node: name, term: foreign.term, ins, outs };
    const { is } = await foreign.run(members, args);
    if (session.isDropped) return false;
    if (is === 'later' || is === 'fenced') return this.waitAndThrow(is);
    if (is === 'ok') return true;
    await this.raiseGeneration(session);
    return false;
  }

  /** Whatever keeps a node between the two writes of a step. Afterwards the second must not rely on the first. */
  private async stall({ term }: Step): Promise<void> {
    const { process, home, foreign, context } = this.node;
    const { time, network, rules } = context;
    const wroteAt = time.now;
    const stall = network.stall();
    if (stall !== undefined) await process.sleep(stall);
    if (!rules.on('recheck')) return;
    const isHeld = home.isHeld && foreign.isHeld && home.term === term;
    if (!isHeld || time.now - wroteAt >= STEP_MAX) throw new UnavailableError('stalled');
  }

  /** The memberships are newer than the record, which was lost or restored: a claim makes the record the newest. */
  private async raiseGeneration(session: Session): Promise<void> {
    const { name, home, sessions } = this.node;
    const answer = await home.run(claim, { id: session.id, node: name, term: home.term, mode: 'self' });
    if (answer.is === 'fenced' || answer.is === 'later') throw new UnavailableError(answer.is);
    if (answer.is === 'mine') {
      session.generation = answer.generation;
      session.revision = 1;
    }
    sessions.mark(session);
  }

  /** Whether the step goes on. */
  private async settleRecord(step: Step, outs: Channel[]): Promise<boolean> {
    const { name, home, sessions } = this.node;
    const { session, generation, revision, isEnding } = step;
    const version = { generation, revision };
    const args = { ...version, id: session.id, node: name, term: home.term, outs, isEnding };
    const { is } = await home.run(settle, args);
    if (session.isDropped) return false;
    if (is === 'fenced') throw new UnavailableError(is);
    if (is === 'changed') sessions.mark(session);
    return is === 'ok';
  }

  private confirm({ session, changes, isEnding }: Step, outs: Channel[]): void {
    const isConfirmed = session.changes === changes;
    if (isConfirmed) session.confirmed = changes;
    for (const channel of outs) if (!session.desired.includes(channel)) session.known.delete(channel);
    if (isEnding && isConfirmed) this.node.sessions.drop(session, 'ended');
  }

  private isForeign(channel: Channel): boolean {
    return this.node.context.layout.isForeign(channel);
  }
}

/** Whether the record still names channels that were left, or is still there though the session has ended. */
function needsSettling({ isEnding }: Step, written: Written): boolean {
  return written.is === 'ok' && !written.isEnded && (written.outs.length > 0 || isEnding);
}
