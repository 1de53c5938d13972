/**
 * The store that many nodes share. Each step is one Lua script (lua/), whose header says why it must be atomic, and concerns
 * the keys of one partition.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ask } from '../redis/ask.js';
import type { RedisConnections } from '../redis/connection.js';
import type { Epochs } from '../redis/epochs.js';
import { warnOfEviction } from '../redis/eviction.js';
import type { RedisHub } from '../redis/hub.js';
import { Keys } from '../redis/keys.js';
import { type Outage, outageOf } from '../redis/outage.js';
import type { Partitions } from '../redis/partitions.js';
import { type Commands, type NotYet, type Script, scripts } from '../redis/scripts.js';
import { INTENT_TTL_MS, LEFT_TTL_MS } from '../timings.js';
import { allSettled } from './all-settled.js';
import { type Identity, type User, userKey } from './identity.js';
import { JOURNAL_BOUND } from './journal.js';
import { RedisJournal } from './redis-journal.js';
import { due, parseChange, parseRecord, parseUser, parseVisibility } from './redis-replies.js';
import { RedisStrays } from './redis-strays.js';
import {
  type Announced,
  type Announcement,
  type Ban,
  CLAIM_TTL,
  type ClientRecord,
  type Concerns,
  type Entered,
  type Intent,
  type Member,
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

export interface RedisStoreOptions {
  hub: RedisHub;
  window: Window;
  /** Entries of the journal at most, of each partition. Default 1,000,000. */
  journalBound?: number;
  log: Logger;
}

/** As lua/visibility.lua says it. */
interface Seen {
  clientId: string;
  visibility: string;
  since: string;
}

interface Moved {
  clientId: string;
  by: string;
}

/** What lua/enter.lua and lua/visibility.lua answer where they have done nothing. */
const REFUSED = -1;
const NO_EPOCH = -2;

export class RedisStore implements Store {
  readonly journal: RedisJournal;
  private readonly redis: RedisConnections;
  private readonly partitions: Partitions;
  /** By partition. */
  private readonly keys: readonly Keys[];
  /** What there is once. */
  private readonly home: Keys;
  private readonly looks: Epochs;
  private readonly straying: RedisStrays;
  private readonly listeners: ((announcement: Announcement) => void)[] = [];
  private readonly obeying: ((order: Order) => void)[] = [];
  private readonly following: ((moved: Moved) => void)[] = [];
  private readonly hearing: (() => void)[] = [];
  private readonly watching: ((seen: Seen) => void)[] = [];
  private readonly renewed: ((concerns: Concerns) => Promise<void>)[] = [];
  private opened = false;
  /** Ours, so that this node does not hear what it said itself. */
  private readonly self = randomUUID();

  constructor(private readonly options: RedisStoreOptions) {
    const { redis, partitions, epochs } = options.hub;
    this.redis = redis;
    this.partitions = partitions;
    this.looks = epochs;
    const { namespaces, scope } = partitions;
    this.keys = namespaces.map((namespace) => new Keys(namespace, scope));
    this.home = this.keys[0] as Keys;
    this.journal = new RedisJournal(this.redis, this.keys);
    this.straying = new RedisStrays({ redis: this.redis, keys: this.keys, partitions: this.partitions });
    epochs.onChange((partition) => this.renew(partition));
    redis.plain.on('message', this.received);
  }

  get description(): string {
    return this.redis.description;
  }

  get connected(): boolean {
    return !this.asked?.isAway;
  }

  get ready(): boolean {
    return this.asked?.isReady ?? true;
  }

  get outage(): string | null {
    return this.asked?.reason ?? null;
  }

  get epochs(): readonly string[] {
    return this.connected ? this.looks.all : [];
  }

  epochOf(channel: string): string {
    return this.looks.of(this.partitions.of(channel));
  }

  async open(): Promise<void> {
    await this.options.hub.accepted();
    await warnOfEviction(this.redis.commands, this.options.log);
    // Whoever listens has looked (lua/epoch.lua).
    await this.looks.first;
    const { plain } = this.redis;
    const { announcements, orders, moved, visibility } = this.home;
    await plain.subscribe(announcements, orders, moved, visibility);
    plain.on('ready', this.listening);
    this.opened = true;
  }

  /** The hub stays open. */
  async close(): Promise<void> {
    this.opened = false;
    this.redis.plain.off('message', this.received).off('ready', this.listening);
  }

  async bind(clientId: string, identity: Identity): Promise<ClientRecord> {
    const { clientAuth, clients } = this.keysOf(clientId);
    const keys = [clientAuth(clientId), clients];
    const args = [clientId, userKey(identity.uid), JSON.stringify(identity)];
    return parseRecord(await this.run(scripts.bind, keys, args));
  }

  async read(clientId: string): Promise<ClientRecord | null> {
    const record = await this.ask((redis) => redis.get(this.keysOf(clientId).clientAuth(clientId)));
    return record === null ? null : parseRecord(record);
  }

  async intend(clientId: string, channels: readonly string[]): Promise<Intent | null> {
    const { clientAuth, clientStatus } = this.keysOf(clientId);
    const keys = [clientAuth(clientId), clientStatus(clientId)];
    const [at, visibility, since, ...leave] = await this.run(scripts.intend, keys, channels);
    return at === 0 ? null : { at, leave, visibility: parseVisibility(visibility, since) };
  }

  async settle(clientId: string, intended: number): Promise<boolean> {
    return (await this.run(scripts.settle, [this.keysOf(clientId).clientAuth(clientId)], [intended])) === 1;
  }

  async setVisibility(
    clientId: string,
    hidden: boolean,
    { since, elsewhere = false }: VisibilitySetting = {},
  ): Promise<Visibility | null> {
    const { clientAuth, epoch, journal, journalState } = this.keysOf(clientId);
    const keys = [clientAuth(clientId), epoch, journal, journalState];
    const told = elsewhere ? this.home.visibility : '';
    const args = [clientId, hidden ? 'hidden' : 'shown', since ?? '', this.journalBound, told];
    for (;;) {
      const [outcome, visibility] = await this.run(scripts.visibility, keys, args);
      if (outcome === REFUSED) return null;
      if (outcome !== NO_EPOCH) return parseVisibility(visibility, outcome);
      await this.looks.look();
    }
  }

  onVisibility(listener: (clientId: string, visibility: Visibility) => void): void {
    this.watching.push(({ clientId, visibility, since }) => {
      const seen = parseVisibility(visibility, since);
      if (seen) listener(clientId, seen);
    });
  }

  async beginEnd(clientId: string): Promise<ClientRecord | null> {
    const { clientAuth, clientStatus, clients, epoch } = this.keysOf(clientId);
    const keys = [clientAuth(clientId), clientStatus(clientId), clients, epoch];
    const record = await this.run(scripts.beginEnd, keys, [clientId]);
    return record === null ? null : parseRecord(record);
  }

  async forget(clientId: string): Promise<void> {
    const { clientAuth, clientStatus, clients } = this.keysOf(clientId);
    await this.run(scripts.forget, [clientAuth(clientId), clientStatus(clientId), clients], [clientId]);
  }

  async tellMoved(clientId: string): Promise<void> {
    const moved: Moved = { clientId, by: this.self };
    await this.ask((redis) => redis.publish(this.home.moved, JSON.stringify(moved)));
  }

  onMoved(listener: (clientId: string) => void): void {
    this.following.push(({ clientId, by }) => {
      if (by !== this.self) listener(clientId);
    });
  }

  onHearing(listener: () => void): void {
    this.hearing.push(listener);
  }

  onEpoch(listener: (concerns: Concerns) => Promise<void>): void {
    this.renewed.push(listener);
  }

  async enter(
    channel: string,
    user: User,
    clientId: string,
    intended: number,
    since?: number,
    isRenamed = false,
  ): Promise<Entered | null> {
    const keys = this.keysOfMember(channel, clientId);
    const args = [
      channel,
      userKey(user.uid),
      clientId,
      JSON.stringify(user),
      ...this.window,
      this.journalBound,
      intended,
      INTENT_TTL_MS,
      since === undefined ? '' : String(since).padStart(16, '0'),
      this.isElsewhere(channel, clientId) ? 1 : '',
      isRenamed ? 1 : 0,
    ];
    for (;;) {
      const [outcome, dueIn, entered, came] = await this.run(scripts.enter, keys, args);
      if (outcome === REFUSED) return null;
      if (outcome !== NO_EPOCH) {
        return {
          changed: outcome === 1,
          dueIn: due(dueIn),
          since: Number(entered),
          came: came || null,
        };
      }
      await this.looks.look();
    }
  }

  async leave(
    channel: string,
    uid: string | number,
    clientId: string,
    intended: number | null,
    at?: number,
  ): Promise<Transition> {
    const [left, dueIn] = await this.run(scripts.leave, this.keysOfMember(channel, clientId), [
      channel,
      userKey(uid),
      clientId,
      ...this.window,
      this.journalBound,
      at ?? '',
      intended ?? '',
      LEFT_TTL_MS,
      this.isElsewhere(channel, clientId) ? 1 : '',
    ]);
    return { changed: left === 1, dueIn: due(dueIn) };
  }

  async members(channel: string, limit: number): Promise<Members> {
    const [count, users] = await this.known(scripts.members, this.keysOfChannel(channel), [channel, limit]);
    return { count, users: users.map(parseUser) };
  }

  async snapshot(channel: string, limit: number): Promise<Snapshot> {
    const keys = this.keysOfChannel(channel);
    const [epoch, version, count, users] = await this.known(scripts.snapshot, keys, [channel, limit]);
    return { epoch, version, count, users: users.map(parseUser) };
  }

  async take(channel: string, claim: string): Promise<Taken | number | null> {
    const taken = await this.run(scripts.take, this.keysOfChannel(channel), [channel, claim, CLAIM_TTL]);
    if (taken === null || typeof taken === 'number') return taken;
    const [epoch, version, count, changes] = taken;
    return { epoch, version, count, changes: changes.map(parseChange) };
  }

  async announce(
    channel: string,
    claim: string,
    taken: number,
    announcement: Announcement | null,
  ): Promise<Announced> {
    const [done, dueIn] = await this.run(scripts.announce, this.keysOfChannel(channel), [
      channel,
      claim,
      taken,
      announcement ? JSON.stringify(announcement) : '',
      this.home.announcements,
      announcement?.count ?? 0,
      ...this.window,
    ]);
    return { done: done === 1, dueIn: due(dueIn) };
  }

  async overdue(grace: number, limit: number): Promise<string[]> {
    return this.oldest(({ dirty }) => dirty, grace, limit);
  }

  onAnnouncement(listener: (announcement: Announcement) => void): void {
    this.listeners.push(listener);
  }

  async unchecked(age: number, limit: number): Promise<string[]> {
    return this.oldest(({ clients }) => clients, age, limit);
  }

  async checked(clientIds: readonly string[]): Promise<void> {
    const { partitions } = this;
    await Promise.all(
      this.keys.map(async ({ clients }, partition) => {
        const ours = clientIds.filter((clientId) => partitions.of(clientId) === partition);
        if (ours.length > 0) await this.run(scripts.checked, [clients], ours);
      }),
    );
  }

  strays(look: (members: readonly Member[]) => Promise<void>): Promise<void> {
    return this.straying.find(look);
  }

  async lock(holder: string, ttl: number): Promise<boolean> {
    return (await this.ask((redis) => redis.set(this.home.reaper, holder, 'PX', ttl, 'NX'))) === 'OK';
  }

  async unlock(holder: string): Promise<void> {
    await this.run(scripts.unlock, [this.home.reaper], [holder]);
  }

  async ban(uid: string | number, milliseconds: number): Promise<void> {
    await this.run(scripts.ban, [this.home.banned], [userKey(uid), milliseconds]);
  }

  async bannedFor(uid: string | number): Promise<number> {
    return this.run(scripts.bannedFor, [this.home.banned], [userKey(uid)]);
  }

  async banned(): Promise<Ban[]> {
    const found = await this.run(scripts.banned, [this.home.banned]);
    return Array.from({ length: found.length / 2 }, (_, index) => ({
      uid: String(found[2 * index]),
      left: Number(found[2 * index + 1]),
    }));
  }

  async order(order: Order): Promise<void> {
    await this.ask((redis) => redis.publish(this.home.orders, JSON.stringify(order)));
  }

  onOrder(listener: (order: Order) => void): void {
    this.obeying.push(listener);
  }

  /** What the keys of handshake limits begin with. */
  get rates(): string {
    return this.partitions.rates;
  }

  /** The connection for commands, for others who keep something there. */
  get commands(): Commands {
    return this.redis.commands;
  }

  private readonly received = (channel: string, text: string): void => {
    if (channel === this.home.announcements) this.hear(text, this.listeners);
    else if (channel === this.home.orders) this.hear(text, this.obeying);
    else if (channel === this.home.moved) this.hear(text, this.following);
    else if (channel === this.home.visibility) this.hear(text, this.watching);
  };

  private readonly listening = (): void => {
    for (const listening of this.hearing) listening();
  };

  private get asked(): Outage | null {
    const { commands, plain, refusal } = this.redis;
    const isOpen = this.opened && commands.status === 'ready' && plain.status === 'ready';
    return outageOf({ isOpen, away: this.looks.away, partitions: this.keys.length, refusal });
  }

  private get window(): [base: number, perUser: number, max: number] {
    const { base, perUser, max } = this.options.window;
    return [base, perUser, max];
  }

  private get journalBound(): number {
    return this.options.journalBound ?? JOURNAL_BOUND;
  }

  /** The keys of a channel's or a client's partition. */
  private keysOf(name: string): Keys {
    return this.keys[this.partitions.of(name)] as Keys;
  }

  private keysOfChannel(channel: string): string[] {
    return this.keysOf(channel).ofChannel(channel);
  }

  /** What entering and leaving touch. */
  private keysOfMember(channel: string, clientId: string): string[] {
    const { journal, journalState, clientAuth, left } = this.keysOf(channel);
    const record = this.isElsewhere(channel, clientId) ? left(channel) : clientAuth(clientId);
    return [...this.keysOfChannel(channel), journal, journalState, record];
  }

  /** Whether a client is in another partition than the channel. */
  private isElsewhere(channel: string, clientId: string): boolean {
    return this.partitions.of(channel) !== this.partitions.of(clientId);
  }

  /** As many of each partition, so that none waits for another. */
  private async oldest(key: (keys: Keys) => string, age: number, limit: number): Promise<string[]> {
    const each = Math.ceil(limit / this.keys.length);
    const found = await Promise.all(
      this.keys.map((keys) => this.run(scripts.overdue, [key(keys)], [age, each])),
    );
    return found.flat().slice(0, limit);
  }

  /** Asks until it is known: in a new epoch the nodes have to write down again who is with them. */
  private async known<T>(
    script: Script<T | NotYet>,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<T> {
    for (;;) {
      const answer = await this.run(script, keys, args);
      if (answer === null) await this.looks.look();
      else if (typeof answer === 'number') await after(answer);
      else return answer as T;
    }
  }

  private run<T>(
    script: Script<T>,
    keys: readonly string[],
    args?: readonly (string | number)[],
  ): Promise<T> {
    return this.ask((redis) => script(redis, keys, args));
  }

  private ask<T>(question: (redis: Commands) => Promise<T>): Promise<T> {
    return ask(this.redis, question);
  }

  private async renew(partition: number): Promise<void> {
    // First, so that nothing that happens from now on is missing in it.
    await this.journal.openAgain(partition);
    const concerns: Concerns = (name) => this.partitions.of(name) === partition;
    await allSettled(this.renewed.map((listener) => listener(concerns)));
  }

  private hear<T>(text: string, listeners: ((heard: T) => void)[]): void {
    try {
      const heard = JSON.parse(text) as T;
      for (const listener of listeners) listener(heard);
    } catch (error) {
      this.options.log.error({ err: error }, 'what another node said could not be handled');
    }
  }
}
