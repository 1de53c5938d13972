/** The records of clients in Redis: typed calls of lua/sessions. Each rejects with `UnavailableError` where Redis can't be asked. */
import { UnavailableError } from '../../errors.js';
import { type Identity, publicUser, userKey } from '../../presence/identity.js';
import type { Visibility } from '../../presence/visibility.js';
import { ask } from '../../redis/ask.js';
import type { RedisHub } from '../../redis/hub.js';
import { type Commands, scripts as membershipScripts } from '../../redis/scripts.js';
import { TOMBSTONE_MS } from '../../timings.js';
import type { Recorded } from '../decide.js';
import type { Session, Stay } from '../session.js';
import type { Lease } from './lease.js';
import { scripts } from './scripts.js';

/** What a record keeps of a client. */
export interface Kept {
  /** What it subscribes to. */
  readonly subscriptions: readonly string[];
  readonly identity: Identity | null;
  readonly stays: ReadonlyMap<string, Stay>;
  readonly visibility: Visibility | null;
  /** The last sign of life of the node that died with it, ms since 1970. */
  readonly lostAt: number | undefined;
}

/** Where a client is. */
export interface Location extends Kept {
  readonly node: string;
  readonly generation: number;
  readonly revision: number;
  /** Whether that node holds its lease. */
  readonly isAlive: boolean;
  /** The token of its EventSource; empty where it has not asked for one. */
  readonly stream: string;
}

/** A record of this node that is ending, or of an earlier epoch. */
export interface Left extends Kept {
  readonly isEnding: boolean;
  readonly generation: number;
}

export type Located =
  | ({ readonly is: 'at' } & Location)
  /** There is no such client, or it is not known yet, in a new epoch. */
  | { readonly is: 'none' | 'later'; readonly left?: Left };

export interface Claimed extends Kept {
  readonly is: 'mine';
  readonly generation: number;
  readonly epoch: string;
  /** Whether the owner before lives, and got the notice. */
  readonly isNoticed: boolean;
}

export type ClaimMode = 'adopt' | 'end' | 'reap' | 'self' | 'raise';

export interface ClaimOptions {
  /** The node that died with it. */
  readonly dead?: string | undefined;
  /** Milliseconds for which the client has been here. */
  readonly ago?: number;
  /** What is adopted; or the generation that is to be raised. */
  readonly seen?: Pick<Location, 'generation'> & Partial<Pick<Location, 'revision'>>;
}

export type ClaimAnswer = Claimed | { readonly is: 'none' | 'changed' };

export interface Written {
  readonly is: 'written';
  readonly epoch: string;
  /** Whether there was no record. */
  readonly isNew: boolean;
  /** Whether the client has ended, and nothing of it is left. */
  readonly isOver: boolean;
  /** Since when its page is hidden, or shown: ms since 1970. */
  readonly visibleSince: number;
  readonly changes: readonly Change[];
  /** Channels of other partitions that it is to leave. */
  readonly outs: readonly string[];
}

export type WriteAnswer =
  | Written
  | {
      readonly is: 'refused';
      readonly recorded: Recorded;
      readonly owner: string;
      readonly revision: number;
    };

/** What entering or leaving a channel did. */
export interface Change {
  readonly channel: string;
  readonly isIn: boolean;
  /** True for the user's first client in the channel, or its last: a join or a leave. */
  readonly changed: boolean;
  /** Milliseconds until the change is due to be announced, where this very step marked the channel; else null. */
  readonly dueIn: number | null;
  readonly since: string;
  readonly came: number | null;
  /** In which it was entered last; undefined for that of the step. */
  readonly epoch?: string;
}

/** What is to be done for a session in another partition. */
export interface ElsewhereStep {
  readonly revision: number;
  readonly identity: Identity | null;
  readonly isRenamed: boolean;
  readonly ins: readonly string[];
  readonly outs: readonly string[];
}

export type ElsewhereAnswer =
  | { readonly is: 'ok'; readonly epoch: string; readonly changes: readonly Change[] }
  /** A later revision is known there, of that generation. */
  | { readonly is: 'stale'; readonly generation: number };

export interface SessionRecordsOptions {
  hub: RedisHub;
  node: string;
  leaseOf(clientId: string): Lease;
  /** What memberships need: the window (ms: base, per user, max), and entries of the journal at most. */
  settings(): readonly [base: number, perUser: number, max: number, journalBound: number];
}

type Row = (string | number)[];
type Reply = (string | number | Reply)[];

/** Clients in one question. */
const BATCH = 200;

export class SessionRecords {
  constructor(private readonly options: SessionRecordsOptions) {}

  /** Null where there is no such client. Rejects where it is not known yet, in a new epoch. */
  async locate(clientId: string): Promise<Location | null> {
    const located = await this.locateNow(clientId);
    if (located.is === 'later') throw new NotYetError();
    return located.is === 'at' ? located : null;
  }

  async locateNow(clientId: string): Promise<Located> {
    const [located] = await this.locateIn(this.options.leaseOf(clientId), [clientId]);
    return located ?? { is: 'later' };
  }

  /** Which of these clients exist. Rejects where that is not known of one. */
  async existing(clientIds: readonly string[]): Promise<string[]> {
    return [...(await this.locations(clientIds)).keys()];
  }

  async staysOf(clientIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const locations = await this.locations(clientIds);
    return new Map([...locations].map(([clientId, { stays }]) => [clientId, [...stays.keys()]]));
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
    throw new NotYetError();
  }

  async write(session: Session): Promise<WriteAnswer> {
    const { node, hub, settings } = this.options;
    const { id, generation, revision, written, state, client, isSuspect, identity, visibility, left } =
      session;
    const lease = this.options.leaseOf(id);
    const { client: key, nodes, terms, epoch, root } = lease.keys;
    const isEnd = state === 'ending';
    const channels = (isEnd ? [] : session.channels).map((channel) => {
      const { since = '', came = null, epoch = '' } = session.stays.get(channel) ?? {};
      const isHere = hub.partitions.of(channel) === hub.partitions.of(id);
      return [channel, isHere ? '1' : '', since, String(came ?? ''), epoch];
    });
    const [is, ...rest] = await this.ask((redis) =>
      scripts.write(
        redis,
        [key(id), nodes, terms, epoch],
        [
          ...[id, node, lease.term, generation, revision, written, isEnd ? 'ending' : '', isSuspect ? 1 : 0],
          JSON.stringify([...(client?.channels ?? [])]),
          ...(identity ? identified(identity) : ['', '', '']),
          ...said(visibility),
          JSON.stringify(channels),
          ...[root, lease.keys.inboxes, hub.redis.commands.isCluster ? 'SPUBLISH' : 'PUBLISH'],
          ...settings(),
          JSON.stringify(left),
        ],
      ),
    );
    if (is === 'fenced' || is === 'later') throw new NotYetError();
    if (is === 'written') return readWritten(rest);
    if (is === 'absent') return { is: 'refused', recorded: { is }, owner: '', revision: 0 };
    const [owner, itsGeneration, itsRevision, itsState] = rest as string[];
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

  /**
   * Enters and leaves channels of another partition. Rejects where nothing was done, or that is not known.
   */
  async change(
    { id, generation, enteredAs, lostAt, stays }: Session,
    lease: Lease,
    { revision, identity, isRenamed, ins, outs }: ElsewhereStep,
  ): Promise<ElsewhereAnswer> {
    const { epoch, nodes, terms, root } = lease.keys;
    const known = identity ?? enteredAs;
    const [, uid, user] = known ? identified(known) : ['', '', ''];
    const [is, its, changes] = await this.ask((redis) =>
      membershipScripts.members(
        redis,
        [epoch, nodes, terms],
        [
          ...[id, this.options.node, lease.term, generation, revision, uid as string, user as string],
          ...[isRenamed ? 1 : 0, lostAt ?? '', JSON.stringify(outs)],
          JSON.stringify(ins.map((channel) => stayIn(channel, stays.get(channel)))),
          ...[root, ...this.options.settings(), TOMBSTONE_MS],
        ],
      ),
    );
    if (is === 'stale') return { is, generation: Number(its) };
    if (is !== 'ok') throw new NotYetError();
    return { is, epoch: String(its), changes: (changes as Row[]).map(readChange) };
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

  /** Of those that exist. */
  private async locations(clientIds: readonly string[]): Promise<Map<string, Location>> {
    const groups = new Map<Lease, string[]>();
    for (const clientId of clientIds) {
      const lease = this.options.leaseOf(clientId);
      groups.set(lease, [...(groups.get(lease) ?? []), clientId]);
    }
    const found = new Map<string, Location>();
    await Promise.all([...groups].map(([lease, its]) => this.locationsIn(lease, its, found)));
    return found;
  }

  private async locationsIn(lease: Lease, clientIds: string[], found: Map<string, Location>): Promise<void> {
    for (let next = 0; next < clientIds.length; next += BATCH) {
      const batch = clientIds.slice(next, next + BATCH);
      const located = await this.locateIn(lease, batch);
      if (located.some(({ is }) => is === 'later')) throw new NotYetError();
      located.forEach((each, index) => {
        if (each.is === 'at') found.set(batch[index] as string, each);
      });
    }
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

function readLocated([is, ...rest]: Row): Located {
  if (is === 'at') {
    const [node, generation, revision, isAlive, stream, ...kept] = rest;
    return {
      is,
      node: String(node),
      generation: Number(generation),
      revision: Number(revision),
      isAlive: isAlive === 1,
      stream: String(stream),
      ...readKept(kept),
    };
  }
  const verdict = is === 'none' ? 'none' : 'later';
  const [how, generation, ...kept] = rest;
  if (how === undefined) return { is: verdict };
  return {
    is: verdict,
    left: { isEnding: how === 'ending', generation: Number(generation), ...readKept(kept) },
  };
}

function readClaimed([generation, epoch, isNoticed, ...kept]: Row): Claimed {
  return {
    is: 'mine',
    generation: Number(generation),
    epoch: String(epoch),
    isNoticed: isNoticed === 1,
    ...readKept(kept),
  };
}

function readKept(kept: Row): Kept {
  const [subscriptions, identity, stays, visibility, since, lostAt] = kept.map(String) as [
    string,
    ...string[],
  ];
  return {
    subscriptions: JSON.parse(subscriptions) as string[],
    identity: identity ? (JSON.parse(identity) as Identity) : null,
    stays: new Map(Object.entries(JSON.parse(stays ?? '{}') as Record<string, string>).map(readStay)),
    visibility: visibility ? { hidden: visibility === 'hidden', since: Number(since) } : null,
    lostAt: lostAt ? Number(lostAt) : undefined,
  };
}

/** As lua/sessions/write.lua writes it. */
function readStay([channel, stay]: [string, string]): [string, Stay] {
  const [where, since = '', came = '', epoch = ''] = stay.split(' ');
  const isLeft = where === 'o';
  return [
    channel,
    { since, came: came === '' ? null : Number(came), epoch, isEntered: where === 'h', isLeft },
  ];
}

function readWritten([epoch, isNew, isOver, visibleSince, changes, outs]: Reply): Written {
  return {
    is: 'written',
    epoch: String(epoch),
    isNew: isNew === 1,
    isOver: isOver === 1,
    visibleSince: Number(visibleSince),
    changes: (changes as Row[]).map(readChange),
    outs: outs as string[],
  };
}

function readChange([channel, isIn, changed, dueIn, since, came, epoch]: Row): Change {
  return {
    channel: String(channel),
    isIn: isIn === 1,
    changed: changed === 1,
    dueIn: Number(dueIn) < 0 ? null : Number(dueIn),
    since: String(since),
    came: Number(came) || null,
    ...(epoch !== undefined && { epoch: String(epoch) }),
  };
}

const identified = (identity: Identity): [identity: string, uid: string, user: string] => [
  JSON.stringify(identity),
  userKey(identity.uid),
  JSON.stringify(publicUser(identity)),
];

const stayIn = (channel: string, { since = '', epoch = '' }: Partial<Stay> = {}): string[] => [
  channel,
  since,
  epoch,
];

const said = (visibility: Visibility | null): [string, string | number] =>
  visibility ? [visibility.hidden ? 'hidden' : 'shown', visibility.since || ''] : ['', ''];

/** Redis has refused it for now, and nothing was done. */
export class NotYetError extends UnavailableError {
  constructor() {
    super('what this node may know, or change,');
  }
}
