/** A subscriber that only counts, in the words of each protocol. */
import type { Dialect } from '../peers.js';
import { CHANNEL, PAYLOAD } from '../wire.js';
import { BayeuxClient } from './bayeux.js';
import { maskedFrame } from './frames.js';
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

  /** engine.io 4 over WebSocket: `0…` opens, `2` is its ping, `40` and `42` are socket.io's connect and event. */
  async 'socket.io'({ port }) {
    let joined = () => {};
    const joining = new Promise<void>((resolve) => {
      joined = resolve;
    });
    const address = { port, path: '/socket.io/?EIO=4&transport=websocket' };
    const socket = await WebSocketClient.open(address, (text, engine) => {
      if (text.startsWith('0')) engine.send('40');
      else if (text === '2') engine.send('3');
      else if (text.startsWith('40')) joined();
    });
    await joining;
    return { socket, publish: maskedFrame(`42${JSON.stringify(['publish', PAYLOAD])}`) };
  },

  async ws({ port }) {
    const socket = await WebSocketClient.open({ port, path: '/' });
    return { socket, publish: maskedFrame(JSON.stringify(PAYLOAD)) };
  },
};
