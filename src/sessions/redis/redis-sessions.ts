/**
 * Sessions over Redis: each client has one owner, the node in its record, and only the owner writes that. Whoever claims a client
 * raises its generation; steps of an earlier one are refused.
 *
 * Invariants:
 * - What the owner has in memory is the truth; a record says the same soon, or the owner learns that it is not the owner any more.
 * - Whatever may go wrong marks sessions: a step that fails, a lost lease, a new epoch, a cut in which a notice may have been lost.
 *   `Reconciler` is the only thing that looks at marked sessions.
 * - A node ends the clients of a dead one by claiming them, and ends them as its own.
 *
 * Renewing the lease waits for nothing else; nothing that a client's queue waits for waits for another client.
 */
import type { Logger } from 'pino';
import type { Client } from '../../engine/client.js';
import type { RedisBackplane } from '../../engine/redis/redis-backplane.js';
import type { RedisHub } from '../../redis/hub.js';
import { outageOf } from '../../redis/outage.js';
import { Session } from '../session.js';
import type { OtherSessions, SessionHost, Sessions, SessionsStatus, StreamTokens } from '../sessions.js';
import { Burials } from './burials.js';
import { Claims } from './claims.js';
import { HandOvers } from './hand-overs.js';
import type { Lease, Renewal } from './lease.js';
import { Leases } from './leases.js';
import { NodeRpc } from './node-rpc.js';
import { Reconciler } from './reconciler.js';
import { RemoteSessions } from './remote-sessions.js';
import { Requests } from './requests.js';
import { SessionRecords } from './session-records.js';
import { RedisStreamTokens } from './stream-tokens.js';

export interface RedisSessionsOptions {
  hub: RedisHub;
  /** The name of this node: letters, digits and dashes. */
  node: string;
  /** Milliseconds that clients have to go elsewhere when this node stops. */
  grace: number;
  backplane: RedisBackplane;
  log: Logger;
}

export class RedisSessions implements Sessions {
  readonly others: OtherSessions;
  readonly streams: StreamTokens;
  private readonly leases: Leases;
  private readonly rpc: NodeRpc;
  private readonly claims: Claims;
  private readonly reconciler: Reconciler;
  private readonly burials: Burials;
  private host!: SessionHost;

  constructor(private readonly options: RedisSessionsOptions) {
    const { hub, node, backplane, log } = options;
    const { isCluster } = hub.redis.commands;
    const host = () => this.host;
    const leases = new Leases({
      hub,
      node,
      clients: () => this.host.size.clients,
      renewed: (lease, renewal) => this.renewed(lease, renewal),
      failed: (error) => log.debug({ err: error }, 'a renewal failed; there will be another'),
    });
    const rpc = new NodeRpc({
      hub,
      node,
      log,
      handle: (subject, body) => requests.handle(subject, body),
      noticed: (clientId, notice) => this.claims.noticed(clientId, notice),
      onBack: (partition) => this.isBack(leases.all[partition] as Lease),
    });
    const leaseOf = (clientId: string) => leases.of(clientId);
    const records = new SessionRecords({ hub, node, leaseOf });
    const handOvers = new HandOvers({ host, rpc, backplane });
    const reconciler = new Reconciler({
      host,
      records,
      leases,
      resolve: (session) => this.claims.resolve(session),
      yieldTo: (session, by, generation) => this.claims.yieldTo(session, { by, generation, ago: 0 }),
    });
    const claims = new Claims({
      ...{ node, host, records, leases, reconciler, handOvers, backplane, isCluster },
    });
    const requests = new Requests({
      ...{ host, reconciler, handOvers },
      isCertain: (session) => this.isCertain(session),
    });
    this.leases = leases;
    this.rpc = rpc;
    this.claims = claims;
    this.reconciler = reconciler;
    this.burials = new Burials({ node, records, claims, reconciler, log });
    this.others = new RemoteSessions({ ...{ node, host, records, leases, claims, reconciler, rpc } });
    this.streams = new RedisStreamTokens({ ...{ records, leases, rpc } });
  }

  get status(): SessionsStatus {
    const { redis } = this.options.hub;
    const { wereHeld, away, all } = this.leases;
    const isOpen = redis.commands.status === 'ready' && redis.listener.status === 'ready' && wereHeld;
    const outage = outageOf({ isOpen, away, partitions: all.length, refusal: redis.refusal });
    return {
      description: redis.description,
      connected: !outage?.isAway,
      ready: outage?.isReady ?? true,
      outage: outage?.reason ?? null,
    };
  }

  isAway(clientId: string): boolean {
    return this.leases.of(clientId).isAway;
  }

  open(host: SessionHost): void {
    this.host = host;
    const { hub, backplane } = this.options;
    backplane.onDeaf(() => {
      if (!hub.redis.commands.isCluster) host.deaf();
    });
    backplane.onBack(() => host.back());
    this.leases.start();
  }

  async changed(client: Client): Promise<void> {
    if (this.host.get(client.id) !== client) return;
    const { reconciler } = this;
    const session = reconciler.get(client.id) ?? reconciler.add(new Session(client.id, 'owned', client));
    if (session.client !== client) return;
    reconciler.mark(session);
    // What fails is written after the next renewal.
    await reconciler.runNow(session).catch(noop);
  }

  confirmed(client: Client): Promise<boolean> | undefined {
    const session = this.sessionOf(client);
    return session?.isDirty ? session.whenConfirmed() : undefined;
  }

  verified(client: Client): Promise<boolean> | undefined {
    const session = this.sessionOf(client);
    if (!session || !this.status.connected) return undefined;
    if (!this.hears(client.id)) this.reconciler.mark(session);
    return session.isDirty ? this.verify(session, client) : undefined;
  }

  ended(client: Client): void {
    const session = this.reconciler.get(client.id);
    if (session?.client !== client) return;
    session.client = undefined;
    // One that this node is acquiring is ended once that is settled.
    if (session.state === 'owned') session.state = 'ending';
    this.reconciler.mark(session);
    this.reconciler.run(session).catch(noop);
  }

  claim(clientId: string): Promise<boolean> {
    return this.claims.claim(clientId);
  }

  /** Gives the leases up: clients have a while to go to another node. */
  async close(): Promise<void> {
    const { leases, rpc, options } = this;
    rpc.close();
    if (options.hub.redis.commands.status === 'ready') await leases.retire(options.grace);
    else leases.stop();
  }

  private sessionOf(client: Client): Session | undefined {
    const session = this.reconciler.get(client.id);
    return session?.client === client ? session : undefined;
  }

  private async verify(session: Session, client: Client): Promise<boolean> {
    try {
      await this.reconciler.runNow(session);
    } catch {
      return true;
    }
    return this.host.get(client.id) === client;
  }

  private isCertain(session: Session): boolean {
    return session.state === 'owned' && !session.isDirty && this.rpc.hears(session.id);
  }

  /** With Redis Cluster one part of it may be away while clients are served: they are verified once it is back. */
  private hears(clientId: string): boolean {
    return this.options.hub.redis.commands.isCluster || this.rpc.hears(clientId);
  }

  private isBack(lease: Lease): void {
    this.reconciler.markAll(lease);
    void this.reconciler.runAll(lease);
  }

  private renewed(lease: Lease, renewal: Renewal): void {
    const { log, node } = this.options;
    const { wasLost, isNewEpoch } = renewal;
    if (wasLost) log.warn({ node }, 'the lease of this node was over: others may have claimed its clients');
    if (isNewEpoch) log.warn({ node }, 'a new epoch: this node writes its clients again');
    if (wasLost || isNewEpoch) this.reconciler.markAll(lease);
    this.burials.renewed(lease, renewal);
    void this.reconciler.runAll(lease);
  }
}

/** It runs again after the next renewal. */
const noop = (): void => {};
