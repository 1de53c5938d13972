/**
 * Bayeux over HTTP, in the place of Faye's `handle`: bodies within a size, answers for origins that may, no JSON-P
 * unless it is wanted, and nothing about errors but that there was one.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { OccasionalLog } from '../occasional-log.js';
import type { FayeRequest } from './extension.js';
import type { Protocol } from './internals.js';
import { parseBatch, readableBytes } from './messages.js';
import type { Origins } from './origins.js';
import type { Polls } from './polls.js';
import { pathOf, queryOf } from './request-path.js';
import { isGone } from './responses.js';
import { isStopping } from './stopping.js';

export interface HttpTransportOptions {
  protocol: Protocol;
  origins: Origins;
  polls: Polls;
  eventSource(request: IncomingMessage, response: ServerResponse): void;
  /** Faye's own files below the mount. */
  serveFile(request: IncomingMessage, response: ServerResponse): void;
  /** Bytes of a message. */
  messageBytes: number;
  batchLength: number;
  /** JSON-P and callback-polling. */
  jsonp: boolean;
  notices: OccasionalLog;
}

const FILE = /\.(?:js|map)$/;
/** A body that is JSON whatever its type says: old browsers and some proxies send it as text/plain. No form begins so. */
const JSON_BODY = /^\s*[[{]/;
/** Faye's: a name of JavaScript, so that nothing else can be put in front of the data. */
const CALLBACK = /^[a-z_$][a-z0-9_$]*(\.[a-z_$][a-z0-9_$]*)*$/i;
const CALLBACK_LENGTH = 128;
/** Milliseconds that a peer has to read an answer. */
const UNREAD = 60_000;

const JSONP_IS_OFF =
  "a page sent a message by JSON-P, which is off, and was refused: Faye's own client on a page of another origin needs `jsonp: true`; faye-online's client needs only `origins`";

const JSON_TYPE = 'application/json; charset=utf-8';
const SCRIPT_TYPE = 'text/javascript; charset=utf-8';

const PREFLIGHT = {
  'Access-Control-Allow-Headers': 'Accept, Authorization, Content-Type, Pragma, X-Requested-With',
  'Access-Control-Allow-Methods': 'POST, GET',
  'Access-Control-Max-Age': '86400',
};

export class HttpTransport {
  constructor(private readonly options: HttpTransportOptions) {}

  handle(request: IncomingMessage, response: ServerResponse): void {
    // A request or response that breaks off is nobody's error; without a listener it would end the process.
    request.on('error', () => response.destroy());
    response.on('error', () => response.destroy());
    const isFile = FILE.test(pathOf(request));
    const isRead = request.method === 'GET' || (request.method === 'HEAD' && isFile);
    if (isRead && isFile) this.options.serveFile(request, response);
    else if (!this.options.origins.admits(request)) this.refuse(request, response, 403);
    else if (request.method === 'OPTIONS')
      response.writeHead(204, { ...this.options.origins.headers(request), ...PREFLIGHT }).end();
    else if (request.method === 'POST') this.post(request, response);
    else if (request.method === 'GET') this.get(request, response);
    else this.refuse(request, response, 405, isFile ? 'GET, HEAD, OPTIONS, POST' : 'GET, OPTIONS, POST');
  }

  private get(request: IncomingMessage, response: ServerResponse): void {
    if ((request.headers.accept ?? '').includes('text/event-stream')) {
      this.options.eventSource(request, response);
      return;
    }
    const query = queryOf(request);
    const message = query.get('message');
    const callback = query.get('jsonp') ?? 'jsonpcallback';
    const isCallback = CALLBACK.test(callback) && callback.length <= CALLBACK_LENGTH;
    if (!this.options.jsonp && message !== null && query.has('jsonp')) {
      this.options.notices.warn(JSONP_IS_OFF, { origin: refererOf(request) });
    }
    if (!this.options.jsonp || message === null || !isCallback) {
      this.refuse(request, response, 400);
      return;
    }
    this.process(message, request, response, (json) => ({
      type: SCRIPT_TYPE,
      // The comment keeps the name from being read as something else (Rosetta Flash); U+2028/9 end a line in scripts.
      body: `/**/${callback}(${json.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')});`,
    }));
  }

  private post(request: FayeRequest, response: ServerResponse): void {
    this.read(request, response, (body) => {
      request.body = body;
      const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
      const isJson = type === 'application/json' || JSON_BODY.test(body);
      const message = isJson ? body : new URLSearchParams(body).get('message');
      if (message === null) this.refuse(request, response, 400);
      else this.process(message, request, response, (json) => ({ type: JSON_TYPE, body: json }));
    });
  }

  private read(request: IncomingMessage, response: ServerResponse, done: (body: string) => void): void {
    const chunks: Buffer[] = [];
    const most = readableBytes(this.options);
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= most) chunks.push(chunk);
      else if (!response.headersSent) this.refuse(request, response, 413);
    });
    request.on('end', () => {
      if (length <= most) done(Buffer.concat(chunks).toString('utf8'));
    });
  }

  private process(
    text: string,
    request: IncomingMessage,
    response: ServerResponse,
    render: (json: string) => { type: string; body: string },
  ): void {
    const batch = parseBatch(text, this.options);
    if ('refused' in batch) {
      this.refuse(request, response, 400);
      return;
    }
    const { messages, tooLarge } = batch;
    const answer = (replies: unknown[]) => {
      const { type, body } = render(JSON.stringify([...tooLarge, ...replies]));
      this.answer(request, response, 200, type, body);
    };
    if (messages.length === 0 && tooLarge.length > 0) {
      answer([]);
      return;
    }
    this.options.polls.opened(request, response);
    this.options.protocol.process(messages, request, answer);
  }

  /** What is refused unread is not waited for: the connection is closed after the answer. */
  private refuse(request: IncomingMessage, response: ServerResponse, status: number, allow?: string): void {
    const text = STATUS_CODES[status] ?? '';
    if (allow !== undefined) response.setHeader('Allow', allow);
    // HTTP/2 has no such header.
    if (request.httpVersionMajor === 1) response.setHeader('Connection', 'close');
    this.answer(request, response, status, 'text/plain; charset=utf-8', text);
    request.resume();
    if (status === 413) response.once('finish', () => request.destroy());
  }

  private answer(
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    type: string,
    body: string,
  ): void {
    if (isGone(response) || response.writableEnded) return;
    // A client that kept its connection would send its next poll to this server.
    if (isStopping(request)) response.setHeader('Connection', 'close');
    response.writeHead(status, {
      ...this.options.origins.headers(request),
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-cache, no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(type === SCRIPT_TYPE && { 'Content-Disposition': 'attachment; filename=f.txt' }),
    });
    response.end(body);
    // Nobody else ends an answer that is not read: it would hold its memory as long as the peer likes.
    const patience = setTimeout(() => response.destroy(), UNREAD);
    patience.unref();
    response.once('close', () => clearTimeout(patience));
  }
}

/** Requests of scripts have no Origin. Undefined for a page that does not name itself. */
function refererOf({ headers: { referer = '' } }: IncomingMessage): string | undefined {
  return URL.canParse(referer) ? new URL(referer).origin : undefined;
}
