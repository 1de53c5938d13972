/**
 * Writes the journal's entries into the tables.
 *
 * What must hold: each entry is in the tables once, whoever writes it, and however often. A reader may write a batch
 * and die before it acknowledges it; another takes it over and writes it again; both may do so at the same time. So
 * entries are claimed, in the transaction that writes what they say: those whose (epoch, partition, id) is there already
 * are left out. Transactions run one after the other, so that what one reads nobody changes.
 */
import { createHash } from 'node:crypto';
import type { User } from '../presence/identity.js';
import type { JournalEntry, MembershipEntry, VisibilityEntry } from '../presence/journal.js';
import type { Visibility } from '../presence/visibility.js';
import { channelIds } from './channels.js';
import type { Database, OpenDatabase } from './database.js';
import { oneAtATime } from './one-at-a-time.js';
import type { SaidOf } from './said.js';
import type { Movement, Stays } from './stays.js';
import { storable } from './storable.js';
import { insert, upsert } from './upsert.js';
import { staysOf, writeStays } from './write-stays.js';

export interface WriterOptions {
  /**
   * The node that writes. In one process it is the node of every client; where there are more, a client counts as
   * this node's until its own says otherwise (`resume`), which matters only where Redis loses its data.
   */
  node: string;
  /** Keep a hash in place of the clientId, which is a secret. Two runs that differ don't find each other's clients. */
  hashClientIds: boolean;
}

/** A client that is in a channel. */
export type Held = Pick<MembershipEntry, 'epoch' | 'channel' | 'uid' | 'clientId' | 'user'> & {
  /** Since when, in milliseconds since 1970: of the client, or else of its user. */
  at: number;
  /** What it has said of its page, where it has. */
  visibility?: Visibility | null | undefined;
};

/** Entries in one transaction. */
const STEP = 2_000;

export class Writer {
  constructor(
    private readonly database: OpenDatabase,
    private readonly options: WriterOptions,
  ) {}

  /** Returns how many of the entries were not written before. Rejects where nothing was written. */
  async write(entries: readonly JournalEntry[]): Promise<number> {
    let written = 0;
    for (const some of inSteps(entries)) written += await this.writeSome(some);
    return written;
  }

  /**
   * Writes down whom this node holds: where records begin while clients are there, and where Redis has lost its data,
   * and with it what it had yet to tell.
   */
  async resume(held: readonly Held[]): Promise<void> {
    for (const some of inSteps(held)) {
      await oneAtATime(this.database, async (database) => {
        const stays = await this.moved(database, some, (stays, one) => stays.resume(one));
        await writeStays(
          database,
          stays,
          some.flatMap((one) => this.saidBy(one)),
        );
        await writeUsers(database, some);
      });
    }
  }

  private async writeSome(entries: readonly JournalEntry[]): Promise<number> {
    return oneAtATime(this.database, async (database) => {
      const fresh = await claim(database, entries);
      if (fresh.length === 0) return 0;
      const memberships = fresh.filter((entry) => !isVisibility(entry));
      const stays = await this.moved(database, memberships, (stays, one, { type }) =>
        type === 'in' ? stays.enter(one) : stays.leave(one),
      );
      await writeStays(
        database,
        stays,
        fresh.filter(isVisibility).map((entry) => this.said(entry)),
      );
      await writeUsers(database, memberships);
      return fresh.length;
    });
  }

  private async moved<E extends Held>(
    database: Database,
    entries: readonly E[],
    move: (stays: Stays, movement: Movement, entry: E) => void,
  ): Promise<Stays> {
    const { node } = this.options;
    const channels = await channelIds(database, new Set(entries.map(({ channel }) => channel)));
    const clientIds = new Set(entries.map(({ clientId }) => this.kept(clientId)));
    const stays = await staysOf(database, [...clientIds], [...channels.values()]);
    for (const entry of entries) {
      const { channel, at, epoch } = entry;
      const clientId = this.kept(entry.clientId);
      const channel_id = channels.get(channel) ?? 0;
      move(stays, { channel_id, clientId, uid: storable(entry.uid), at, epoch, node }, entry);
    }
    return stays;
  }

  private said({ clientId, at, type }: VisibilityEntry): SaidOf {
    return { clientId: this.kept(clientId), at, hidden: type === 'hidden' };
  }

  private saidBy({ clientId, visibility }: Held): SaidOf[] {
    if (!visibility) return [];
    return [{ clientId: this.kept(clientId), at: visibility.since, hidden: visibility.hidden }];
  }

  private kept(clientId: string): string {
    return this.options.hashClientIds ? hashed(clientId) : clientId;
  }
}

const isVisibility = (entry: JournalEntry): entry is VisibilityEntry =>
  entry.type === 'hidden' || entry.type === 'shown';

function* inSteps<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += STEP) yield all.slice(start, start + STEP);
}

/** As it is kept where clientIds are not to be; 128 bits of it are enough for all clients there will ever be. */
export const hashed = (clientId: string): string =>
  createHash('sha256').update(clientId).digest('hex').slice(0, 32);

const idOf = ({ epoch, partition, id }: JournalEntry): string => JSON.stringify([epoch, partition, id]);

async function claim(database: Database, entries: readonly JournalEntry[]): Promise<JournalEntry[]> {
  const written = await writtenOf(database, entries);
  const fresh = new Map<string, JournalEntry>();
  for (const entry of entries) {
    if (!written.has(idOf(entry))) fresh.set(idOf(entry), entry);
  }
  const rows = [...fresh.values()].map(({ epoch, partition, id }) => ({
    epoch,
    partition_number: partition,
    entry: id,
    written_at: Date.now(),
  }));
  await insert(database, 'faye_online_written', rows);
  return [...fresh.values()];
}

async function writtenOf(
  { tables }: Database,
  entries: readonly JournalEntry[],
): Promise<ReadonlySet<string>> {
  const rows = await tables
    .selectFrom('faye_online_written')
    .select(['epoch', 'partition_number as partition', 'entry as id'])
    .where('epoch', 'in', [...new Set(entries.map(({ epoch }) => epoch))])
    .where('partition_number', 'in', [...new Set(entries.map(({ partition }) => partition))])
    .where('entry', 'in', [...new Set(entries.map(({ id }) => id))])
    .execute();
  return new Set(rows.map((row) => idOf(row as JournalEntry)));
}

type Sighting = Pick<MembershipEntry, 'uid' | 'user' | 'at'>;

interface Seen {
  uid: string;
  info: string | null;
  seen_at: number;
}

/** Who it was, as the last one to come said, and when. */
async function writeUsers(database: Database, entries: readonly Sighting[]): Promise<void> {
  if (entries.length === 0) return;
  const uids = [...new Set(entries.map(({ uid }) => storable(uid)))];
  const known = await database.tables
    .selectFrom('faye_online_users')
    .selectAll()
    .where('uid', 'in', uids)
    .execute();
  const users = new Map<string, Seen>(known.map((row) => [row.uid, row]));
  for (const { uid, user, at } of entries) {
    const key = storable(uid);
    const before = users.get(key);
    const info = user ? infoOf(user) : (before?.info ?? null);
    users.set(key, { uid: key, info, seen_at: Math.max(at, before?.seen_at ?? 0) });
  }
  await upsert(database, 'faye_online_users', [...users.values()], ['uid'], ['info', 'seen_at']);
}

const infoOf = ({ uid, uname }: User): string => JSON.stringify({ uid, uname });
