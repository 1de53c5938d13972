/** The records of clients in Redis: typed calls of lua/sessions. Each rejects with `UnavailableError` where Redis can't be asked. */
import { UnavailableError } from '../../errors.js';
import { ask } from '../../redis/ask.js';
import type { RedisHub } from '../../redis/hub.js';
import type { Commands } from '../../redis/scripts.js';
import type { Recorded } from '../decide.js';
import type { Session } from '../session.js';
import type { Lease } from './lease.js';
import { scripts } from './scripts.js';

/** Where a client is. */
export interface Location {
  readonly node: string;
  readonly generation: number;
  readonly revision: number;
  /** Whether that node holds its lease. */
  readonly isAlive: boolean;
  /** The token of its EventSource; empty where it has not asked for one. */
  readonly stream: string;
  readonly channels: readonly string[];
}

/** A record of this node that is ending, or of an earlier epoch. */
export interface Left {
  readonly isEnding: boolean;
  readonly generation: number;
  readonly channels: readonly string[];
}

export type Located =
  | ({ readonly is: 'at' } & Location)
  /** There is no such client, or it is not known yet, in a new epoch. */
  | { readonly is: 'none' | 'later'; readonly left?: Left };

export interface Claimed {
  readonly is: 'mine';
  readonly generation: number;
  readonly epoch: string;
  readonly channels: readonly string[];
  /** Whether the owner before lives, and got the notice. */
  readonly isNoticed: boolean;
  /** The last sign of life of the node that died with it, ms since 1970. */
  readonly lostAt?: number | undefined;
}

export type ClaimMode = 'adopt' | 'end' | 'bury' | 'self';

export interface ClaimOptions {
  /** The node that died with it. */
  readonly dead?: string | undefined;
  /** Milliseconds for which the client has been here. */
  readonly ago?: number;
  /** What is adopted. */
  readonly seen?: Location;
}

export type ClaimAnswer = Claimed | { readonly is: 'none' | 'changed' };

export type WriteAnswer =
  | { readonly is: 'written'; readonly epoch: string; readonly isNew: boolean }
  | {
      readonly is: 'refused';
      readonly recorded: Recorded;
      readonly owner: string;
      readonly revision: number;
    };

export interface SessionRecordsOptions {
  hub: RedisHub;
  node: string;
  leaseOf(clientId: string): Lease;
}

/** Clients in one question. */
const BATCH = 200;

export class SessionRecords {
  constructor(private readonly options: SessionRecordsOptions) {}

  /** Null where there is no such client. Rejects where it is not known yet, in a new epoch. */
  async locate(clientId: string): Promise<Location | null> {
    const located = await this.locateNow(clientId);
    if (located.is === 'later') throw notYet();
    return located.is === 'at' ? located : null;
  }

  async locateNow(clientId: string): Promise<Located> {
    const [located] = await this.locateIn(this.options.leaseOf(clientId), [clientId]);
    return located ?? { is: 'later' };
  }

  /** Which of these clients exist. Rejects where that is not known of one. */
  async existing(clientIds: readonly string[]): Promise<string[]> {
    const groups = new Map<Lease, string[]>();
    for (const clientId of clientIds) {
      const lease = this.options.leaseOf(clientId);
      groups.set(lease, [...(groups.get(lease) ?? []), clientId]);
    }
    const found = await Promise.all([...groups].map(([lease, its]) => this.existingIn(lease, its)));
    return found.flat();
  }

  async claim(clientId: string, mode: ClaimMode, options: ClaimOptions = {}): Promise<ClaimAnswer> {
    const { dead = '', ago = 0, seen } = options;
    const lease = this.options.leaseOf(clientId);
    const { client, nodes, terms, epoch, dead: deadNodes, lastSigns } = lease.keys;
    const [is, ...claimed] = await this.ask((redis) =>
      scripts.claim(
        redis,
        [client(clientId), nodes, terms, epoch, deadNodes, lastSigns],
        [
          ...[clientId, this.options.node, lease.term, mode, lease.epoch, dead],
          ...[...this.noticeBy(lease), Math.round(ago), seen?.generation ?? '', seen?.revision ?? ''],
        ],
      ),
    );
    if (is === 'mine') return readClaimed(claimed);
    if (is === 'none' || is === 'changed') return { is };
    throw notYet();
  }

  async write(session: Session, channels: Iterable<string>): Promise<WriteAnswer> {
    const { node } = this.options;
    const { id, generation, revision, written, state } = session;
    const lease = this.options.leaseOf(id);
    const { client, nodes, terms, epoch } = lease.keys;
    const [is, ...rest] = await this.ask((redis) =>
      scripts.write(
        redis,
        [client(id), nodes, terms, epoch],
        [
          ...[id, node, lease.term, generation, revision, written, JSON.stringify([...channels])],
          ...[state === 'ending' ? 'ending' : '', ...this.noticeBy(lease)],
        ],
      ),
    );
    if (is === 'fenced' || is === 'later') throw notYet();
    if (is === 'written') return { is, epoch: String(rest[0]), isNew: rest[1] === 1 };
    if (is === 'absent') return { is: 'refused', recorded: { is }, owner: '', revision: 0 };
    const [owner, itsGeneration, itsRevision, itsState] = rest;
    const recorded: Recorded = {
      is: 'present',
      isOurs: owner === node,
      generation: Number(itsGeneration),
      isEnding: itsState === 'ending',
      isOutdated: false,
      isSettled: true,
    };
    return { is: 'refused', recorded, owner: String(owner), revision: Number(itsRevision) };
  }

  /** False where the client is another's by now. */
  async remove({ id, generation }: Session): Promise<boolean> {
    const { node } = this.options;
    const { client, clientsOf } = this.options.leaseOf(id).keys;
    const removed = await this.ask((redis) =>
      scripts.remove(redis, [client(id), clientsOf(node)], [id, node, generation]),
    );
    return removed === 1;
  }

  /**
   * Writes that the client wants an EventSource, known by the token; or, where it is empty, that it wants none any more. The token
   * that holds now; null where there is no such client.
   */
  stream(clientId: string, token: string, { keep }: { keep: boolean }): Promise<string | null> {
    const { client } = this.options.leaseOf(clientId).keys;
    return this.ask((redis) => scripts.stream(redis, [client(clientId)], [token, keep ? 1 : 0]));
  }

  /** The nodes that have a lease. */
  nodes({ keys }: Lease): Promise<string[]> {
    return this.ask((redis) => redis.zrange(keys.nodes, '0', '-1'));
  }

  /** Some clients of a node, by its index. */
  someOf({ keys }: Lease, node: string): Promise<string[]> {
    return this.ask((redis) => redis.srandmember(keys.clientsOf(node), BATCH));
  }

  allOf({ keys }: Lease, node: string): Promise<string[]> {
    return this.ask((redis) => redis.smembers(keys.clientsOf(node)));
  }

  /** Does nothing while its index has clients. */
  async forgetNode({ keys }: Lease, node: string): Promise<void> {
    await this.ask((redis) =>
      scripts.forgetNode(redis, [keys.dead, keys.clientsOf(node), keys.lastSigns], [node]),
    );
  }

  private async existingIn(lease: Lease, clientIds: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (let next = 0; next < clientIds.length; next += BATCH) {
      const batch = clientIds.slice(next, next + BATCH);
      const located = await this.locateIn(lease, batch);
      if (located.some(({ is }) => is === 'later')) throw notYet();
      found.push(...batch.filter((_, index) => located[index]?.is === 'at'));
    }
    return found;
  }

  private async locateIn(lease: Lease, clientIds: readonly string[]): Promise<Located[]> {
    const { epoch, nodes, client } = lease.keys;
    const answers = await this.ask((redis) =>
      scripts.locate(redis, [epoch, nodes, ...clientIds.map(client)], [lease.epoch, this.options.node]),
    );
    return answers.map(readLocated);
  }

  private noticeBy({ keys }: Lease): string[] {
    const { isCluster } = this.options.hub.redis.commands;
    return [keys.indexes, keys.inboxes, isCluster ? 'SPUBLISH' : 'PUBLISH'];
  }

  private ask<T>(question: (redis: Commands) => Promise<T>): Promise<T> {
    return ask(this.options.hub.redis, question);
  }
}

function readLocated([is, ...rest]: (string | number)[]): Located {
  if (is === 'at') {
    const [node, generation, channels, revision, isAlive, stream] = rest;
    return {
      is,
      node: String(node),
      generation: Number(generation),
      revision: Number(revision),
      isAlive: isAlive === 1,
      stream: String(stream),
      channels: parsed(channels),
    };
  }
  const [how, generation, channels] = rest;
  const left = { isEnding: how === 'ending', generation: Number(generation), channels: parsed(channels) };
  return { is: is === 'none' ? 'none' : 'later', ...(how !== undefined && { left }) };
}

function readClaimed(claimed: (string | number)[]): Claimed {
  const [generation, epoch, channels, isNoticed, lostAt] = claimed;
  return {
    is: 'mine',
    generation: Number(generation),
    epoch: String(epoch),
    channels: parsed(channels),
    isNoticed: isNoticed === 1,
    lostAt: lostAt === '' ? undefined : Number(lostAt),
  };
}

const parsed = (channels: string | number = '[]'): string[] => JSON.parse(String(channels)) as string[];

const notYet = (): UnavailableError => new UnavailableError('what this node may know, or change,');
