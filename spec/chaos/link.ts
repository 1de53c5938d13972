/** A client's connection, by hand: a WebSocket, or long-polling. What is lost with it rejects. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { TransportKind } from './history.js';

export interface Reply {
  channel: string;
  id?: string;
  clientId?: string;
  successful?: boolean;
  error?: string;
  data?: unknown;
  advice?: { reconnect?: string; interval?: number };
}

export interface Link {
  readonly connectionType: TransportKind;
  /** One message, its one reply. Rejects where none comes within `patience` ms. */
  ask(message: object, patience: number): Promise<Reply>;
  /** Reads nothing any more, and says nothing. */
  deafen(): void;
  close(): void;
}

export type Heard = (message: Reply) => void;

/** Milliseconds in which a node must have taken a connection. */
const OPENING = 4_000;
let asked = 0;

const nextId = (): string => {
  asked += 1;
  return `q${asked}`;
};

export class SocketLink implements Link {
  readonly connectionType = 'websocket';
  private readonly waiting = new Map<string, { resolve(reply: Reply): void; reject(error: Error): void }>();

  private constructor(
    private readonly socket: WebSocket,
    private readonly heard: Heard,
  ) {
    socket.on('message', (text) => {
      for (const message of JSON.parse(String(text)) as Reply[]) this.received(message);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('the socket closed'));
      this.waiting.clear();
    });
  }

  static async open(endpoint: string, heard: Heard): Promise<SocketLink> {
    const socket = new WebSocket(endpoint.replace(/^http/, 'ws'), {
      perMessageDeflate: false,
      handshakeTimeout: OPENING,
    });
    const link = new SocketLink(socket, heard);
    await once(socket, 'open');
    return link;
  }

  ask(message: object, patience: number): Promise<Reply> {
    const id = nextId();
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) throw new Error('the socket is closed');
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error('no answer'));
      }, patience);
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          settle(value);
        };
      this.waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.socket.send(JSON.stringify({ ...message, id }));
    });
  }

  deafen(): void {
    this.socket.pause();
  }

  close(): void {
    this.socket.terminate();
  }

  private received(message: Reply): void {
    const waiting = message.successful === undefined ? undefined : this.waiting.get(message.id ?? '');
    if (!waiting) {
      this.heard(message);
      return;
    }
    this.waiting.delete(message.id as string);
    waiting.resolve(message);
  }
}

export class PollingLink implements Link {
  readonly connectionType = 'long-polling';
  private readonly closing = new AbortController();

  constructor(
    /** Asked for each request: there are balancers that are not sticky. */
    private readonly endpoint: () => string,
    private readonly heard: Heard,
  ) {}

  async ask(message: object, patience: number): Promise<Reply> {
    const id = nextId();
    const response = await fetch(this.endpoint(), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...message, id }),
      signal: AbortSignal.any([this.closing.signal, AbortSignal.timeout(patience)]),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const messages = (await response.json()) as Reply[];
    const isReply = (each: Reply) => each.id === id && each.successful !== undefined;
    for (const each of messages) if (!isReply(each)) this.heard(each);
    const reply = messages.find(isReply);
    if (!reply) throw new Error('an answer without a reply');
    return reply;
  }

  /** Nobody polls any more; the poll under way is held by the node for as long as it likes. */
  deafen(): void {}

  close(): void {
    this.closing.abort();
  }
}
