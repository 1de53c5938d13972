/** The sessions of one node. */
import type { Rules } from '../rules.js';
import type { Trace } from '../trace.js';
import type { VirtualTime } from '../virtual-time.js';
import { Session, type SessionState } from './session.js';

interface Context {
  time: VirtualTime;
  trace: Trace;
  rules: Rules;
}

export class LocalSessions {
  private readonly sessions = new Map<string, Session>();

  constructor(
    private readonly node: string,
    private readonly context: Context,
  ) {}

  get(id: string): Session | undefined {
    return this.sessions.get(id);
  }

  has(id: string): boolean {
    return this.sessions.has(id);
  }

  all(): IterableIterator<Session> {
    return this.sessions.values();
  }

  open(id: string, state: SessionState): Session {
    const session = new Session(id, state, this.context.time.now);
    this.sessions.set(id, session);
    return session;
  }

  drop(session: Session, why: string): void {
    if (this.sessions.get(session.id) === session) {
      this.sessions.delete(session.id);
      this.context.trace.add(`${this.node}: drops ${session.id}: ${why}`);
    }
    session.isDropped = true;
  }

  /** What is stored may differ from the session: it is written again. */
  mark(session: Session): void {
    session.changes += 1;
    if (this.context.rules.on('revIsMark')) session.revision += 1;
  }

  markAll(): void {
    for (const session of this.sessions.values()) this.mark(session);
  }
}
