/** Who is in which channel, in a single process. Each method runs in one turn, which makes it atomic. */
import { type User, userKey } from './identity.js';
import type { MembershipEntry } from './journal.js';
import type { MemoryJournal } from './memory-journal.js';
import {
  type Announced,
  type Announcement,
  type Change,
  type Channels,
  CLAIM_TTL,
  type Members,
  type Snapshot,
  type Taken,
  type Transition,
  type Window,
} from './store.js';

export interface MemoryChannelsOptions {
  window: Window;
  journal: MemoryJournal;
  epoch: string;
  /** Milliseconds since 1970. */
  now(): number;
}

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

export class MemoryChannels implements Channels {
  private readonly rooms = new Map<string, Room>();
  /** Channels with changes to announce, and when they are due. */
  private readonly dirty = new Map<string, number>();
  private readonly listeners: ((announcement: Announcement) => void)[] = [];
  /** When a user entered last, microseconds: no two enter at the same time. */
  private entered = 0;
  /** The highest version of a room that is gone, so that a room's next life goes on from there. */
  private floor = 0;

  constructor(private readonly options: MemoryChannelsOptions) {}

  /** Rooms: none once everybody has gone. */
  get size(): number {
    return this.rooms.size;
  }

  /** `isRenamed`: the name of a client counts that is in already. `at`: when the client came, or was entered again, ms. */
  enter(channel: string, user: User, clientId: string, isRenamed = false): Transition & { at: number } {
    const room = this.room(channel);
    const key = userKey(user.uid);
    const member = room.members.get(key);
    const at = this.options.now();
    if (member) {
      const isNew = !member.clientIds.has(clientId);
      member.clientIds.add(clientId);
      if (isNew) this.write('in', channel, clientId, { uid: key, user, transition: false, at });
      const dueIn = isNew || isRenamed ? this.rename(channel, room, member, user) : null;
      return { changed: false, dueIn, at };
    }
    const entered = Math.max(at * 1_000, this.entered + 1);
    this.entered = entered;
    room.members.set(key, { user, clientIds: new Set([clientId]), entered });
    this.write('in', channel, clientId, { uid: key, user, transition: true, at });
    return { ...this.change(channel, room, { type: 'join', user, entered }), at };
  }

  leave(channel: string, uid: string | number, clientId: string): Transition {
    const room = this.rooms.get(channel);
    const key = userKey(uid);
    const member = room?.members.get(key);
    if (!room || !member?.clientIds.delete(clientId)) return { changed: false, dueIn: null };
    const transition = member.clientIds.size === 0;
    this.write('out', channel, clientId, { uid: key, transition });
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
    return {
      epoch: this.options.epoch,
      version,
      count: announced.length,
      users: firstUsers(announced, limit),
    };
  }

  async take(channel: string, claim: string): Promise<Taken | null> {
    const room = this.rooms.get(channel);
    if (!room || (room.claim && room.claim.by !== claim && room.claim.until > this.options.now()))
      return null;
    room.claim = { by: claim, until: this.options.now() + CLAIM_TTL };
    return {
      epoch: this.options.epoch,
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
    const before = this.options.now() - grace;
    const due = [...this.dirty].filter(([, dueAt]) => dueAt <= before);
    return due.slice(0, limit).map(([channel]) => channel);
  }

  onAnnouncement(listener: (announcement: Announcement) => void): void {
    this.listeners.push(listener);
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
    this.options.journal.append({
      epoch: this.options.epoch,
      type,
      channel,
      clientId,
      at: this.options.now(),
      ...what,
    });
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
    const { base, perUser, max } = this.options.window;
    const dueIn = Math.min(base + perUser * room.members.size, max);
    this.dirty.set(channel, this.options.now() + dueIn);
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
