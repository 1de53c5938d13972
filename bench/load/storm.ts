/** The load of `storm`: clients that join one room as fast as they can, each of which is sent its lists. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Dialect } from '../peers.js';
import { answer } from '../processes/answer.js';
import { BayeuxClient } from './bayeux.js';
import { portOf } from './nodes.js';
import { pool } from './pool.js';
import { signedIn } from './signed-in.js';
import { SocketIoClient } from './socket.io.js';
import type { WebSocketClient } from './socket.js';

export interface Stormed {
  /** Clients that have seen the final count. */
  saw: number;
  /** From the first socket until the last join was sent. */
  joinSeconds: number;
  /** From the last join until all had seen the final count; until it was given up, where not all have. */
  seenSeconds: number;
  /** Lists received. */
  messages: number;
  bytes: number;
  /** Microseconds that this process took for it. */
  loadCpu: number;
}

/** Joins at a time: TCP, WebSocket, and what comes before the connect, until that is sent. */
const WIDTH = 50;
const ROOM = '/bench/room';
const LIST = '"user_list":[';

interface Storm {
  ports: readonly number[];
  dialect: Dialect;
  count: number;
  /** After so many it is given up. */
  seconds: number;
}

const seen = new Set<number>();
const sockets: WebSocketClient[] = [];
let messages = 0;

answer({
  async storm({ ports, dialect, count, seconds }: Storm): Promise<Stormed> {
    const cpu = process.cpuUsage();
    const begin = performance.now();
    const late = wait(seconds * 1_000, undefined, { ref: false });
    let all = () => {};
    const everybody = new Promise<void>((resolve) => {
      all = resolve;
    });
    const join = JOIN[dialect];
    if (!join) throw new Error(`Expected one of ${Object.keys(JOIN).join(', ')}, got ${dialect}`);
    const joined = pool(count, WIDTH, (uid) =>
      join(portOf(ports, uid), uid, (text) => heard(text, uid, count, all)),
    );
    joined.catch(fail);
    await Promise.race([joined, late]);
    const joinedAt = performance.now();
    await Promise.race([everybody, late]);
    const seenAt = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    return {
      saw: seen.size,
      joinSeconds: (joinedAt - begin) / 1_000,
      seenSeconds: (seenAt - joinedAt) / 1_000,
      messages,
      bytes: sockets.reduce((sum, { bytes }) => sum + bytes, 0),
      loadCpu: user + system,
    };
  },
});

/** Resolves when the connect is sent. `hear` is called with each text in which lists may be. */
type Join = (port: number, uid: number, hear: (text: string) => void) => Promise<void>;

const JOIN: Partial<Record<Dialect, Join>> = {
  async bayeux(port, uid, hear) {
    const client = await BayeuxClient.handshake({ port }, signedIn(uid, ROOM));
    sockets.push(client.socket);
    client.onMessages = hear;
    await client.subscribe(`${ROOM}/user_list`);
    client.connect();
  },

  async 'socket.io'(port, uid, hear) {
    const client = await SocketIoClient.open(port);
    sockets.push(client.socket);
    client.onEvent = hear;
    client.connect(signedIn(uid, ROOM));
  },
};

function heard(text: string, uid: number, count: number, all: () => void): void {
  messages += text.split(LIST).length - 1;
  if (seen.has(uid) || !text.includes(`"count":${count},`)) return;
  seen.add(uid);
  if (seen.size === count) all();
}

function fail(error: Error): void {
  throw error;
}
