/**
 * Takes the place of what a NodeAdapter does with requests: `check`, `handle`, `handleUpgrade`, `handleEventSource`.
 * Faye's protocol behind it stays.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { posix } from 'node:path';
import type { Message, NodeAdapter } from 'faye';
import type { Logger } from 'pino';
import { OccasionalLog } from '../occasional-log.js';
import { EventSources, type EventSourcesOptions } from './event-sources.js';
import type { FayeRequest, Request } from './extension.js';
import { HttpTransport } from './http-transport.js';
import type { Internals } from './internals.js';
import { Origins, type OriginsOptions } from './origins.js';
import { type PollListener, Polls } from './polls.js';
import { pathOf } from './request-path.js';
import { type StreamListener, Streams, type Traffic } from './streams.js';
import { WebSockets } from './web-sockets.js';

export interface TransportOptions {
  origins: OriginsOptions;
  /** Bytes of a message. */
  messageBytes: number;
  /** Messages in one array. */
  batchLength: number;
  /** Bytes that may wait to be sent to one client. */
  unsentBytes: number;
  compression: boolean;
  jsonp: boolean;
}

export interface TransportsOptions extends TransportOptions, Pick<EventSourcesOptions, 'owners' | 'admit'> {
  adapter: NodeAdapter;
  internals: Internals;
  listener: StreamListener;
  polls: PollListener;
  /** A client was disconnected for reading too slowly. */
  onSlow(): void;
  log: Logger;
}

/** Milliseconds between two pings where the adapter was told none. */
const PING = 30_000;

/** How many times the time between two connects a client with an EventSource may be silent. It is ended after twice that time. */
const SILENCE = 1.25;

/** What Faye has below its mount; for any other name it would remember for ever that there is no such file. */
const FILES = ['client.js', 'faye-browser.js', 'faye-browser-min.js'];

export class Transports {
  /** What has gone out by streams since the start. */
  readonly traffic: Traffic = { framesOut: 0, bytesOut: 0 };
  private readonly polls: Polls;
  readonly streams: Streams;
  private readonly sockets: WebSockets;
  readonly eventSources: EventSources;
  private readonly http: HttpTransport;
  private readonly files: ReadonlySet<string>;
  private readonly restore: () => void;

  constructor(private readonly options: TransportsOptions) {
    const { adapter, internals } = options;
    const { protocol, proxy, mount } = internals;
    const notices = new OccasionalLog(options.log);
    const origins = new Origins(options.origins, notices);
    const ping = internals.ping ? internals.ping * 1_000 : PING;
    this.files = new Set([...FILES, `${posix.basename(mount)}.js`].flatMap((name) => [name, `${name}.map`]));
    this.polls = new Polls(proxy, options.polls);
    this.eventSources = new EventSources({
      ...options,
      origins,
      ping,
      silence: SILENCE * proxy.timeout * 1_000,
      traffic: this.traffic,
      streams: () => this.streams,
    });
    this.streams = new Streams({
      protocol,
      proxy,
      eventSource: (message) => this.eventSources.askedBy(message),
      isHere: (clientId) => options.owners.isHere(clientId),
      isAbandoned: (request) => this.polls.isAbandoned(request),
      listener: options.listener,
    });
    this.sockets = new WebSockets({
      ...options,
      protocol,
      streams: this.streams,
      origins,
      ping,
      traffic: this.traffic,
    });
    const serveFile = adapter.handle;
    this.http = new HttpTransport({
      ...options,
      protocol,
      origins,
      polls: this.polls,
      notices,
      eventSource: (request, response) => this.openEventSource(request, response),
      serveFile: (request, response) => this.serveFile(request, response, serveFile),
    });
    this.restore = this.replace(adapter, mount);
  }

  /** Called with each connect that passed the extensions. */
  /** As `Polls.openedAt`. */
  openedAt(request: Request): number {
    return this.polls.openedAt(request);
  }

  connecting(message: Message, request: Request): void {
    if (message.clientId !== undefined) this.polls.connecting(message.clientId, message, request);
    this.streams.passed(message, request);
  }

  /** Streams that are open. */
  get size(): number {
    return this.sockets.size + this.eventSources.size;
  }

  /** Closes every stream without ending its client. */
  release(): void {
    this.sockets.release();
    this.eventSources.release();
  }

  close(): void {
    this.restore();
    this.streams.close();
    this.sockets.close();
    this.eventSources.close();
  }

  private replace(adapter: NodeAdapter, mount: string): () => void {
    const { check, handle, handleUpgrade, handleEventSource } = adapter;
    Object.assign(adapter, {
      check: (request) => isBelow(mount, pathOf(request)),
      handle: (request, response) => this.guard(response, () => this.http.handle(named(request), response)),
      handleUpgrade: (request, socket, head) => this.sockets.upgrade(named(request), socket, head),
      handleEventSource: (request, response) => this.openEventSource(request, response),
    } satisfies Partial<NodeAdapter>);
    return () => Object.assign(adapter, { check, handle, handleUpgrade, handleEventSource });
  }

  /** Whatever fails here must not end the process. */
  private guard(response: ServerResponse, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.options.log.error({ err: error }, 'a request failed');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }
  }

  private openEventSource(request: IncomingMessage, response: ServerResponse): void {
    this.eventSources.open(request, response).catch((error: unknown) => {
      this.options.log.error({ err: error }, 'an EventSource failed');
      response.destroy();
    });
  }

  private serveFile(request: IncomingMessage, response: ServerResponse, handle: NodeAdapter['handle']): void {
    if (this.files.has(posix.basename(pathOf(request)))) handle.call(this.options.adapter, request, response);
    else response.writeHead(404).end();
  }
}

/** As Faye does for its extensions; Express has done so where a router came before. */
function named(request: FayeRequest): FayeRequest {
  request.originalUrl ??= request.url;
  return request;
}

function isBelow(mount: string, path: string): boolean {
  return path === mount || path.startsWith(`${mount}/`) || path === `${mount}.js`;
}
