/** The store that many nodes share. Each step is one Lua script (lua/), whose header says why it must be atomic. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { Away } from '../away.js';
import { openRedis, type RedisConnections, type RedisSource } from '../redis/connection.js';
import { Keys } from '../redis/keys.js';
import { type Commands, type Script, scripts } from '../redis/scripts.js';
import { type Identity, type User, userKey } from './identity.js';
import {
  type Announced,
  type Announcement,
  type Change,
  CLAIM_TTL,
  type ClientRecord,
  type Members,
  type Order,
  type Snapshot,
  type Store,
  type Taken,
  type Transition,
  type Window,
} from './store.js';

export interface RedisStoreOptions {
  source: RedisSource;
  namespace: string;
  window: Window;
  log: Logger;
}

interface Moved {
  clientId: string;
  by: string;
}

export class RedisStore implements Store {
  private readonly redis: RedisConnections;
  private readonly keys: Keys;
  private readonly listeners: ((announcement: Announcement) => void)[] = [];
  private readonly obeying: ((order: Order) => void)[] = [];
  private readonly following: ((moved: Moved) => void)[] = [];
  private readonly renewed: (() => void)[] = [];
  /** Ours, so that this node does not hear what it said itself. */
  private readonly self = randomUUID();
  private epoch: string | undefined;

  constructor(private readonly options: RedisStoreOptions) {
    this.keys = new Keys(options.namespace);
    this.redis = openRedis(options.source, options.log);
    this.redis.commands.on('ready', () => this.beginEpoch());
    this.redis.listener.on('message', (channel: string, text: string) => {
      if (channel === this.keys.announcements) this.hear(text, this.listeners);
      else if (channel === this.keys.orders) this.hear(text, this.obeying);
      else if (channel === this.keys.moved) this.hear(text, this.following);
    });
  }

  get description(): string {
    return this.redis.description;
  }

  get connected(): boolean {
    return this.redis.commands.status === 'ready' && this.redis.listener.status === 'ready';
  }

  async open(): Promise<void> {
    const { commands, listener } = this.redis;
    await Promise.all([whenReady(commands), whenReady(listener)]);
    await listener.subscribe(this.keys.announcements, this.keys.orders, this.keys.moved);
  }

  async close(): Promise<void> {
    this.redis.close();
  }

  async bind(clientId: string, identity: Identity): Promise<ClientRecord> {
    const keys = [this.keys.clientAuth(clientId), this.keys.clients];
    const args = [clientId, userKey(identity.uid), JSON.stringify(identity)];
    return parseRecord(await this.run(scripts.bind, keys, args));
  }

  async read(clientId: string): Promise<ClientRecord | null> {
    const record = await this.ask((redis) => redis.get(this.keys.clientAuth(clientId)));
    return record === null ? null : parseRecord(record);
  }

  async intend(clientId: string, channels: readonly string[]): Promise<boolean> {
    const keys = [this.keys.clientAuth(clientId), this.keys.clientStatus(clientId)];
    return (await this.run(scripts.intend, keys, channels)) === 1;
  }

  async settle(clientId: string, channels: readonly string[]): Promise<void> {
    await this.run(scripts.settle, [this.keys.clientAuth(clientId)], channels);
  }

  async beginEnd(clientId: string): Promise<ClientRecord | null> {
    const record = await this.run(scripts.beginEnd, [this.keys.clientAuth(clientId)]);
    return record === null ? null : parseRecord(record);
  }

  async forget(clientId: string): Promise<void> {
    const { keys } = this;
    await this.ask((redis) =>
      redis
        .multi()
        .del(keys.clientAuth(clientId), keys.clientStatus(clientId))
        .zrem(keys.clients, clientId)
        .exec(),
    );
  }

  async tellMoved(clientId: string): Promise<void> {
    const moved: Moved = { clientId, by: this.self };
    await this.ask((redis) => redis.publish(this.keys.moved, JSON.stringify(moved)));
  }

  onMoved(listener: (clientId: string) => void): void {
    this.following.push(({ clientId, by }) => {
      if (by !== this.self) listener(clientId);
    });
  }

  onEpoch(listener: () => void): void {
    this.renewed.push(listener);
  }

  async enter(channel: string, user: User, clientId: string): Promise<Transition> {
    const { keys } = this;
    const [joined, dueIn] = await this.run(
      scripts.enter,
      [
        keys.uidToClientIds(channel),
        keys.users(channel),
        keys.order(channel),
        keys.state(channel),
        keys.pending(channel),
        keys.dirty,
        keys.epoch,
      ],
      [channel, userKey(user.uid), clientId, JSON.stringify(user), ...this.window, randomUUID()],
    );
    return { changed: joined === 1, dueIn: due(dueIn) };
  }

  async leave(channel: string, uid: string | number, clientId: string): Promise<Transition> {
    const { keys } = this;
    const [left, dueIn] = await this.run(
      scripts.leave,
      [
        keys.uidToClientIds(channel),
        keys.users(channel),
        keys.order(channel),
        keys.pending(channel),
        keys.dirty,
      ],
      [channel, userKey(uid), clientId, ...this.window],
    );
    return { changed: left === 1, dueIn: due(dueIn) };
  }

  async members(channel: string, limit: number): Promise<Members> {
    const { keys } = this;
    const [count, users] = await this.run(
      scripts.members,
      [keys.users(channel), keys.order(channel)],
      [limit],
    );
    return { count, users: users.map(parseUser) };
  }

  async snapshot(channel: string, limit: number): Promise<Snapshot> {
    const { keys } = this;
    const [epoch, version, count, users] = await this.run(
      scripts.snapshot,
      [keys.users(channel), keys.order(channel), keys.state(channel), keys.epoch, keys.pending(channel)],
      [limit],
    );
    return { epoch, version, count, users: users.map(parseUser) };
  }

  async take(channel: string, claim: string): Promise<Taken | null> {
    const { keys } = this;
    const taken = await this.run(
      scripts.take,
      [keys.state(channel), keys.pending(channel), keys.users(channel), keys.epoch],
      [claim, CLAIM_TTL],
    );
    if (!taken) return null;
    const [epoch, version, count, changes] = taken;
    return { epoch, version, count, changes: changes.map(parseChange) };
  }

  async announce(
    channel: string,
    claim: string,
    taken: number,
    announcement: Announcement | null,
  ): Promise<Announced> {
    const { keys } = this;
    const [done, dueIn] = await this.run(
      scripts.announce,
      [keys.state(channel), keys.pending(channel), keys.users(channel), keys.dirty, keys.epoch],
      [
        channel,
        claim,
        taken,
        announcement ? JSON.stringify(announcement) : '',
        keys.announcements,
        announcement?.count ?? 0,
        ...this.window,
      ],
    );
    return { done: done === 1, dueIn: due(dueIn) };
  }

  async overdue(grace: number, limit: number): Promise<string[]> {
    return this.run(scripts.overdue, [this.keys.dirty], [grace, limit]);
  }

  onAnnouncement(listener: (announcement: Announcement) => void): void {
    this.listeners.push(listener);
  }

  async unchecked(age: number, limit: number): Promise<string[]> {
    const before = String((await this.now()) - age);
    return this.ask((redis) => redis.zrange(this.keys.clients, '-inf', before, 'BYSCORE', 'LIMIT', 0, limit));
  }

  async checked(clientIds: readonly string[]): Promise<void> {
    if (clientIds.length === 0) return;
    const now = await this.now();
    // XX: a client that was forgotten meanwhile must not come back.
    const entries = clientIds.flatMap((clientId) => [now, clientId]);
    await this.ask((redis) => redis.zadd(this.keys.clients, 'XX', ...entries));
  }

  async lock(holder: string, ttl: number): Promise<boolean> {
    return (await this.ask((redis) => redis.set(this.keys.reaper, holder, 'PX', ttl, 'NX'))) === 'OK';
  }

  async unlock(holder: string): Promise<void> {
    await this.run(scripts.unlock, [this.keys.reaper], [holder]);
  }

  async ban(uid: string | number, milliseconds: number): Promise<void> {
    await this.run(scripts.ban, [this.keys.banned], [userKey(uid), milliseconds]);
  }

  async bannedFor(uid: string | number): Promise<number> {
    return this.run(scripts.bannedFor, [this.keys.banned], [userKey(uid)]);
  }

  async order(order: Order): Promise<void> {
    await this.ask((redis) => redis.publish(this.keys.orders, JSON.stringify(order)));
  }

  onOrder(listener: (order: Order) => void): void {
    this.obeying.push(listener);
  }

  /** The connection for commands, for others who keep something there. */
  get commands(): Commands {
    return this.redis.commands;
  }

  private get window(): [base: number, perUser: number, max: number] {
    const { base, perUser, max } = this.options.window;
    return [base, perUser, max];
  }

  private async now(): Promise<number> {
    const [seconds, micros] = await this.ask((redis) => redis.time());
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  private run<T>(
    script: Script<T>,
    keys: readonly string[],
    args?: readonly (string | number)[],
  ): Promise<T> {
    return this.ask((redis) => script(redis, keys, args));
  }

  /** Fails at once where Redis is away, and says so; an error of a script's own goes through as it is. */
  private async ask<T>(question: (redis: Commands) => Promise<T>): Promise<T> {
    const { commands } = this.redis;
    if (commands.status !== 'ready') throw new Away(this.description);
    try {
      return await question(commands);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('ERR')) throw error;
      throw new Away(this.description, error);
    }
  }

  private beginEpoch(): void {
    this.readEpoch().catch((error: unknown) => {
      this.options.log.warn({ err: error }, 'Redis went away before its epoch could be read');
    });
  }

  private async readEpoch(): Promise<void> {
    const known = this.epoch ?? '';
    const [epoch] = await this.run(scripts.epoch, [this.keys.epoch], [known, randomUUID(), 5_000]);
    const changed = this.epoch !== undefined && this.epoch !== epoch;
    this.epoch = epoch;
    if (changed) for (const listener of this.renewed) listener();
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

const due = (dueIn: number): number | null => (dueIn < 0 ? null : dueIn);

const parseUser = (json: string): User => JSON.parse(json) as User;

/** Bytes before the uid: what it is, when the user entered, and the length of the uid (lua/enter.lua). */
const CHANGE_HEAD = 21;

function parseChange(text: string): Change {
  const bytes = Buffer.from(text);
  const user = bytes.subarray(CHANGE_HEAD + Number(text.slice(CHANGE_HEAD - 4, CHANGE_HEAD)));
  return { type: text.startsWith('j') ? 'join' : 'leave', user: parseUser(user.toString()) };
}

function parseRecord(json: string): ClientRecord {
  const record = JSON.parse(json) as { identity: string; channels: string; state: ClientRecord['state'] };
  return {
    identity: JSON.parse(record.identity) as Identity,
    channels: record.channels.split(' ').filter(Boolean),
    state: record.state,
  };
}

/** ioredis tries for ever; the first connection may take as long as Redis does to come up. */
function whenReady(redis: RedisConnections['commands']): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve) => redis.once('ready', () => resolve()));
}
