/**
 * Sessions over Redis: each client has one owner, the node in its record, and only the owner writes that. A claim raises
 * the generation of the client. Steps of an earlier generation are refused.
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
import type { User } from '../../presence/identity.js';
import { JOURNAL_BOUND } from '../../presence/journal.js';
import type { RedisHub } from '../../redis/hub.js';
import { outageOf } from '../../redis/outage.js';
import { Session } from '../session.js';
import type { OtherSessions, SessionHost, Sessions, SessionsStatus, StreamTokens } from '../sessions.js';
import { Claims } from './claims.js';
import { HandOvers } from './hand-overs.js';
import type { Lease, Renewal } from './lease.js';
import { Leases } from './leases.js';
import { NodeReaper } from './node-reaper.js';
import { NodeRpc } from './node-rpc.js';
import { Reconciler } from './reconciler.js';
import { RemoteSessions } from './remote-sessions.js';
import { Requests } from './requests.js';
import { SessionClients } from './session-clients.js';
import { type Change, SessionRecords } from './session-records.js';
import { RedisStreamTokens } from './stream-tokens.js';

export interface RedisSessionsOptions {
  hub: RedisHub;
  /** The name of this node: letters, digits and dashes. */
  node: string;
  /** Milliseconds that clients have to go elsewhere when this node stops. */
  grace: number;
  /** Undefined where the engine carries messages itself. */
  backplane?: RedisBackplane;
  /** Which of these clients the engine has, where it knows no owners. */
  engineHas?: (clientIds: readonly string[]) => Promise<Iterable<string>>;
  log: Logger;
}

/** The window (ms: base, per user, max), and entries of the journal at most. */
export type MembershipSettings = readonly [base: number, perUser: number, max: number, journalBound: number];
export type MembershipListener = (user: User, change: Change) => void;

export class RedisSessions implements Sessions {
  readonly others: OtherSessions;
  readonly streams: StreamTokens;
  private readonly leases: Leases;
  private readonly rpc: NodeRpc;
  private readonly claims: Claims;
  private readonly reconciler: Reconciler;
  private readonly records: SessionRecords;
  private readonly requests: Requests;
  private readonly reaper: NodeReaper;
  /** Who the clients are, and where. */
  readonly clients: SessionClients;
  private settings: MembershipSettings = [0, 0, 0, JOURNAL_BOUND];
  private onChange: MembershipListener = () => {};
  private host!: SessionHost;

  constructor(private readonly options: RedisSessionsOptions) {
    const { hub, node, backplane, log } = options;
    const { isCluster } = hub.redis.commands;
    const host = () => this.host;
    const leases = new Leases({
      hub,
      node,
      clients: () => this.host.size,
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
    const settings = () => this.settings;
    const records = new SessionRecords({ hub, node, leaseOf, settings });
    this.records = records;
    const handOvers = new HandOvers({ host, rpc, backplane });
    const reconciler = new Reconciler({
      host,
      records,
      leases,
      changed: (user, change) => this.onChange(user, change),
      resolve: (session) => this.claims.resolve(session),
      yieldTo: (session, by, generation) => this.claims.yieldTo(session, { by, generation, ago: 0 }),
    });
    const claims = new Claims({
      ...{ node, host, records, leases, reconciler, handOvers, backplane, isCluster },
    });
    const requests = new Requests({
      ...{ host, reconciler, handOvers },
      clients: () => this.clients,
      isCertain: (session) => this.isCertain(session),
    });
    this.leases = leases;
    this.rpc = rpc;
    this.claims = claims;
    this.requests = requests;
    this.reconciler = reconciler;
    const others = new RemoteSessions({
      ...{ node, host, records, leases, claims, reconciler, rpc },
      subscribeHere: (session, channels, subscribed) => requests.subscribeHere(session, channels, subscribed),
    });
    const { engineHas } = options;
    this.reaper = new NodeReaper({ node, records, claims, reconciler, living: engineHas, log });
    this.others = others;
    const begin = engineHas && ((clientId: string) => this.begin(clientId, engineHas));
    this.clients = new SessionClients({ reconciler, claims, others, records, begin });
    this.streams = new RedisStreamTokens({ ...{ records, leases, rpc } });
  }

  get status(): SessionsStatus {
    const { redis } = this.options.hub;
    const { wereHeld, away, all } = this.leases;
    const isOpen = redis.commands.status === 'ready' && redis.listener.status === 'ready' && wereHeld;
    const outage = outageOf({ isOpen, away, partitions: all.length, refusal: redis.refusal });
    return {
      description: `faye-online, ${redis.description}`,
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
    const { commands, listener } = hub.redis;
    if (backplane && !commands.isCluster) listener.on('close', () => host.notices.disconnected());
    backplane?.onBack(() => host.notices.reconnected());
    this.leases.start();
  }

  /** Called by presence: the settings of its steps, and the listener that receives their changes. */
  attach(settings: MembershipSettings, onChange: MembershipListener): void {
    this.settings = settings;
    this.onChange = onChange;
  }

  /** The channels that the records of clients say they are in, of those that have one. */
  async staysOf(clientIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const stays = await this.records.staysOf(clientIds);
    // Where Redis has lost the record of one of this node's, it is written again.
    await this.requests.held(clientIds.filter((clientId) => !stays.has(clientId)));
    return stays;
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
    return session && session.recorded !== session.revision ? session.whenRecorded() : undefined;
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

  /** The session of a client that the engine has, and no node. */
  private async begin(
    clientId: string,
    engineHas: NonNullable<RedisSessionsOptions['engineHas']>,
  ): Promise<Session | undefined> {
    if (![...(await engineHas([clientId]))].includes(clientId)) return undefined;
    const known = this.reconciler.get(clientId);
    if (known) return known.state === 'owned' ? known : undefined;
    const client = this.host.acquire(clientId);
    client.isOwned = true;
    return this.reconciler.add(new Session(clientId, 'owned', client));
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
    this.reconciler.suspectAll(lease);
    void this.reconciler.runAll(lease);
  }

  private renewed(lease: Lease, renewal: Renewal): void {
    const { log, node } = this.options;
    const { wasLost, isNewEpoch } = renewal;
    if (wasLost) log.warn({ node }, 'the lease of this node was over: others may have claimed its clients');
    if (isNewEpoch) log.warn({ node }, 'a new epoch: this node writes its clients again');
    if (wasLost || isNewEpoch) this.reconciler.suspectAll(lease);
    this.reaper.renewed(lease, renewal);
    void this.reconciler.runAll(lease);
  }
}

/** It runs again after the next renewal. */
const noop = (): void => {};
