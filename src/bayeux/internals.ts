/**
 * The private fields of faye 1.4.3 that we touch, and nothing else of it that is private is touched anywhere.
 * faye is pinned to this version; `spec/bayeux/internals.spec.ts` fails where an update changes one of them.
 */
import type { IncomingMessage } from 'node:http';
import type { Extension, Message, NodeAdapter } from 'faye';

export type Stage = 'incoming' | 'outgoing';
export type Pass = (message: Message | null) => void;

/** Faye's `Engine.Proxy`, which holds the engine and the connections. */
export interface EngineProxy {
  readonly _engine: { emptyQueue(clientId: string): void };
  readonly _options: { type?: unknown };
  readonly _connections: Map<string, unknown>;
  /** Seconds that a poll is held; as many are between two connects of a client with an EventSource. */
  readonly timeout: number;
  connect(
    clientId: string,
    options: object | undefined,
    callback: (events: Message[]) => void,
    context?: unknown,
  ): void;
  hasConnection(clientId: string): boolean;
  ping(clientId: string): void;
  flushConnection(clientId: string, close?: boolean): void;
  clientExists(clientId: string, callback: (exists: boolean) => void, context?: unknown): void;
  destroyClient(clientId: string, callback?: () => void, context?: unknown): void;
  subscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void;
  unsubscribe(clientId: string, channel: string, callback?: () => void, context?: unknown): void;
  publish(message: Message): void;
  bind(event: string, listener: (...args: never[]) => void): void;
  unbind(event: string, listener: (...args: never[]) => void): void;
  listeners(event: string): ((...args: unknown[]) => unknown)[];
  /** Engines emit their events by this. */
  trigger(event: string, ...args: unknown[]): void;
}

/** What every Faye engine takes: a message and the channel names (not patterns to expand) to look it up by. */
export interface Publishing {
  publish(message: Message, channels: string[]): void;
  subscribe?(clientId: string, channel: string): void;
}

/** Faye's `Server`: the protocol. */
export interface Protocol {
  _engine: EngineProxy;
  _extensions?: Extension[];
  /** What every reply begins as. */
  _makeResponse(message: Message): Message;
  openSocket(clientId: string, socket: object, request: IncomingMessage | null): void;
  closeSocket(clientId: string, close?: boolean): void;
  process(messages: unknown[], request: IncomingMessage | null, callback: (replies: Message[]) => void): void;
  pipeThroughExtensions(
    stage: Stage,
    message: Message,
    request: IncomingMessage | null,
    callback: Pass,
    context?: unknown,
  ): void;
}

interface AdapterFields {
  _server?: Protocol;
  _endpoint?: string;
  _options?: { ping?: number };
}

export interface Internals {
  protocol: Protocol;
  proxy: EngineProxy;
  engine: Publishing;
  /** Where Bayeux is, without a slash at its end. */
  mount: string;
  /** Seconds between WebSocket pings, as the adapter was told. */
  ping: number | undefined;
}

/** Throws a TypeError for anything but a NodeAdapter of the faye we know. */
export function internalsOf(adapter: NodeAdapter): Internals {
  const fields = adapter as unknown as AdapterFields | null;
  const protocol = fields?._server;
  const proxy = protocol?._engine;
  const engine = proxy?._engine as Publishing | undefined;
  if (
    typeof protocol?.pipeThroughExtensions !== 'function' ||
    typeof engine?.publish !== 'function' ||
    !proxy
  ) {
    throw new TypeError('Expected a NodeAdapter of faye 1.4, got something without its server and engine');
  }
  const mount = String(fields?._endpoint).replace(/\/$/, '');
  return { protocol, proxy, engine, mount, ping: fields?._options?.ping };
}

/** Whether the adapter has Faye's own engine, which reaches only the clients of its process. */
export function hasMemoryEngine(adapter: NodeAdapter): boolean {
  return internalsOf(adapter).proxy._options.type === undefined;
}
