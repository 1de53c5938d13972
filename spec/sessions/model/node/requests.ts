/** The requests of clients: handshake, connect, which may claim the session, and disconnect. */
import type { Channel } from '../layout.js';
import { type Location, locate } from '../scripts/locate.js';
import type { Claims } from './claims.js';
import type { NodeCore } from './core.js';
import type { Reconciler } from './reconciler.js';
import { Session } from './session.js';
import { UnavailableError } from './unavailable.js';

/** 401: handshake again. 503: try again. */
export type Status = 200 | 401 | 503;

/** How often one request claims, or finds that its session has been dropped. */
const MAX_ATTEMPTS = 3;
const MAX_STEPS = 40;
const MAX_FAILED_STEPS = 21;
/** Milliseconds between two steps. */
const RETRY_PAUSE = 100;

export class Requests {
  /** Per clientId: the requests of one client are handled one after the other. */
  private readonly queues = new Map<string, Promise<unknown>>();

  constructor(
    private readonly node: NodeCore,
    private readonly reconciler: Reconciler,
    private readonly claims: Claims,
  ) {}

  handshake(id: string): void {
    this.reconciler.start(this.node.sessions.open(id, 'owned'));
    this.node.log(`handshake ${id}`);
  }

  /** Resolves with 200 once the client is in the room and in no other. */
  connect(id: string, room: Channel): Promise<Status> {
    return this.inTurn(id, async (): Promise<Status> => {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
        const status = await this.attempt(id, room);
        if (status !== 'again') return status;
      }
      return 503;
    }).catch((error): Status => {
      if (error instanceof UnavailableError) return 503;
      throw error;
    });
  }

  disconnect(id: string): Promise<void> {
    return this.inTurn(id, async () => {
      const session = this.node.sessions.get(id);
      if (session?.state === 'owned') this.end(session);
    });
  }

  end(session: Session): void {
    session.state = 'ending';
    session.revision += 1;
    session.desired = [];
    this.node.sessions.mark(session);
    this.reconciler.start(session);
  }

  private async attempt(id: string, room: Channel): Promise<Status | 'again'> {
    const session = this.node.sessions.get(id) ?? (await this.acquire(id, room));
    if (!(session instanceof Session)) return session;
    if (session.state === 'ending') return 401;
    if (session.isClaimedToEnd) return 503;
    session.lastRequest = this.node.context.time.now;
    if (session.state === 'claiming') {
      await this.confirm(session);
      return 'again';
    }
    this.enter(session, room);
    await this.confirm(session);
    if (session.isDropped) return 'again';
    session.lastRequest = this.node.context.time.now;
    return 200;
  }

  private async acquire(id: string, room: Channel): Promise<Session | Status | 'again'> {
    const { sessions, home } = this.node;
    if (home.isCut) return 503;
    const location = await this.locate(id);
    if (location.is === 'later') return 503;
    if (location.is === 'unknown') {
      if (location.isMine && !sessions.has(id)) this.claims.startClaimToEnd(id, { mode: 'self' });
      return 401;
    }
    return sessions.has(id) ? 'again' : this.claims.adopt(id, room);
  }

  private async locate(id: string): Promise<Location> {
    const { home, name } = this.node;
    return home.run(locate, { id, known: home.epoch, asker: name }).catch((): Location => ({ is: 'later' }));
  }

  private enter(session: Session, room: Channel): void {
    if (session.desired.length === 1 && session.desired[0] === room) return;
    session.desired = [room];
    session.revision += 1;
    this.node.sessions.mark(session);
  }

  /** Resolves once the session is confirmed or dropped. Does not wait while the home partition is away. */
  private async confirm(session: Session): Promise<void> {
    const { home, process } = this.node;
    for (let step = 0; step < MAX_STEPS; step += 1) {
      if (session.isDropped || !session.isDirty) return;
      if (home.isCut && step > 0) throw new UnavailableError('away');
      try {
        await this.reconciler.reconcile(session);
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
        await process.sleep(RETRY_PAUSE);
        if (step >= MAX_FAILED_STEPS) throw error;
      }
    }
    throw new UnavailableError('busy');
  }

  private inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.queues.get(id) ?? Promise.resolve();
    const mine = before.catch(() => {}).then(work);
    this.queues.set(id, mine);
    return mine;
  }
}
