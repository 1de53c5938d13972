/** The load of `latency`: in a quiet room, how long it takes until a watcher sees one user come, and go. */
import { answer } from '../processes/answer.js';
import { BayeuxClient } from './bayeux.js';

export interface Seen {
  /** Milliseconds from the connect that joins until the watcher has the list. */
  joins: number[];
  /** Milliseconds from the disconnect until the watcher has the list. */
  leaves: number[];
}

const ROOM = '/bench/quiet';

let waiting: { count: number; resolve(): void } | null = null;

answer({
  async visits({ port, count }: { port: number; count: number }): Promise<Seen> {
    const watcher = await BayeuxClient.handshake({ port }, auth(0));
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
    for (let uid = 1; uid <= count; uid += 1) await visit(port, uid, seen);
    return seen;
  },
});

async function visit(port: number, uid: number, seen: Seen): Promise<void> {
  const client = await BayeuxClient.handshake({ port }, auth(uid));
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

const auth = (uid: number) => ({
  room_channel: ROOM,
  time_channel: `${ROOM}/time`,
  current_user: { uid, uname: `user ${uid}` },
});
