/** A plain Faye server, without presence, that remembers what it received, refuses and cuts when told to. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import faye, { type Message } from 'faye';

type Pass = (message: Message | null) => void;

export class PlainFaye {
  readonly received: Message[] = [];
  /** The Bayeux error for a message, if any. */
  refuse: (message: Message) => string | undefined = () => undefined;
  /** Whether a message is left without an answer. */
  ignore: (message: Message) => boolean = () => false;
  private readonly sockets = new Set<Socket>();
  private readonly adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 10 });

  private constructor(private readonly http: Server) {
    http.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.adapter.addExtension({
      incoming: (message: Message, request: IncomingMessage | null, pass: Pass) => {
        if (request) this.receive(message, pass);
        else pass(message);
      },
      outgoing: (message: Message, pass: Pass) => pass(advised(message)),
    });
    this.adapter.attach(http);
  }

  static async start(): Promise<PlainFaye> {
    const server = new PlainFaye(createServer().listen(0, '127.0.0.1'));
    await once(server.http, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}/faye`;
  }

  on(channel: string): Message[] {
    return this.received.filter((message) => message.channel === channel);
  }

  publish(channel: string, data: unknown): void {
    this.adapter.getClient().publish(channel, data);
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.adapter.close();
    this.http.close();
    this.cut();
    await once(this.http, 'close');
  }

  private receive(message: Message, pass: Pass): void {
    this.received.push({ ...message });
    if (this.ignore(message)) return;
    const error = this.refuse(message);
    if (error) message.error = error;
    pass(message);
  }
}

/** As faye-online's server advises where a proof expired, but for the interval. */
function advised(message: Message): Message {
  if (message.error?.endsWith('Token expired')) message.advice = { reconnect: 'handshake', interval: 0 };
  return message;
}
