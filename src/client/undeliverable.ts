/**
 * Messages that will never be delivered: refused by HTTP with no Bayeux error, by the server or by a proxy before it, or too
 * large for a WebSocket. Faye's client would send each again and again. Here it fails, and is reported as any refusal.
 *
 * A connect is sent again: without it there is no client. Faye itself repeats a handshake.
 */
import type { Client, Message, SchedulerType } from 'faye';
import {
  type Dispatcher,
  internalsOf,
  type SocketLike,
  type SocketTransport,
  type Transport,
} from './internals.js';
import { parseError, type Report } from './refusals.js';

/** What may be otherwise at the next attempt: a server that is not there yet, or asks to be spared. */
const PASSING = new Set([404, 408, 409, 421, 423, 425, 429]);
const TEXTS: Record<number, string> = { 413: 'Message too large', 431: 'Headers too large' };
/** The WebSocket closing code of a message that is too large. */
const TOO_LARGE = 1009;

const RETRIED = new Set(['/meta/handshake', '/meta/connect']);

interface Sent {
  /** Of an XMLHttpRequest. */
  status?: number;
  /** Of a request of Node. */
  once?(event: 'response', listener: (response: { statusCode?: number }) => void): void;
}

/** Any scheduler, which gives up what was refused for good. */
export function failing(Base: SchedulerType, clientOf: () => Client, report: Report): SchedulerType {
  const watched = new WeakSet<Transport>();
  return class extends Base {
    override send(): void {
      const dispatcher = internalsOf(clientOf())?._dispatcher;
      if (dispatcher?._transport) watch(dispatcher, dispatcher._transport, watched, report);
      super.send();
    }
  };
}

function watch(
  dispatcher: Dispatcher,
  transport: Transport,
  watched: WeakSet<Transport>,
  report: Report,
): void {
  if (watched.has(transport)) return;
  watched.add(transport);
  if ('_createSocket' in transport) watchSocket(dispatcher, transport as SocketTransport);
  else watchRequests(dispatcher, transport, report);
  if (transport._xhr) watch(dispatcher, transport._xhr, watched, report);
}

function watchRequests(dispatcher: Dispatcher, transport: Transport, report: Report): void {
  const { request, _handleError: handleError } = transport;
  const statuses = new WeakMap<Message[], () => number>();
  transport.request = (messages) => {
    const sent = request.call(transport, messages);
    statuses.set(messages, statusOf(sent as Sent | undefined));
    return sent;
  };
  transport._handleError = (messages, immediate) => {
    const status = statuses.get(messages)?.() ?? 0;
    const isRefused = status >= 400 && status < 500 && !PASSING.has(status);
    const error = `${status}::${TEXTS[status] ?? `Refused with the HTTP status ${status}`}`;
    const again = messages.filter(({ channel }) => !isRefused || RETRIED.has(channel));
    handleError.call(transport, again, immediate);
    // What came along with it is more likely to be the reason.
    const [alone] = messages.length === 1 ? again : [];
    if (isRefused && alone) report(parseError(error), alone);
    for (const message of messages) if (!again.includes(message)) fail(dispatcher, message, error);
  };
}

function statusOf(sent: Sent | undefined): () => number {
  if (!sent?.once) return () => sent?.status ?? 0;
  let status = 0;
  sent.once('response', ({ statusCode = 0 }) => {
    status = statusCode;
  });
  return () => status;
}

/** The server reads no further than a limit, and does not say which message was beyond it: the largest was. */
function watchSocket(dispatcher: Dispatcher, transport: SocketTransport): void {
  const { _createSocket: create, _handleError: handleError } = transport;
  let code: number | undefined;
  const listen = (socket: SocketLike | undefined) => {
    const closed = socket?.onclose;
    if (!socket || !closed) return;
    socket.onclose = (event) => {
      code = event?.code;
      closed.call(socket, event);
      code = undefined;
    };
  };
  listen(transport._socket);
  transport._createSocket = () => {
    const socket = create.call(transport);
    // Faye is about to listen itself.
    void Promise.resolve().then(() => listen(socket));
    return socket;
  };
  transport._handleError = (messages, immediate) => {
    const largest = code === TOO_LARGE ? largestOf(messages) : undefined;
    const again = messages.filter((message) => message !== largest);
    handleError.call(transport, again, immediate);
    if (largest) fail(dispatcher, largest, `413::${TEXTS[413]}`);
  };
}

const sizeOf = (message: Message): number => JSON.stringify(message).length;

const largestOf = (messages: Message[]): Message | undefined =>
  messages.filter(({ channel }) => !RETRIED.has(channel)).sort((a, b) => sizeOf(b) - sizeOf(a))[0];

const fail = (dispatcher: Dispatcher, { id, channel }: Message, error: string): void =>
  dispatcher.handleResponse({ ...(id !== undefined && { id }), channel, successful: false, error });
