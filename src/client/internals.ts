/** Private fields of Faye's client (1.4.3) that are touched. */
import type { Client, Message } from 'faye';

/** A message that has no answer yet (faye `protocol/dispatcher.js`). */
export interface Envelope {
  message: Message;
  /** Resolves with what its transport sent it by. Null between two attempts. */
  request?: PromiseLike<{ abort?(): void } | undefined> | null;
  timer?: ReturnType<typeof setTimeout>;
}

export interface Transport {
  close(): void;
  request(messages: Message[]): unknown;
  _handleError(messages: Message[], immediate?: boolean): void;
  /** What an EventSource sends messages by. */
  _xhr?: Transport;
}

export interface SocketTransport extends Transport {
  /** Calls back once it is open. */
  callback(callback: () => void): void;
  _socket?: SocketLike;
  _createSocket(): SocketLike | undefined;
}

export interface SocketLike {
  onclose: ((event?: { code?: number }) => void) | null;
}

export interface Dispatcher {
  clientId: string | null;
  _envelopes: Map<string, Envelope>;
  _transport?: Transport;
  transports: { websocket?: Map<string, SocketTransport>; eventsource?: Map<string, Transport> };
  /** Takes a message for answered. */
  handleResponse(reply: Message): void;
}

export interface Internals {
  CONNECTED: number;
  DISCONNECTED: number;
  _state: number;
  _dispatcher: Dispatcher;
  _sendMessage(message: Message, options: object, callback: (reply: Message) => void): void;
}

/** Undefined for a version of Faye that has other fields (before 1.4). */
export function internalsOf(client: Client): Internals | undefined {
  const internals = client as unknown as Internals;
  return internals._dispatcher?._envelopes instanceof Map ? internals : undefined;
}
