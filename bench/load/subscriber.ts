/** A subscriber that only counts, in the words of each protocol. */
import type { Dialect } from '../peers.js';
import { CHANNEL, PAYLOAD } from '../wire.js';
import { BayeuxClient } from './bayeux.js';
import { maskedFrame } from './frames.js';
import { SocketIoClient } from './socket.io.js';
import { WebSocketClient } from './socket.js';

export interface Subscriber {
  socket: WebSocketClient;
  /** The frame that publishes one message. */
  publish: Buffer;
}

/** Many of them, on the nodes in turn. */
export interface Many extends Omit<Where, 'port'> {
  ports: readonly number[];
  count: number;
}

export interface Where {
  port: number;
  dialect: Dialect;
  compression?: boolean;
}

export function subscriber({ dialect, ...address }: Where): Promise<Subscriber> {
  return DIALECTS[dialect](address);
}

const DIALECTS: Record<Dialect, (address: Omit<Where, 'dialect'>) => Promise<Subscriber>> = {
  async bayeux(address) {
    const client = await BayeuxClient.handshake(address);
    await client.subscribe(CHANNEL);
    client.connect();
    return { socket: client.socket, publish: client.publishFrame(CHANNEL, PAYLOAD) };
  },

  async 'socket.io'({ port }) {
    const client = await SocketIoClient.open(port);
    await client.connect();
    const publish = maskedFrame(`42${JSON.stringify(['publish', PAYLOAD])}`);
    return { socket: client.socket, publish };
  },

  async ws({ port }) {
    const socket = await WebSocketClient.open({ port, path: '/' });
    return { socket, publish: maskedFrame(JSON.stringify(PAYLOAD)) };
  },
};
