/** What other nodes ask of this one (`NodeRpc`). */
import type { Identity } from '../../presence/identity.js';
import type { Session } from '../session.js';
import type { Question, SessionHost } from '../sessions.js';
import type { HandOvers } from './hand-overs.js';
import type { Body } from './node-rpc.js';
import type { Reconciler } from './reconciler.js';
import type { SessionClients } from './session-clients.js';

export interface RequestsOptions {
  host(): SessionHost;
  reconciler: Reconciler;
  handOvers: HandOvers;
  clients(): SessionClients;
  /** Whether no other node can have claimed, or ended, a client of this node without its knowing. */
  isCertain(session: Session): boolean;
}

export class Requests {
  constructor(private readonly options: RequestsOptions) {}

  /** Undefined and null: this node does not have that client. */
  handle(subject: string, body: Body): unknown {
    const { host, reconciler, handOvers } = this.options;
    const clientId = String(body.clientId);
    const session = reconciler.get(clientId);
    switch (subject) {
      case 'held':
        return this.held(names(body.clientIds));
      case 'hand-over':
        return session && handOvers.received(session, body.handOver);
      case 'stream':
        return host().notices.streamRequested(clientId, String(body.token), body.isFirst === true);
      default:
        return session && this.whenOwned(session, subject, body);
    }
  }

  /** Those of these clients that are this node's, which are written again; null where that is not certain. */
  async held(clientIds: readonly string[]): Promise<string[] | null> {
    const { reconciler, isCertain } = this.options;
    const sessions = clientIds.flatMap((clientId) => reconciler.get(clientId) ?? []);
    if (!sessions.every(isCertain)) return null;
    const written = sessions.map((session) => {
      // Nobody can have ended it: Redis has lost its record.
      session.written = '';
      session.suspect();
      reconciler.mark(session);
      reconciler.run(session).catch(noop);
      return session.whenRecorded();
    });
    return (await Promise.all(written)).every(Boolean) ? sessions.map(({ id }) => id) : null;
  }

  /** Of a client that this node is acquiring, once it is here. */
  private whenOwned(session: Session, subject: string, body: Body): unknown {
    if (session.state === 'acquiring') {
      return session.step?.catch(noop).then(() => this.forOwned(session, subject, body));
    }
    return this.forOwned(session, subject, body);
  }

  private forOwned(session: Session, subject: string, body: Body): unknown {
    const { client } = session;
    if (session.state !== 'owned' || !client) return undefined;
    switch (subject) {
      case 'question':
        return this.options.host().notices.request(client.id, body.question as Question);
      case 'subscribe':
        return this.subscribeHere(session, names(body.channels), body.subscribed === true);
      case 'bind':
        return this.options.clients().bindHere(session, body.identity as Identity);
      case 'enter':
        return this.options.clients().enterHere(session, names(body.channels));
      case 'unbind':
        return this.options.clients().unbindHere(session);
      case 'visibility':
        return this.options.clients().setVisibilityHere(session, body.hidden === true);
      default:
        return undefined;
    }
  }

  /** Answers once other nodes know of it; undefined where the client is not this node's any more. */
  async subscribeHere(
    session: Session,
    channels: readonly string[],
    subscribed: boolean,
  ): Promise<true | undefined> {
    const { host, reconciler } = this.options;
    const { client } = session;
    if (!client) return undefined;
    if (subscribed) await Promise.all(channels.map((name) => host().subscribeOnRequest(client, name)));
    else for (const name of channels) host().unsubscribe(client, name);
    if (session.client !== client || session.isReleased) return undefined;
    reconciler.mark(session);
    reconciler.run(session).catch(noop);
    return (await session.whenRecorded()) || undefined;
  }
}

const names = (channels: unknown): string[] => (Array.isArray(channels) ? channels.map(String) : []);

const noop = (): void => {};
