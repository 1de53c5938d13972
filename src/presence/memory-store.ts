/** The store of a single process. Each method runs in one turn, which makes it atomic. */
import { randomUUID } from 'node:crypto';
import { type Identity, type User, userKey } from './identity.js';
import { JOURNAL_BOUND, type MembershipEntry } from './journal.js';
import { MemoryJournal } from './memory-journal.js';
import {
  type Announced,
  type Announcement,
  type Ban,
  type Change,
  CLAIM_TTL,
  type ClientRecord,
  type Entered,
  type Intent,
  type Members,
  type Order,
  type Snapshot,
  type Store,
  type Taken,
  type Transition,
  type VisibilitySetting,
  type Window,
} from './store.js';
import type { Visibility } from './visibility.js';

interface Member {
  user: User;
  clientIds: Set<string>;
  /** Since when, in microseconds: its place in the order of entering. */
  entered: number;
}

interface PendingChange extends Change {
  /** When the user entered. */
  entered: number;
}

interface Room {
  /** By user key; a Map keeps the order of entering. */
  members: Map<string, Member>;
  version: number;
  pending: PendingChange[];
  claim: { by: string; until: number } | null;
}

export class MemoryStore implements Store {
  readonly description = 'memory';
  readonly connected = true;
  readonly ready = true;
  readonly outage = null;
  readonly journal: MemoryJournal;
  private readonly epoch = randomUUID();
  private readonly clients = new Map<string, ClientRecord & { checkedAt: number }>();
  private readonly rooms = new Map<string, Room>();
  /** Channels with changes to announce, and when they are due. */
  private readonly dirty = new Map<string, number>();
  private readonly listeners: ((announcement: Announcement) => void)[] = [];
  private readonly bans = new Map<string, number>();
  private readonly obeying: ((order: Order) => void)[] = [];
  /** When a user entered last, microseconds: no two enter at the same time. */
  private entered = 0;
  /** The highest version of a room that is gone, so that a room's next life goes on from there. */
  private floor = 0;

  constructor(
    private readonly window: Window,
    private readonly now: () => number = Date.now,
    journalBound: number = JOURNAL_BOUND,
  ) {
    this.journal = new MemoryJournal(journalBound, now);
  }

  get epochs(): readonly string[] {
    return [this.epoch];
  }

  epochOf(): string {
    return this.epoch;
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  /** What is left in memory: all zero once everybody has gone, but for the journal. */
  get sizes(): { clients: number; rooms: number } {
    return { clients: this.clients.size, rooms: this.rooms.size };
  }

  async bind(clientId: string, identity: Identity): Promise<ClientRecord> {
    const known = this.clients.get(clientId);
    if (!known) {
      const nowhere = { channels: [], leaving: [], intended: 0, visibility: null };
      this.clients.set(clientId, { identity, ...nowhere, state: 'bound', checkedAt: this.now() });
    } else if (userKey(known.identity.uid) === userKey(identity.uid)) {
      known.identity = identity;
    }
    return this.copy(clientId) as ClientRecord;
  }

  async read(clientId: string): Promise<ClientRecord | null> {
    return this.copy(clientId);
  }

  async intend(clientId: string, channels: readonly string[]): Promise<Intent | null> {
    const client = this.clients.get(clientId);
    if (!client || client.state === 'ending') return null;
    const before = new Set([...client.channels, ...client.leaving]);
    client.leaving = [...before].filter((channel) => !channels.includes(channel));
    client.channels = [...channels];
    client.intended = Math.max(this.now(), client.intended + 1);
    client.state = 'in';
    return { at: client.intended, leave: [...client.leaving], visibility: client.visibility };
  }

  async settle(clientId: string, intended: number): Promise<boolean> {
    const client = this.clients.get(clientId);
    if (!client || client.state === 'ending' || client.intended !== intended) return false;
    client.leaving = [];
    return true;
  }

  async setVisibility(
    clientId: string,
    hidden: boolean,
    { since }: VisibilitySetting = {},
  ): Promise<Visibility | null> {
    const client = this.clients.get(clientId);
    if (!client || client.state === 'ending') return null;
    const before = client.visibility;
    const isChange = since === undefined ? before?.hidden !== hidden : since > (before?.since ?? 0);
    if (before && !isChange) return before;
    const visibility = { hidden, since: since ?? Math.max(this.now(), (before?.since ?? 0) + 1) };
    client.visibility = visibility;
    this.journal.append({
      epoch: this.epoch,
      type: hidden ? 'hidden' : 'shown',
      uid: userKey(client.identity.uid),
      clientId,
      at: visibility.since,
    });
    return visibility;
  }

  /** There is no other node. */
  onVisibility(): void {}

  async beginEnd(clientId: string): Promise<ClientRecord | null> {
    const client = this.clients.get(clientId);
    if (client && client.state !== 'ending') {
      client.state = 'ending';
      client.intended = Math.max(this.now(), client.intended + 1);
    }
    return this.copy(clientId);
  }

  async forget(clientId: string): Promise<void> {
    if (this.clients.get(clientId)?.state === 'ending') this.clients.delete(clientId);
  }

  /** There is no other node. */
  async tellMoved(): Promise<void> {}

  onMoved(): void {}

  onHearing(): void {}

  onEpoch(): void {}

  async enter(
    channel: string,
    user: User,
    clientId: string,
    _intended: number,
    since?: number,
    isRenamed = false,
  ): Promise<Entered | null> {
    if (!this.isMeant(clientId, channel)) return null;
    const room = this.room(channel);
    const key = userKey(user.uid);
    const member = room.members.get(key);
    const at = this.now();
    if (member) {
      const isNew = !member.clientIds.has(clientId);
      member.clientIds.add(clientId);
      if (since !== undefined) this.goesBackTo(room, member, since);
      else if (isNew) this.write('in', channel, clientId, { uid: key, user, transition: false, at });
      const came = isNew && since === undefined ? at : null;
      const takesName = since === undefined && (isNew || isRenamed);
      const dueIn = takesName ? this.rename(channel, room, member, user) : null;
      return { changed: false, dueIn, since: member.entered, came };
    }
    const entered = since ?? Math.max(at * 1_000, this.entered + 1);
    this.entered = Math.max(entered, this.entered);
    room.members.set(key, { user, clientIds: new Set([clientId]), entered });
    if (since === undefined) this.write('in', channel, clientId, { uid: key, user, transition: true, at });
    else inOrder(room);
    const came = since === undefined ? at : null;
    return {
      ...this.change(channel, room, { type: 'join', user, entered }),
      since: entered,
      came,
    };
  }

  async leave(
    channel: string,
    uid: string | number,
    clientId: string,
    _intended: number | null,
    at?: number,
  ): Promise<Transition> {
    const room = this.rooms.get(channel);
    const key = userKey(uid);
    const member = room?.members.get(key);
    if (!room || this.isMeant(clientId, channel) || !member?.clientIds.delete(clientId))
      return { changed: false, dueIn: null };
    const transition = member.clientIds.size === 0;
    this.write('out', channel, clientId, { uid: key, transition, ...(at !== undefined && { at }) });
    if (!transition) return { changed: false, dueIn: null };
    room.members.delete(key);
    return this.change(channel, room, { type: 'leave', user: member.user, entered: member.entered });
  }

  async members(channel: string, limit: number): Promise<Members> {
    const room = this.rooms.get(channel);
    return { count: room?.members.size ?? 0, users: firstUsers(room?.members.values() ?? [], limit) };
  }

  async snapshot(channel: string, limit: number): Promise<Snapshot> {
    const room = this.rooms.get(channel);
    const version = room?.version ?? this.floor;
    const announced = room ? asAnnounced(room) : [];
    return { epoch: this.epoch, version, count: announced.length, users: firstUsers(announced, limit) };
  }

  async take(channel: string, claim: string): Promise<Taken | null> {
    const room = this.rooms.get(channel);
    if (!room || (room.claim && room.claim.by !== claim && room.claim.until > this.now())) return null;
    room.claim = { by: claim, until: this.now() + CLAIM_TTL };
    return {
      epoch: this.epoch,
      version: room.version,
      count: room.members.size,
      changes: room.pending.map(({ type, user }) => ({ type, user })),
    };
  }

  async announce(
    channel: string,
    claim: string,
    taken: number,
    announcement: Announcement | null,
  ): Promise<Announced> {
    const room = this.rooms.get(channel);
    if (room?.claim?.by !== claim) return { done: false, dueIn: null };
    room.claim = null;
    keepPlaces(room, room.pending.splice(0, taken));
    if (announcement) room.version += 1;
    this.dirty.delete(channel);
    const dueIn = room.pending.length > 0 ? this.mark(channel, room) : null;
    if (dueIn === null && room.members.size === 0) this.remove(channel, room);
    if (announcement) for (const listener of this.listeners) listener(announcement);
    return { done: true, dueIn };
  }

  async overdue(grace: number, limit: number): Promise<string[]> {
    const before = this.now() - grace;
    const due = [...this.dirty].filter(([, dueAt]) => dueAt <= before);
    return due.slice(0, limit).map(([channel]) => channel);
  }

  onAnnouncement(listener: (announcement: Announcement) => void): void {
    this.listeners.push(listener);
  }

  async unchecked(age: number, limit: number): Promise<string[]> {
    const before = this.now() - age;
    // A checked client moves to the end of the Map, so the longest unchecked come first.
    const clientIds: string[] = [];
    for (const [clientId, { checkedAt }] of this.clients) {
      if (checkedAt > before || clientIds.length === limit) break;
      clientIds.push(clientId);
    }
    return clientIds;
  }

  async checked(clientIds: readonly string[]): Promise<void> {
    for (const clientId of clientIds) {
      const client = this.clients.get(clientId);
      if (!client) continue;
      client.checkedAt = this.now();
      this.clients.delete(clientId);
      this.clients.set(clientId, client);
    }
  }

  /** It loses nothing, and all that it has is in one place. */
  async strays(): Promise<void> {}

  async lock(): Promise<boolean> {
    return true;
  }

  async unlock(): Promise<void> {}

  async ban(uid: string | number, milliseconds: number): Promise<void> {
    for (const [key, ends] of this.bans) if (ends <= this.now()) this.bans.delete(key);
    this.bans.set(userKey(uid), this.now() + milliseconds);
  }

  async bannedFor(uid: string | number): Promise<number> {
    return Math.max(0, (this.bans.get(userKey(uid)) ?? 0) - this.now());
  }

  async banned(): Promise<Ban[]> {
    const now = this.now();
    return [...this.bans].map(([uid, ends]) => ({ uid, left: ends - now })).filter(({ left }) => left > 0);
  }

  async order(order: Order): Promise<void> {
    for (const listener of this.obeying) listener(order);
  }

  onOrder(listener: (order: Order) => void): void {
    this.obeying.push(listener);
  }

  private isMeant(clientId: string, channel: string): boolean {
    const client = this.clients.get(clientId);
    return client?.state === 'in' && client.channels.includes(channel);
  }

  private copy(clientId: string): ClientRecord | null {
    const client = this.clients.get(clientId);
    if (!client) return null;
    const { identity, channels, leaving, intended, visibility, state } = client;
    return { identity, channels: [...channels], leaving: [...leaving], intended, visibility, state };
  }

  private room(channel: string): Room {
    let room = this.rooms.get(channel);
    if (!room) {
      room = { members: new Map(), version: this.floor, pending: [], claim: null };
      this.rooms.set(channel, room);
    }
    return room;
  }

  private write(
    type: MembershipEntry['type'],
    channel: string,
    clientId: string,
    what: Pick<MembershipEntry, 'uid' | 'transition'> & { user?: User; at?: number },
  ): void {
    this.journal.append({ epoch: this.epoch, type, channel, clientId, at: this.now(), ...what });
  }

  /** But for a user who is announced: one version is one list, in one order. */
  private goesBackTo(room: Room, member: Member, since: number): void {
    const key = userKey(member.user.uid);
    const first = room.pending.find(({ user }) => userKey(user.uid) === key);
    if (first?.type !== 'join') return;
    member.entered = Math.min(member.entered, since);
    inOrder(room);
  }

  /** As a leave and a join in the same place: the list stays the same, and is announced. */
  private rename(channel: string, room: Room, member: Member, { uname }: User): number | null {
    const { user: before, entered } = member;
    if (before.uname === uname) return null;
    member.user = { ...before, uname };
    room.pending.push({ type: 'leave', user: before, entered }, { type: 'join', user: member.user, entered });
    return this.mark(channel, room);
  }

  private change(channel: string, room: Room, change: PendingChange): Transition {
    room.pending.push(change);
    return { changed: true, dueIn: this.mark(channel, room) };
  }

  private mark(channel: string, room: Room): number | null {
    if (this.dirty.has(channel)) return null;
    const { base, perUser, max } = this.window;
    const dueIn = Math.min(base + perUser * room.members.size, max);
    this.dirty.set(channel, this.now() + dueIn);
    return dueIn;
  }

  private remove(channel: string, room: Room): void {
    this.floor = Math.max(this.floor, room.version);
    this.rooms.delete(channel);
  }
}

/** Somebody was put in with a time before others'. */
function inOrder(room: Room): void {
  room.members = new Map([...room.members].sort(([, a], [, b]) => a.entered - b.entered));
}

/** Who left and came back keeps its place: nobody was told, so the list of the version before has it there. */
function keepPlaces(room: Room, announced: readonly PendingChange[]): void {
  const seen = new Set<string>();
  for (const { type, user, entered } of announced) {
    const key = userKey(user.uid);
    const member = seen.has(key) || type === 'join' ? undefined : room.members.get(key);
    if (member) member.entered = entered;
    seen.add(key);
  }
  inOrder(room);
}

interface Listed {
  user: User;
  entered: number;
}

/**
 * The members without the pending changes. The first of a user's says whether it was there: one that joins was not,
 * one that leaves was.
 */
function asAnnounced({ members, pending }: Room): Listed[] {
  if (pending.length === 0) return [...members.values()];
  const first = new Map<string, PendingChange>();
  for (const change of pending) {
    const key = userKey(change.user.uid);
    if (!first.has(key)) first.set(key, change);
  }
  const stayed = [...members].filter(([key]) => !first.has(key)).map(([, member]) => member);
  const undone = [...first.values()].filter(({ type }) => type === 'leave');
  return undone.length === 0 ? stayed : [...stayed, ...undone].sort((a, b) => a.entered - b.entered);
}

function firstUsers(listed: Iterable<Listed>, limit: number): User[] {
  const users: User[] = [];
  for (const { user } of listed) {
    if (users.length === limit) break;
    users.push(user);
  }
  return users;
}
