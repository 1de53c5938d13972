/**
 * Claims: a client that another node has, or had, becomes this node's. Of several claims the last one wins, by its generation; the
 * nodes that lose get a notice.
 *
 * The session exists before the claim is sent, so a claim with an unknown outcome leaves one that is `acquiring`: the loop finds
 * out what came of it (`resolve`). A session without a client is acquired to be ended.
 */
import { setTimeout as after } from 'node:timers/promises';
import type { Client } from '../../engine/client.js';
import type { RedisBackplane } from '../../engine/redis/redis-backplane.js';
import { UnavailableError } from '../../errors.js';
import { decide, type Recorded } from '../decide.js';
import { type Notice, Session } from '../session.js';
import type { SessionHost } from '../sessions.js';
import type { HandOvers } from './hand-overs.js';
import type { Lease } from './lease.js';
import type { Leases } from './leases.js';
import type { Reconciler } from './reconciler.js';
import type {
  Claimed,
  ClaimMode,
  ClaimOptions,
  Located,
  Location,
  SessionRecords,
} from './session-records.js';

export interface ClaimsOptions {
  node: string;
  host(): SessionHost;
  records: SessionRecords;
  leases: Leases;
  reconciler: Reconciler;
  handOvers: HandOvers;
  backplane: RedisBackplane | undefined;
  /** Whether messages and notices between two nodes take different ways: one master may be slower than another. */
  isCluster: boolean;
}

/** How often a client is claimed for one request, where other nodes claim it at the same time. */
const MAX_ATTEMPTS = 3;
/** Milliseconds by which a message may reach one node of a Redis Cluster later than another. */
const CLUSTER_SKEW_MS = 50;

export class Claims {
  constructor(private readonly options: ClaimsOptions) {}

  /** Makes a client this node's. False where there is no such client. */
  async claim(clientId: string): Promise<boolean> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const session = this.reconciler.get(clientId);
      if (session?.state === 'owned') return true;
      if (session && !session.client) return this.isOver(session);
      const answer = session ? await this.awaitStep(session) : await this.adopt(clientId);
      if (answer !== undefined) return answer;
    }
    throw new UnavailableError('a client that many nodes claim');
  }

  /** Claims a client to end it. False where another node has it, or is ending it. */
  async end(clientId: string, mode: ClaimMode, dead?: string): Promise<boolean> {
    if (this.reconciler.get(clientId)) return false;
    const lease = await this.leaseFor(clientId);
    if (this.reconciler.get(clientId)) return false;
    const session = this.reconciler.add(new Session(clientId, 'acquiring', undefined));
    let isMine = false;
    await this.reconciler.begin(session, async () => {
      const claimed = await this.send(session, lease, mode, { dead });
      isMine = claimed !== null;
      if (claimed) this.toEnd(session, claimed);
      else this.reconciler.release(session, 'yielded');
    });
    if (isMine) await this.reconciler.run(session);
    return isMine;
  }

  /** Finds out what came of a claim whose answer was lost. Nothing that was sent before can land any more. */
  async resolve(session: Session): Promise<void> {
    const { records, leases } = this.options;
    const lease = leases.of(session.id);
    const located = await records.locateNow(session.id);
    if (session.isReleased) return;
    const action = decide(session, this.recordedOf(located));
    const found = located.is === 'at' ? located : located.left;
    if (action === 'retry') throw new UnavailableError('who has a client, in a new epoch,');
    // Written again: the record may be of an earlier epoch.
    if (action === 'own' && found)
      await this.complete(session, lease, { ...found, epoch: '', isNoticed: false });
    else if (action === 'end') await this.endLeft(session, lease);
    else this.abandon(session);
  }

  /** Another node has claimed the client. */
  noticed(clientId: string, notice: Notice): void {
    const session = this.reconciler.get(clientId);
    if (!session) {
      this.options.handOvers.pushNothing(clientId, notice);
      return;
    }
    if (session.state !== 'acquiring') {
      if (session.generation < notice.generation) this.yieldTo(session, notice);
      return;
    }
    // Whether it is newer than the claim of this node shows when that is answered.
    if (notice.generation > (session.notice?.generation ?? 0)) session.notice = notice;
  }

  /** Another node has the client: what this node has of it goes there. */
  yieldTo(session: Session, notice: Notice): void {
    const { client } = session;
    this.reconciler.release(session, 'yielded');
    if (client) this.options.handOvers.push(client, notice);
    else this.options.handOvers.pushNothing(session.id, notice);
  }

  private get reconciler(): Reconciler {
    return this.options.reconciler;
  }

  /** False for one that this node ends; while it is claimed for that it may still be another node's. */
  private isOver(session: Session): false {
    if (session.state === 'acquiring') throw new UnavailableError('a client that is claimed');
    return false;
  }

  /** Undefined where another attempt may say more. */
  private async awaitStep(session: Session): Promise<undefined> {
    await this.reconciler.runNow(session);
    return undefined;
  }

  private async adopt(clientId: string): Promise<boolean | undefined> {
    const { records, host } = this.options;
    const located = await records.locateNow(clientId);
    if (located.is === 'later') throw new UnavailableError('who has a client, in a new epoch,');
    if (located.is !== 'at') {
      if (located.left) this.end(clientId, 'self').catch(noop);
      return false;
    }
    const lease = await this.leaseFor(clientId);
    // Claimed here meanwhile.
    if (this.reconciler.get(clientId)) return undefined;
    const client = host().acquire(clientId);
    const session = this.reconciler.add(new Session(clientId, 'acquiring', client));
    await this.reconciler.begin(session, () => this.adoptInto(session, client, lease, located));
    if (session.isDirty) await this.reconciler.run(session);
    return undefined;
  }

  private async adoptInto(session: Session, client: Client, lease: Lease, seen: Location): Promise<void> {
    const { host, backplane, isCluster } = this.options;
    const arrivedAt = performance.now();
    session.generation = seen.generation;
    // Messages are received from before it is claimed, so that none falls between the two nodes.
    await Promise.all(seen.subscriptions.map((channel) => host().subscribe(client, channel)));
    if (isCluster) await after(CLUSTER_SKEW_MS);
    // What this node has published before is received by the owner before the notice.
    await backplane?.outboxes.flushed();
    const claimed = await this.send(session, lease, 'adopt', { ago: performance.now() - arrivedAt, seen });
    if (claimed) await this.complete(session, lease, claimed);
    else this.abandon(session);
  }

  /** Null where the client can't be claimed: it has ended, or is another's. */
  private async send(
    session: Session,
    lease: Lease,
    mode: ClaimMode,
    options: ClaimOptions = {},
  ): Promise<Claimed | null> {
    const { records, leases } = this.options;
    if (!lease.holds) {
      this.abandon(session);
      throw new UnavailableError('the lease of this node');
    }
    const answer = await leases.attempt(lease, () => records.claim(session.id, mode, options));
    return answer.is === 'mine' ? answer : null;
  }

  /** The record says that the client is this node's: it is here once what it had before has come. */
  private async complete(session: Session, lease: Lease, claimed: Adopted): Promise<void> {
    const { handOvers, host, backplane } = this.options;
    const { client } = session;
    take(session, claimed);
    if (client) await this.subscribe(client, claimed.subscriptions);
    const { channels = claimed.subscriptions, ...arrival } = await handOvers.receive(session, {
      isAwaited: claimed.isNoticed && backplane !== undefined,
    });
    // What it subscribed to last, there, may not have been written yet.
    if (client && (await this.subscribe(client, channels))) session.mark();
    // Its end, where it has ended meanwhile, is written.
    session.state = session.client ? 'owned' : 'ending';
    if (!session.client) session.mark();
    else host().own(session.client, arrival);
    const { notice } = session;
    if (notice && notice.generation > session.generation) this.yieldTo(session, notice);
    // The record may have gone with the others.
    else if (lease.epoch !== claimed.epoch) session.suspect();
    // What the owner before did in other partitions is not known.
    else if ([...session.stays.values()].some(({ isEntered }) => !isEntered)) session.mark();
  }

  private toEnd(session: Session, claimed: Claimed): void {
    take(session, claimed);
    session.state = 'ending';
    session.mark();
  }

  /** Claims a record of this node that is not to be adopted, and ends it. */
  private async endLeft(session: Session, lease: Lease): Promise<void> {
    const { client } = session;
    session.client = undefined;
    if (client) this.options.host().release(client);
    const claimed = await this.send(session, lease, 'self');
    if (claimed) this.toEnd(session, claimed);
    else this.reconciler.release(session, 'yielded');
  }

  private recordedOf(located: Located): Recorded {
    const isSettled = located.is !== 'later';
    if (located.is === 'at') {
      const { node, generation } = located;
      const isOurs = node === this.options.node;
      return { is: 'present', isOurs, generation, isEnding: false, isOutdated: false, isSettled };
    }
    const { left } = located;
    if (left) return { is: 'present', isOurs: true, ...left, isOutdated: true, isSettled };
    return { is: isSettled ? 'absent' : 'later' };
  }

  /** Whether that was something else than before. */
  private async subscribe(client: Client, channels: readonly string[]): Promise<boolean> {
    const { host } = this.options;
    const missing = channels.filter((channel) => !client.channels.has(channel));
    const extra = [...client.channels].filter((channel) => !channels.includes(channel));
    await Promise.all(missing.map((channel) => host().subscribe(client, channel)));
    for (const channel of extra) host().unsubscribe(client, channel);
    return missing.length + extra.length > 0;
  }

  private abandon(session: Session): void {
    const { client } = session;
    this.reconciler.release(session, 'yielded');
    if (client) this.options.host().release(client);
  }

  private async leaseFor(clientId: string): Promise<Lease> {
    const { leases } = this.options;
    const lease = leases.of(clientId);
    await leases.renewed(lease);
    if (!lease.holds) throw new UnavailableError('the lease of this node');
    return lease;
  }
}

type Adopted = Omit<Claimed, 'is'>;

/** What the record says now. */
function take(session: Session, { generation, epoch, identity, stays, visibility, lostAt }: Adopted): void {
  Object.assign(session, { generation, written: epoch, identity, stays, visibility, lostAt });
  session.enteredAs = identity;
  session.channels = [...stays].filter(([, { isLeft }]) => !isLeft).map(([channel]) => channel);
  session.confirm(session.revision);
}

const noop = (): void => {};
