/** Claims of sessions that another node owns, or that the node itself owns without having a local session. */
import type { Channel } from '../layout.js';
import { type ClaimAnswer, type ClaimMode, claim } from '../scripts/claim.js';
import { locate } from '../scripts/locate.js';
import { REFUSED_PAUSE } from '../timings.js';
import type { NodeCore } from './core.js';
import type { Reconciler } from './reconciler.js';
import type { Session } from './session.js';
import { UnavailableError } from './unavailable.js';

type Claimed = Extract<ClaimAnswer, { is: 'mine' }>;

export class Claims {
  constructor(
    private readonly node: NodeCore,
    private readonly reconciler: () => Reconciler,
  ) {}

  /** Claims a session for a request. The session, or the status of the answer where it is not owned. */
  async adopt(id: string, room: Channel): Promise<Session | 401 | 503> {
    const { sessions, home } = this.node;
    const session = sessions.open(id, 'claiming');
    session.wanted = [room];
    let answer: ClaimAnswer;
    try {
      answer = await this.send(session, { mode: 'adopt', known: home.epoch });
    } catch (error) {
      if (wasNotSent(error)) sessions.drop(session, 'not claimed');
      return 503;
    }
    if (answer.is !== 'mine') {
      sessions.drop(session, answer.is);
      return answer.is === 'unknown' ? 401 : 503;
    }
    this.notifyOldOwner(session, answer);
    this.own(session, 'owned', answer, [room]);
    if (session.noticed <= answer.generation) return session;
    sessions.drop(session, 'claimed meanwhile');
    return 503;
  }

  /** Claims a session to end it. */
  async claimToEnd(id: string, mode: ClaimMode): Promise<void> {
    const { sessions, context } = this.node;
    if (!context.rules.on('objectFirst')) return this.claimBeforeObject(id, mode);
    const session = sessions.open(id, 'claiming');
    session.isClaimedToEnd = true;
    let answer: ClaimAnswer;
    try {
      answer = await this.send(session, mode);
    } catch (error) {
      if (!isUnknown(error)) sessions.drop(session, 'not claimed');
      throw error;
    }
    this.endClaimed(session, answer);
  }

  /** The same without waiting for it. */
  startClaimToEnd(id: string, mode: ClaimMode): void {
    void this.claimToEnd(id, mode).catch(() => {});
  }

  /** Finds out what became of a claim whose answer was lost. */
  async resolve(session: Session): Promise<void> {
    const { sessions, home, name, process } = this.node;
    const location = await home.run(locate, { id: session.id, known: home.epoch, asker: name });
    if (location.is === 'later') {
      await process.sleep(REFUSED_PAUSE);
      throw new UnavailableError('later');
    }
    if (location.is === 'at' && location.node === name && session.noticed <= location.generation) {
      session.own(session.isClaimedToEnd ? 'ending' : 'owned', location.generation, home.epoch);
      session.lastRequest = this.node.context.time.now;
      sessions.mark(session);
      session.desired = session.wanted;
      return;
    }
    sessions.drop(session, 'the claim came to nothing');
    if (location.is === 'unknown' && location.isMine) this.startClaimToEnd(session.id, { mode: 'self' });
  }

  private send(session: Session, mode: ClaimMode): Promise<ClaimAnswer> {
    const { home, name } = this.node;
    home.requireLease();
    const claimed = home.run(claim, { id: session.id, node: name, term: home.term, ...mode }).finally(() => {
      session.busy = undefined;
    });
    session.busy = claimed;
    return claimed;
  }

  private endClaimed(session: Session, answer: ClaimAnswer): void {
    const { sessions } = this.node;
    if (session.isDropped) return;
    if (answer.is !== 'mine') {
      sessions.drop(session, answer.is);
      if (answer.is === 'fenced' || answer.is === 'later') throw new UnavailableError(answer.is);
      return;
    }
    if (session.noticed > answer.generation) {
      sessions.drop(session, 'claimed meanwhile');
      return;
    }
    this.own(session, 'ending', answer, []);
    this.reconciler().start(session);
  }

  private own(session: Session, state: 'owned' | 'ending', answer: Claimed, desired: Channel[]): void {
    session.own(state, answer.generation, this.node.home.epoch);
    session.know(answer.channels);
    session.desired = desired;
    this.node.sessions.mark(session);
  }

  /** The rule `objectFirst` turned off. */
  private async claimBeforeObject(id: string, mode: ClaimMode): Promise<void> {
    const { home, name, sessions } = this.node;
    const answer = await home.run(claim, { id, node: name, term: home.term, ...mode });
    if (answer.is !== 'mine' || sessions.has(id)) return;
    const session = sessions.open(id, 'ending');
    session.own('ending', answer.generation, home.epoch);
    session.know(answer.channels);
    this.reconciler().start(session);
  }

  /** The rule `notify` turned off. */
  private notifyOldOwner(session: Session, { from, generation }: Claimed): void {
    const { context, name } = this.node;
    if (context.rules.on('notify') || from === name) return;
    const isSent = context.random.chance(context.noticeChance);
    if (isSent) context.notices.send(from, { id: session.id, generation, by: name });
  }
}

const isUnknown = (error: unknown): boolean =>
  error instanceof UnavailableError && error.reason === 'unknown';

const wasNotSent = (error: unknown): boolean =>
  error instanceof UnavailableError && (error.reason === 'no lease' || error.reason === 'away');
