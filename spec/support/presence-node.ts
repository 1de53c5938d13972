/** A node of presence over an engine that is a set of living clients. */
import { randomUUID } from 'node:crypto';
import type { Clients, MembershipChange } from '../../src/presence/clients.js';
import type { User } from '../../src/presence/identity.js';
import { LocalClients } from '../../src/presence/local-clients.js';
import type { MemoryStore } from '../../src/presence/memory-store.js';
import { RedisStore } from '../../src/presence/redis-store.js';
import type { Store, Transition, Window } from '../../src/presence/store.js';
import type { RedisConnections, RedisSource } from '../../src/redis/connection.js';
import { RedisHub } from '../../src/redis/hub.js';
import type { Partitions } from '../../src/redis/partitions.js';
import { ExternalHost } from '../../src/sessions/redis/external-host.js';
import { RedisSessions } from '../../src/sessions/redis/redis-sessions.js';
import { silent } from './log.js';

/** The clients that live. Nodes of one engine share it. */
export class LivingClients {
  private readonly living = new Set<string>();

  add(clientId: string): void {
    this.living.add(clientId);
  }

  kill(clientId: string): void {
    this.living.delete(clientId);
  }

  has(clientId: string): boolean {
    return this.living.has(clientId);
  }

  existing = async (clientIds: readonly string[]): Promise<Set<string>> =>
    new Set(clientIds.filter((clientId) => this.living.has(clientId)));
}

export interface PresenceNode {
  engine: LivingClients;
  store: Store;
  clients: Clients;
  /** What entering and leaving did at this node, in order. */
  changes: MembershipChange[];
  /** Undefined where there is one process. */
  sessions?: RedisSessions;
  hub?: RedisHub;
  close(): Promise<void>;
}

type ChangeListener = (change: MembershipChange) => void;

/** `changed` is called with each of `changes`. */
export function memoryNode(
  engine: LivingClients,
  store: MemoryStore,
  changed: ChangeListener = () => {},
): PresenceNode {
  const changes: MembershipChange[] = [];
  const clients = new LocalClients({
    store,
    clientExists: async (clientId) => (await engine.existing([clientId])).has(clientId),
    changed(change) {
      changes.push(change);
      changed(change);
    },
  });
  return { engine, store, clients, changes, close: () => store.close() };
}

export interface RedisNodeOptions {
  source: RedisSource;
  partitions: Partitions | ((redis: RedisConnections) => Partitions);
  window: Window;
  /** Milliseconds in which nothing is announced in a new epoch. */
  quiet?: number;
  journalBound?: number;
  /** Called with each of `changes`. */
  changed?: ChangeListener;
}

/** Call `node.store.open()` before it is used. */
export function redisNode(engine: LivingClients, options: RedisNodeOptions): PresenceNode {
  const { source, partitions, window, quiet, journalBound = 1_000_000, changed = () => {} } = options;
  const changes: MembershipChange[] = [];
  const hub = new RedisHub({
    source,
    partitions: typeof partitions === 'function' ? partitions : () => partitions,
    ...(quiet !== undefined && { settling: quiet }),
    log: silent,
  });
  const store = new RedisStore({ hub, window, journalBound, log: silent });
  const engineHas = (clientIds: readonly string[]) => engine.existing(clientIds);
  const sessions = new RedisSessions({ hub, node: randomUUID(), grace: 0, engineHas, log: silent });
  const settings = [window.base, window.perUser, window.max, journalBound] as const;
  sessions.attach(settings, (user, { isIn, came, ...change }) => {
    const type = isIn ? 'join' : 'leave';
    const isChanged = change.changed && (!isIn || came !== null);
    const done: MembershipChange = { ...change, user, type, changed: isChanged };
    changes.push(done);
    changed(done);
  });
  sessions.open(new ExternalHost());
  return {
    ...{ engine, store, changes, sessions, hub, clients: sessions.clients },
    async close() {
      await sessions.close();
      await store.close();
      hub.close();
    },
  };
}

/** A client of that user enters the channel beside those that it is in. What that did there. */
export async function enter(
  node: PresenceNode,
  channel: string,
  user: User,
  clientId: string,
): Promise<Transition> {
  const { engine, clients, changes } = node;
  engine.add(clientId);
  const outcome = await clients.bind(clientId, { ...user });
  if (outcome !== 'bound') throw new Error(`Expected ${clientId} to be bound, got ${outcome}`);
  const before = changes.length;
  const channels = new Set([...clients.channelsOf(clientId), channel]);
  if (!(await clients.enter(clientId, [...channels])))
    throw new Error(`Expected ${clientId} to enter ${channel}`);
  return changeOf(node, channel, before);
}

/** It goes on in its other channels. */
export async function leave(node: PresenceNode, channel: string, clientId: string): Promise<Transition> {
  const { clients, changes } = node;
  const before = changes.length;
  await clients.enter(
    clientId,
    clients.channelsOf(clientId).filter((each) => each !== channel),
  );
  return changeOf(node, channel, before);
}

/** As the engine does. */
export async function end({ engine, clients }: PresenceNode, ...clientIds: string[]): Promise<void> {
  for (const clientId of clientIds) {
    engine.kill(clientId);
    await clients.end(clientId);
  }
}

function changeOf({ changes }: PresenceNode, channel: string, from: number): Transition {
  const { changed = false, dueIn = null } =
    changes.slice(from).find((change) => change.channel === channel) ?? {};
  return { changed, dueIn };
}
