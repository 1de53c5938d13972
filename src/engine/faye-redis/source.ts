/**
 * The package faye-redis 0.2.0, run with a `redis` of ours.
 *
 * It asks for `redis` and takes whatever the app has installed, while it can only use 2 and 3. So its source is
 * compiled here with a `require` that knows one name. The file is found from here, wherever npm has put it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import type { Message } from 'faye';
import type { EngineProxy } from '../../bayeux/internals.js';

/** What Faye's `Engine.Proxy` is to its engine. */
export interface EngineHost extends Pick<EngineProxy, '_connections' | 'hasConnection'> {
  /** Seconds. A client is gone after twice as long without a word. */
  readonly timeout: number;
  generateId(): string;
  deliver(clientId: string, messages: Message[]): boolean;
  trigger(event: string, ...args: unknown[]): void;
}

/** An engine of faye-redis, as far as it is used or replaced. */
export interface FayeRedis {
  readonly _server: EngineHost;
  readonly _ns: string;
  readonly _messageChannel: string;
  readonly _closeChannel: string;
  readonly _gc: NodeJS.Timeout;
  createClient(callback: (clientId: string) => void, context?: unknown): void;
  clientExists(clientId: unknown, callback: (exists: boolean) => void, context?: unknown): void;
  destroyClient(clientId: string, callback?: () => void, context?: unknown): void;
  ping(clientId: string): void;
  subscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void;
  unsubscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void;
  publish(message: Message, channels: string[]): void;
  emptyQueue(clientId: string): void;
  gc(): void;
  disconnect(): void;
  _withLock(name: string, callback: (release: () => void) => void, context?: unknown): void;
}

export interface FayeRedisSettings {
  /** As keys begin with it: `/faye`. */
  namespace: string;
  /** Seconds between two looks for clients that are gone. */
  gc: number;
  /** Called twice: for what commands go through, then for what listens. faye-redis hands it on as it is. */
  socket: () => object;
}

export const FayeRedis = load();

function load(): new (server: EngineHost, settings: FayeRedisSettings) => FayeRedis {
  const file = createRequire(import.meta.url).resolve('faye-redis');
  const run = compileFunction(readFileSync(file, 'utf8'), ['require', 'module'], { filename: file });
  const module = { exports: {} };
  run(requireForFayeRedis, module);
  return module.exports as ReturnType<typeof load>;
}

function requireForFayeRedis(name: string): object {
  if (name !== 'redis') throw new Error(`Expected faye-redis to require redis only, got ${name}`);
  return { createClient: (socket: FayeRedisSettings['socket']) => socket() };
}
