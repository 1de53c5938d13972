/** The load of `latency`: in a quiet room, how long until a watcher sees a user come, and go, on the next node if there is one. */
import { answer } from '../processes/answer.js';
import { BayeuxClient } from './bayeux.js';
import { portOf } from './nodes.js';
import { signedIn } from './signed-in.js';

export interface Seen {
  /** Milliseconds from the connect that joins until the watcher has the list. */
  joins: number[];
  /** Milliseconds from the disconnect until the watcher has the list. */
  leaves: number[];
}

const ROOM = '/bench/quiet';

let waiting: { count: number; resolve(): void } | null = null;

answer({
  async visits({ ports, count }: { ports: readonly number[]; count: number }): Promise<Seen> {
    const watcher = await BayeuxClient.handshake({ port: portOf(ports, 0) }, signedIn(0, ROOM));
    watcher.onMessages = (text) => {
      if (!waiting || !text.includes(`"count":${waiting.count},`)) return;
      waiting.resolve();
      waiting = null;
    };
    const first = until(1);
    await watcher.subscribe(`${ROOM}/user_list`);
    watcher.connect();
    await first;
    const seen: Seen = { joins: [], leaves: [] };
    for (let uid = 1; uid <= count; uid += 1) await visit(portOf(ports, 1), uid, seen);
    return seen;
  },
});

async function visit(port: number, uid: number, seen: Seen): Promise<void> {
  const client = await BayeuxClient.handshake({ port }, signedIn(uid, ROOM));
  seen.joins.push(await timed(2, () => client.connect()));
  seen.leaves.push(await timed(1, () => client.disconnect()));
  await client.socket.close();
}

async function timed(count: number, step: () => void): Promise<number> {
  const begin = performance.now();
  const seen = until(count);
  step();
  await seen;
  return performance.now() - begin;
}

const until = (count: number) =>
  new Promise<void>((resolve) => {
    waiting = { count, resolve };
  });
