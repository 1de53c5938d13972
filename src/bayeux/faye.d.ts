/**
 * Types of the packages `faye` 1.4.3 and `faye-redis` 0.2.0, which ship none.
 * Only what is public there; the private fields that faye-online touches are typed in `internals.ts`.
 */
declare module 'faye' {
  import type { IncomingMessage, Server, ServerResponse } from 'node:http';
  import type { Server as SecureServer } from 'node:https';
  import type { Duplex } from 'node:stream';

  /** A Bayeux message. Its `channel` decides which of the other fields it has. */
  interface Message {
    channel: string;
    /** As its sender chose it. */
    id?: string | number;
    clientId?: string;
    data?: unknown;
    ext?: Record<string, unknown>;
    /** `code:args:text`. On an incoming message it makes the server refuse it. */
    error?: string;
    successful?: boolean;
    advice?: { reconnect?: 'retry' | 'handshake' | 'none'; interval?: number; timeout?: number };
    subscription?: string | string[];
    connectionType?: string;
    [field: string]: unknown;
  }

  /** What Faye adds to a request for its extensions. */
  interface FayeRequest extends IncomingMessage {
    /** As it was asked for, whatever a router has taken off `url`. */
    originalUrl?: string;
    /** The body of a POST, as it came. */
    body?: unknown;
  }

  type Pass = (message: Message | null) => void;
  /** `request` is null for clients within the server's own process. Two parameters: (message, callback). */
  type Filter =
    | ((message: Message, callback: Pass) => void)
    | ((message: Message, request: FayeRequest | null, callback: Pass) => void);

  /** An extension of Faye's client: there is no request there. */
  interface ClientExtension {
    incoming?(message: Message, callback: Pass): void;
    outgoing?(message: Message, callback: Pass): void;
    added?(host: unknown): void;
    removed?(host: unknown): void;
  }

  interface Extension {
    incoming?: Filter;
    outgoing?: Filter;
    added?(host: unknown): void;
    removed?(host: unknown): void;
  }

  /** What a Faye engine is asked to do. `server` there is Faye's Engine.Proxy. */
  interface EngineType {
    create(server: unknown, options: Record<string, unknown>): unknown;
  }

  interface AdapterOptions {
    /** Default `/bayeux`. */
    mount?: string;
    /** Seconds that a poll is held, default 60; a client is gone after 2 × timeout without a word. */
    timeout?: number;
    /** Seconds between WebSocket pings; none by default. */
    ping?: number;
    engine?: { type?: EngineType; [option: string]: unknown };
    extensions?: Extension | Extension[];
    websocketExtensions?: unknown;
  }

  interface ServerEvents {
    handshake: (clientId: string) => void;
    subscribe: (clientId: string, channel: string) => void;
    unsubscribe: (clientId: string, channel: string) => void;
    publish: (clientId: string | undefined, channel: string, data: unknown) => void;
    disconnect: (clientId: string) => void;
    close: (clientId: string) => void;
  }

  class NodeAdapter {
    constructor(options?: AdapterOptions);
    attach(server: Server | SecureServer): void;
    check(request: IncomingMessage): boolean;
    handle(request: IncomingMessage, response: ServerResponse): void;
    handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
    handleEventSource(request: IncomingMessage, response: ServerResponse): void;
    addExtension(extension: Extension): void;
    removeExtension(extension: Extension): void;
    addWebsocketExtension(extension: unknown): void;
    getClient(): Client;
    close(): void;
    on<E extends keyof ServerEvents>(event: E, listener: ServerEvents[E]): this;
    once<E extends keyof ServerEvents>(event: E, listener: ServerEvents[E]): this;
    removeListener<E extends keyof ServerEvents>(event: E, listener: ServerEvents[E]): this;
    bind<E extends keyof ServerEvents>(event: E, listener: ServerEvents[E], context?: unknown): this;
    unbind<E extends keyof ServerEvents>(event: E, listener?: ServerEvents[E], context?: unknown): void;
  }

  interface Deferred<T> {
    then<R>(resolved?: (value: T) => R, rejected?: (error: FayeError) => R): Promise<R>;
    callback(callback: (value: T) => void, context?: unknown): void;
    errback(callback: (error: FayeError) => void, context?: unknown): void;
  }

  interface FayeError {
    code: number | null;
    params: string[];
    message: string;
  }

  interface Subscription extends Deferred<void> {
    withChannel(callback: (channel: string, message: unknown) => void, context?: unknown): this;
    cancel(): void;
    unsubscribe(): void;
  }

  interface ClientOptions {
    /** Seconds; default 60. */
    timeout?: number;
    /** Seconds between connects; default 0. */
    interval?: number;
    /** Seconds until a failed message is sent again; default 5. */
    retry?: number;
    endpoints?: Record<string, string>;
    scheduler?: SchedulerType;
    proxy?: string | { origin?: string; headers?: Record<string, string> };
    tls?: Record<string, unknown>;
    ca?: unknown;
    websocketExtensions?: unknown;
  }

  class Client {
    constructor(endpoint: string, options?: ClientOptions);
    /** `autodisconnect`, or a connection type: `websocket`, `eventsource`, `long-polling`. */
    disable(feature: string): void;
    setHeader(name: string, value: string): void;
    addExtension(extension: ClientExtension): void;
    removeExtension(extension: ClientExtension): void;
    addWebsocketExtension(extension: unknown): void;
    handshake(callback?: () => void, context?: unknown): void;
    connect(callback?: () => void, context?: unknown): void;
    disconnect(): Deferred<void> | undefined;
    // biome-ignore lint/suspicious/noExplicitAny: a message's data is what its publisher made it
    subscribe(channel: string, callback?: (data: any) => void, context?: unknown): Subscription;
    unsubscribe(channel: string, subscription?: Subscription): void;
    publish(
      channel: string,
      data: unknown,
      options?: { attempts?: number; deadline?: number },
    ): Deferred<void>;
    on(event: 'transport:up' | 'transport:down', listener: () => void): this;
    bind(event: 'transport:up' | 'transport:down', listener: () => void, context?: unknown): this;
    removeListener(event: 'transport:up' | 'transport:down', listener: () => void): this;
  }

  interface SchedulerType {
    new (message: Message, options: SchedulerOptions): Scheduler;
  }

  interface SchedulerOptions {
    timeout: number;
    interval: number;
    attempts?: number;
    deadline?: number;
  }

  class Scheduler {
    constructor(message: Message, options: SchedulerOptions);
    message: Message;
    options: SchedulerOptions;
    attempts: number;
    getTimeout(): number;
    getInterval(): number;
    isDeliverable(): boolean;
    send(): void;
    succeed(): void;
    fail(): void;
    abort(): void;
  }

  const faye: {
    VERSION: string;
    Client: typeof Client;
    Scheduler: typeof Scheduler;
    NodeAdapter: typeof NodeAdapter;
    logger?: unknown;
  };
  export default faye;
  // CommonJS: at run time `import faye from 'faye'` is all there is, so the rest are types only.
  export type {
    AdapterOptions,
    Client,
    ClientExtension,
    ClientOptions,
    Deferred,
    EngineType,
    Extension,
    FayeError,
    FayeRequest,
    Message,
    NodeAdapter,
    Scheduler,
    SchedulerOptions,
    SchedulerType,
    Subscription,
  };
}

declare module 'faye-redis' {
  import type { EngineType } from 'faye';

  const engine: EngineType;
  export default engine;
}
