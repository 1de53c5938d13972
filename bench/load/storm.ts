/** The load of `storm`: clients that join one room as fast as they can, each subscribed to its list first. */
import { setTimeout as wait } from 'node:timers/promises';
import { answer } from '../processes/answer.js';
import { BayeuxClient } from './bayeux.js';
import { portOf } from './nodes.js';
import { pool } from './pool.js';
import { signedIn } from './signed-in.js';

export interface Stormed {
  /** Clients that have seen the final count. */
  saw: number;
  /** From the first handshake until the last join was sent. */
  joinSeconds: number;
  /** From the last join until all had seen the final count; until it was given up, where not all have. */
  seenSeconds: number;
  /** Lists received. */
  messages: number;
  bytes: number;
  /** Microseconds that this process took for it. */
  loadCpu: number;
}

/** Joins at a time: TCP, WebSocket, handshake and subscribe, until the connect is sent. */
const WIDTH = 50;
const ROOM = '/bench/room';
const LIST = '"user_list":[';

interface Storm {
  ports: readonly number[];
  count: number;
  /** After so many it is given up. */
  seconds: number;
}

const seen = new Set<number>();
const sockets: BayeuxClient[] = [];
let messages = 0;

answer({
  async storm({ ports, count, seconds }: Storm): Promise<Stormed> {
    const cpu = process.cpuUsage();
    const begin = performance.now();
    const late = wait(seconds * 1_000, undefined, { ref: false });
    let all = () => {};
    const everybody = new Promise<void>((resolve) => {
      all = resolve;
    });
    const joined = pool(count, WIDTH, (uid) => join(portOf(ports, uid), uid, count, all));
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
      bytes: sockets.reduce((sum, { socket }) => sum + socket.bytes, 0),
      loadCpu: user + system,
    };
  },
});

async function join(port: number, uid: number, count: number, all: () => void): Promise<void> {
  const client = await BayeuxClient.handshake({ port }, signedIn(uid, ROOM));
  sockets.push(client);
  const final = `"count":${count},`;
  client.onMessages = (text) => {
    messages += text.split(LIST).length - 1;
    if (seen.has(uid) || !text.includes(final)) return;
    seen.add(uid);
    if (seen.size === count) all();
  };
  await client.subscribe(`${ROOM}/user_list`);
  client.connect();
}

function fail(error: Error): void {
  throw error;
}
