/** A WebSocket that speaks Bayeux by hand: what a stock client would never send. */
import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';
import type { Reply } from './server.js';
import { until } from './until.js';

export const HANDSHAKE = {
  channel: '/meta/handshake',
  version: '1.0',
  supportedConnectionTypes: ['websocket', 'eventsource', 'long-polling'],
};

const sockets: BayeuxSocket[] = [];

/** For afterEach. */
export function cutSockets(): void {
  for (const socket of sockets.splice(0)) socket.cut();
}

export class BayeuxSocket {
  /** Every message that came, oldest first. */
  readonly received: Reply[] = [];
  pings = 0;
  /** 1006 where there was no closing handshake. */
  closeCode: number | undefined;
  private readonly ws: WebSocket;
  private asked = 0;

  private constructor(endpoint: string, options: ClientOptions) {
    this.ws = new WebSocket(endpoint.replace(/^http/, 'ws'), { perMessageDeflate: false, ...options });
    this.ws.on('message', (text) => this.received.push(...(JSON.parse(String(text)) as Reply[])));
    this.ws.on('ping', () => {
      this.pings += 1;
    });
    this.ws.on('close', (code) => {
      this.closeCode = code;
    });
  }

  /** Rejects with the HTTP status where the server refuses. */
  static async open(endpoint: string, options: ClientOptions = {}): Promise<BayeuxSocket> {
    const socket = new BayeuxSocket(endpoint, options);
    sockets.push(socket);
    await once(socket.ws, 'open');
    socket.ws.on('error', () => {});
    return socket;
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  /** As one frame. */
  send(body: unknown): void {
    this.ws.send(typeof body === 'string' ? body : JSON.stringify(body));
  }

  sendBytes(bytes: Buffer): void {
    this.ws.send(bytes, { binary: true });
  }

  /** One message, its one reply. */
  async ask(message: object): Promise<Reply> {
    this.asked += 1;
    const id = `q${this.asked}`;
    this.send({ ...message, id });
    const isReply = (reply: Reply) => reply.id === id && reply.successful !== undefined;
    return until(() => this.received.find(isReply), `the reply to ${JSON.stringify(message).slice(0, 200)}`);
  }

  /** Makes this the client's socket, by a connect that comes back at once. */
  async connect(clientId: string, more: object = {}): Promise<Reply> {
    const advice = { timeout: 0 };
    return this.ask({ channel: '/meta/connect', clientId, connectionType: 'websocket', advice, ...more });
  }

  /** The data that came on a channel. */
  heard(channel: string): unknown[] {
    return this.received.filter((each) => each.channel === channel && 'data' in each).map(({ data }) => data);
  }

  async closed(): Promise<number> {
    await until(() => this.closeCode !== undefined, 'the socket to be closed');
    return this.closeCode ?? 0;
  }

  /** From now on it reads nothing, so it answers neither pings nor the closing handshake. */
  goDeaf(): void {
    this.ws.pause();
  }

  cut(): void {
    this.ws.terminate();
  }
}
