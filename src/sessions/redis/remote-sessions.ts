/** What concerns clients of other nodes: it is asked of their records, or forwarded to their owners. */
import { setTimeout as after } from 'node:timers/promises';
import type { Question } from '../../bayeux/question.js';
import { UnavailableError } from '../../errors.js';
import type { OtherSessions, SessionHost } from '../sessions.js';
import type { Claims } from './claims.js';
import type { Leases } from './leases.js';
import type { NodeRpc } from './node-rpc.js';
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
    await reconciler.get(clientId)?.step?.catch(noop);
    const session = reconciler.get(clientId);
    if (session?.state === 'owned' && session.client) {
      const { client } = session;
      session.client = undefined;
      session.state = 'ending';
      host().release(client);
      reconciler.mark(session);
      await reconciler.runNow(session);
    } else if (await records.locate(clientId)) await claims.end(clientId, 'end');
  }

  async subscribe(clientId: string, channels: readonly string[], subscribed: boolean): Promise<boolean> {
    const body = { clientId, channels, subscribed };
    for (const until = performance.now() + FORWARD_TIMEOUT_MS; performance.now() < until; ) {
      const location = await this.options.records.locate(clientId);
      if (!location) return false;
      if (channels.length === 0) return true;
      if (!location.isAlive && (await this.subscribeHere(clientId, channels, subscribed))) return true;
      if (location.isAlive && (await this.options.rpc.ask(location.node, 'subscribe', body)) === true)
        return true;
      await after(RETRY_MS);
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

  /** The owner is dead: this node takes its place. False where the client is gone, or another's, by now. */
  private async subscribeHere(
    clientId: string,
    channels: readonly string[],
    subscribed: boolean,
  ): Promise<boolean> {
    const { claims, host, reconciler } = this.options;
    if (!(await claims.claim(clientId))) return false;
    const session = reconciler.get(clientId);
    const client = session?.client;
    if (!session || !client) return false;
    if (subscribed) await Promise.all(channels.map((channel) => host().subscribeHere(client, channel)));
    else for (const channel of channels) host().unsubscribeHere(client, channel);
    reconciler.mark(session);
    reconciler.run(session).catch(noop);
    return session.whenConfirmed();
  }
}

const noop = (): void => {};
