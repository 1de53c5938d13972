/** What concerns clients of other nodes: it is asked of their records, or forwarded to their owners. */
import { setTimeout as after } from 'node:timers/promises';
import { UnavailableError } from '../../errors.js';
import type { Session } from '../session.js';
import type { OtherSessions, Question, SessionHost } from '../sessions.js';
import type { Claims } from './claims.js';
import type { Leases } from './leases.js';
import type { Body, NodeRpc } from './node-rpc.js';
import type { Reconciler } from './reconciler.js';
import type { SessionRecords } from './session-records.js';

export interface RemoteSessionsOptions {
  node: string;
  host(): SessionHost;
  records: SessionRecords;
  leases: Leases;
  claims: Claims;
  reconciler: Reconciler;
  rpc: NodeRpc;
  /** Undefined where the client is not this node's any more. */
  subscribeHere(
    session: Session,
    channels: readonly string[],
    subscribed: boolean,
  ): Promise<true | undefined>;
}

/** Milliseconds in which the owner of a client replies, or is dead. */
const FORWARD_TIMEOUT_MS = 8_000;
/** Milliseconds until it is asked again. */
const RETRY_MS = 250;

export class RemoteSessions implements OtherSessions {
  constructor(private readonly options: RemoteSessionsOptions) {}

  async exists(clientId: string): Promise<boolean> {
    return (await this.options.records.locate(clientId)) !== null;
  }

  async existing(clientIds: readonly string[]): Promise<string[]> {
    const found = new Set(await this.options.records.existing(clientIds));
    const missing = clientIds.filter((clientId) => !found.has(clientId));
    return missing.length === 0 ? [...found] : [...found, ...(await this.held(missing))];
  }

  async end(clientId: string): Promise<void> {
    const { records, claims, reconciler, host } = this.options;
    // One that this node is acquiring is ended once it is here.
    const known = reconciler.get(clientId);
    if (known?.state === 'acquiring') await known.step?.catch(noop);
    const session = reconciler.get(clientId);
    if (session?.state === 'owned' && session.client) {
      const { client } = session;
      session.client = undefined;
      session.state = 'ending';
      host().release(client);
      reconciler.mark(session);
      await reconciler.runNow(session);
    } else if (!session && (await records.locate(clientId))) await claims.end(clientId, 'end');
  }

  async subscribe(clientId: string, channels: readonly string[], subscribed: boolean): Promise<boolean> {
    const here = (session: Session) => this.options.subscribeHere(session, channels, subscribed);
    return (await this.atOwner(clientId, 'subscribe', { channels, subscribed }, here)) === true;
  }

  /**
   * Does something where the client's owner is: here, or at another node by a request. Where the owner is dead, this node takes its
   * place. Null where there is no such client; rejects where it was not done, or that is not known.
   */
  async atOwner(
    clientId: string,
    subject: string,
    body: Body,
    here: (session: Session) => Promise<unknown>,
  ): Promise<unknown> {
    const { records, reconciler, claims, rpc } = this.options;
    for (
      const until = performance.now() + FORWARD_TIMEOUT_MS;
      performance.now() < until;
      await after(RETRY_MS)
    ) {
      await reconciler.get(clientId)?.step?.catch(noop);
      const session = reconciler.get(clientId);
      if (session?.state === 'owned') {
        const done = await here(session);
        if (done !== undefined) return done;
        continue;
      }
      const location = await records.locate(clientId);
      if (!location) return null;
      if (!location.isAlive) {
        if (!(await claims.claim(clientId))) return null;
      } else {
        const reply = await rpc.ask(location.node, subject, { ...body, clientId });
        if (reply !== undefined && reply !== null) return reply;
      }
    }
    throw new UnavailableError('the node that has the client');
  }

  async ask(clientId: string, question: Question): Promise<unknown> {
    const { records, rpc } = this.options;
    const location = await records.locate(clientId);
    return location?.isAlive ? rpc.ask(location.node, 'question', { clientId, question }) : undefined;
  }

  /** Those of them that a node has all the same: Redis may have lost their records alone. They are written again. */
  private async held(clientIds: readonly string[]): Promise<string[]> {
    const { node, records, leases, rpc } = this.options;
    const [lease] = leases.all;
    const others = (lease ? await records.nodes(lease) : []).filter((name) => name !== node);
    const replies = await Promise.all(others.map((name) => rpc.ask(name, 'held', { clientIds })));
    if (!replies.every(Array.isArray)) throw new UnavailableError('a node that may have clients');
    return replies.flat().map(String);
  }
}

const noop = (): void => {};
