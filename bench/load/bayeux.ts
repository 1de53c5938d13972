/** A Bayeux client over one WebSocket, with just what the load needs. */
import { MOUNT } from '../wire.js';
import { maskedFrame } from './frames.js';
import { type Address, WebSocketClient } from './socket.js';

interface Reply {
  channel: string;
  successful?: boolean;
  clientId?: string;
  error?: string;
}

export class BayeuxClient {
  clientId = '';
  /** The text of each array that is not an answer to this client. */
  onMessages: (text: string) => void = () => {};
  /** Of each message that is refused. */
  onRefusal: (reply: Reply) => void = (reply) => {
    throw new Error(`Expected success, got ${JSON.stringify(reply)}`);
  };
  private readonly answered = new Map<string, (reply: Reply) => void>();

  private constructor(
    readonly socket: WebSocketClient,
    /** Goes with every message. */
    private readonly auth: object | undefined,
  ) {
    socket.onText = (text) => this.heard(text);
  }

  /** A client that is known already, on a new socket. */
  static async again(address: Omit<Address, 'path'>, clientId: string, auth?: object): Promise<BayeuxClient> {
    const socket = await WebSocketClient.open({ ...address, path: MOUNT });
    const client = new BayeuxClient(socket, auth);
    client.clientId = clientId;
    return client;
  }

  /** With a clientId, and not yet connected. */
  static async handshake(address: Omit<Address, 'path'>, auth?: object): Promise<BayeuxClient> {
    const client = await BayeuxClient.again(address, '', auth);
    const { clientId } = await client.ask({
      channel: '/meta/handshake',
      version: '1.0',
      supportedConnectionTypes: ['websocket'],
    });
    client.clientId = clientId ?? '';
    return client;
  }

  async subscribe(channel: string): Promise<void> {
    await this.ask({ channel: '/meta/subscribe', clientId: this.clientId, subscription: channel });
  }

  /** Answered once its time is over, and sent again then. */
  connect(): void {
    this.send({ channel: '/meta/connect', clientId: this.clientId, connectionType: 'websocket' });
  }

  disconnect(): void {
    this.socket.expectClose();
    this.send({ channel: '/meta/disconnect', clientId: this.clientId });
  }

  /** The frame of a publish, to be sent many times. */
  publishFrame(channel: string, data: unknown): Buffer {
    return maskedFrame(JSON.stringify([{ channel, data, clientId: this.clientId, id: '1' }]));
  }

  private ask(message: Record<string, unknown> & { channel: string }): Promise<Reply> {
    return new Promise((resolve) => {
      this.answered.set(message.channel, resolve);
      this.send(message);
    });
  }

  private send(message: object): void {
    this.socket.send(JSON.stringify([this.auth ? { ...message, auth: this.auth } : message]));
  }

  private heard(text: string): void {
    if (text.includes('"successful"')) for (const reply of JSON.parse(text) as Reply[]) this.replied(reply);
    if (text.includes('"data"')) this.onMessages(text);
  }

  private replied(reply: Reply): void {
    if (reply.successful === undefined) return;
    if (reply.successful) this.accepted(reply);
    else this.onRefusal(reply);
  }

  private accepted(reply: Reply): void {
    if (reply.channel === '/meta/connect') this.connect();
    this.answered.get(reply.channel)?.(reply);
    this.answered.delete(reply.channel);
  }
}
