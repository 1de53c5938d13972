/** What other nodes ask of this one (`NodeRpc`). */
import type { Question } from '../../bayeux/question.js';
import type { Client } from '../../engine/client.js';
import type { Session } from '../session.js';
import type { SessionHost } from '../sessions.js';
import type { HandOvers } from './hand-overs.js';
import type { Body } from './node-rpc.js';
import type { Reconciler } from './reconciler.js';

export interface RequestsOptions {
  host(): SessionHost;
  reconciler: Reconciler;
  handOvers: HandOvers;
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
        return this.held(Array.isArray(body.clientIds) ? body.clientIds.map(String) : []);
      case 'hand-over':
        return session && handOvers.received(session, body.handOver);
      case 'stream':
        return host().streamWanted(clientId, String(body.token), body.isFirst === true);
      default:
        return session && this.whenOwned(session, subject, body);
    }
  }

  /** Those of these clients that are this node's, which are written again; null where that is not certain. */
  private held(clientIds: readonly string[]): string[] | null {
    const { reconciler, isCertain } = this.options;
    const sessions = clientIds.flatMap((clientId) => reconciler.get(clientId) ?? []);
    if (!sessions.every(isCertain)) return null;
    for (const session of sessions) {
      // Nobody can have ended it: Redis has lost its record.
      session.written = '';
      reconciler.mark(session);
      reconciler.run(session).catch(noop);
    }
    return sessions.map(({ id }) => id);
  }

  /** Of a client that this node is acquiring, once it is here. */
  private whenOwned(session: Session, subject: string, body: Body): unknown {
    if (session.state === 'acquiring') {
      return session.step?.catch(noop).then(() => this.forOwned(session, subject, body));
    }
    return this.forOwned(session, subject, body);
  }

  private forOwned({ state, client }: Session, subject: string, body: Body): unknown {
    if (state !== 'owned' || !client) return undefined;
    if (subject === 'question') return this.options.host().answer(client.id, body.question as Question);
    if (subject === 'subscribe') return this.subscribe(client, body);
    return undefined;
  }

  /** Answers once other nodes know of it. */
  private async subscribe(client: Client, { channels, subscribed }: Body): Promise<true | undefined> {
    const { host, reconciler } = this.options;
    const names = Array.isArray(channels) ? channels.map(String) : [];
    if (subscribed) await Promise.all(names.map((name) => host().subscribeHere(client, name)));
    else for (const name of names) host().unsubscribeHere(client, name);
    const session = reconciler.get(client.id);
    if (session?.client !== client) return undefined;
    reconciler.mark(session);
    reconciler.run(session).catch(noop);
    return (await session.whenConfirmed()) || undefined;
  }
}

const noop = (): void => {};
