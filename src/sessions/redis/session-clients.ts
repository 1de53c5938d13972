/** Who clients are, and where, by their sessions: a change of a session is written by the loop, and waited for. */
import { UnavailableError } from '../../errors.js';
import type { Clients, Membership } from '../../presence/clients.js';
import { type Identity, publicUser, userKey } from '../../presence/identity.js';
import type { Concerns } from '../../presence/store.js';
import type { Session } from '../session.js';
import type { Claims } from './claims.js';
import type { Reconciler } from './reconciler.js';
import type { RemoteSessions } from './remote-sessions.js';
import { NotYetError, type SessionRecords } from './session-records.js';

export interface SessionClientsOptions {
  reconciler: Reconciler;
  claims: Claims;
  others: RemoteSessions;
  records: SessionRecords;
  /** Begins the session of a client that the engine has, and no node: where the engine knows no owners. */
  begin?: ((clientId: string) => Promise<Session | undefined>) | undefined;
}

/** Identities of clients of other nodes that are cached, and milliseconds for which they are. */
const CACHED = 10_000;
const CACHED_MS = 10_000;

export class SessionClients implements Clients {
  /** Of clients of other nodes, oldest first. */
  private readonly cache = new Map<string, { identity: Identity; until: number }>();

  constructor(private readonly options: SessionClientsOptions) {}

  identityOf(clientId: string): Identity | undefined {
    const session = this.options.reconciler.get(clientId);
    if (session) return session.state === 'owned' ? (session.identity ?? undefined) : undefined;
    const cached = this.cache.get(clientId);
    return cached && cached.until > performance.now() ? cached.identity : undefined;
  }

  async read(clientId: string): Promise<Identity | null> {
    const session = this.options.reconciler.get(clientId);
    if (session?.state === 'owned') return session.identity;
    const location = await this.options.records.locate(clientId);
    this.cache.delete(clientId);
    if (location?.identity) this.remember(clientId, location.identity);
    return location?.identity ?? null;
  }

  isAnonymous(clientId: string): boolean {
    const session = this.options.reconciler.get(clientId);
    return session?.state === 'owned' && session.identity === null;
  }

  isIn(clientId: string, channels: readonly string[]): boolean {
    return this.options.reconciler.get(clientId)?.isIn(channels) ?? false;
  }

  channelsOf(clientId: string): readonly string[] {
    return this.options.reconciler.get(clientId)?.channels ?? [];
  }

  async bind(clientId: string, identity: Identity, connects = false): Promise<'bound' | 'other' | 'gone'> {
    // Its owner before need not be asked.
    if (connects) await this.options.claims.claim(clientId);
    const connecting = connects ? this.options.reconciler.get(clientId) : undefined;
    if (connecting?.state === 'owned') return this.bindConnecting(connecting, identity);
    const { begin } = this.options;
    const bound = await this.bindAtOwner(clientId, identity).catch((error: unknown) => {
      // Where another node has its session after all, that one's write wins.
      if (begin && error instanceof NotYetError) return null;
      throw error;
    });
    if (bound !== null) return bound;
    const session = await begin?.(clientId);
    if (!session) return 'gone';
    try {
      return await this.bindHere(session, identity);
    } catch (error) {
      // Another node has begun its session in the same moment.
      if (session.released !== 'yielded') throw error;
      return (await this.bindAtOwner(clientId, identity)) ?? 'gone';
    }
  }

  async enter(clientId: string, channels: readonly string[]): Promise<boolean> {
    const here = (session: Session) => this.enterHere(session, channels);
    const entered = await this.options.others.atOwner(clientId, 'enter', { channels }, here);
    return entered === true;
  }

  async setVisibility(clientId: string, hidden: boolean): Promise<boolean> {
    const here = (session: Session) => this.setVisibilityHere(session, hidden);
    return (await this.options.others.atOwner(clientId, 'visibility', { hidden }, here)) === true;
  }

  async unbind(clientId: string): Promise<void> {
    await this.options.others.atOwner(clientId, 'unbind', {}, (session) => this.unbindHere(session));
  }

  async end(clientId: string): Promise<void> {
    this.cache.delete(clientId);
    await this.options.others.end(clientId);
  }

  *bound(): Iterable<{ clientId: string; identity: Identity }> {
    for (const { id, state, identity } of this.options.reconciler.all()) {
      if (state === 'owned' && identity) yield { clientId: id, identity };
    }
  }

  held(concerns: Concerns): Membership[] {
    return [...this.options.reconciler.all()].flatMap(
      ({ id: clientId, state, identity, stays, visibility }) => {
        if (state !== 'owned' || !identity) return [];
        const user = publicUser(identity);
        return [...stays]
          .filter(([channel, { isEntered }]) => isEntered && concerns(channel))
          .map(([channel, { since, came }]) => {
            const at = came ?? Math.floor(Number(since) / 1_000);
            return { channel, clientId, user, at, visibility: visibility?.since ? visibility : null };
          });
      },
    );
  }

  /** Null where no node has the client. */
  private async bindAtOwner(
    clientId: string,
    identity: Identity,
  ): Promise<'bound' | 'other' | 'gone' | null> {
    const here = (session: Session) => this.bindHere(session, identity);
    const bound = await this.options.others.atOwner(clientId, 'bind', { identity }, here);
    if (bound === 'bound' && !this.options.reconciler.get(clientId)) this.remember(clientId, identity);
    return bound as 'bound' | 'other' | 'gone' | null;
  }

  /** Of a client of this node. */
  async bindHere(session: Session, identity: Identity): Promise<'bound' | 'other' | 'gone'> {
    const outcome = await this.identify(session, identity);
    if (outcome === 'other' || !session.isDirty) return outcome;
    return (await this.written(session)) ? 'bound' : 'gone';
  }

  /** It enters channels in a moment: both are one write. */
  private async bindConnecting(session: Session, identity: Identity): Promise<'bound' | 'other'> {
    const outcome = await this.identify(session, identity);
    setImmediate(() => {
      if (session.isDirty) this.options.reconciler.run(session).catch(noop);
    });
    return outcome;
  }

  private async identify(session: Session, identity: Identity): Promise<'bound' | 'other'> {
    const before = session.identity;
    if (before && userKey(before.uid) !== userKey(identity.uid)) return 'other';
    // What the user before it was in is left first.
    if (!before && session.stays.size > 0) await this.written(session);
    session.identity = identity;
    if (JSON.stringify(before) !== JSON.stringify(identity)) this.options.reconciler.mark(session);
    else if (session.enteredAs === before) session.enteredAs = identity;
    return 'bound';
  }

  async enterHere(session: Session, channels: readonly string[]): Promise<boolean> {
    if (!session.identity) return false;
    session.channels = [...channels];
    return this.written(session);
  }

  async unbindHere(session: Session): Promise<boolean> {
    Object.assign(session, { identity: null, channels: [], visibility: null });
    return this.written(session);
  }

  async setVisibilityHere(session: Session, hidden: boolean): Promise<boolean> {
    if (!session.identity) return false;
    if (session.visibility?.hidden !== hidden) session.visibility = { hidden, since: 0 };
    else if (!session.isDirty) return true;
    return this.written(session);
  }

  /** False where the client has ended. */
  private async written(session: Session): Promise<boolean> {
    const { reconciler } = this.options;
    reconciler.mark(session);
    await reconciler.runNow(session);
    if (session.released === 'yielded') throw new UnavailableError('a client that another node has claimed');
    return !session.isReleased && session.state === 'owned';
  }

  private remember(clientId: string, identity: Identity): void {
    this.cache.set(clientId, { identity, until: performance.now() + CACHED_MS });
    const [oldest] = this.cache.keys();
    if (this.cache.size > CACHED && oldest !== undefined) this.cache.delete(oldest);
  }
}

/** It runs again after the next renewal. */
const noop = (): void => {};
