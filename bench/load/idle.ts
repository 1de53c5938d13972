/** The load of `idle`: clients that have come, and then do what keeps them alive. */
import { answer } from '../processes/answer.js';
import { BayeuxClient } from './bayeux.js';
import { portOf } from './nodes.js';
import { pool } from './pool.js';
import { signedIn } from './signed-in.js';
import { type Many, subscriber } from './subscriber.js';

const WIDTH = 50;

export interface Entering {
  ports: readonly number[];
  /** A multiple of `perRoom`. */
  count: number;
  perRoom: number;
}

answer({
  async connect({ ports, count, ...where }: Many) {
    await pool(count, WIDTH, (index) => subscriber({ ...where, port: portOf(ports, index) }));
  },

  /** Users who are present in rooms, each subscribed to its list. Resolves when each has seen that its room is full. */
  async enter({ ports, count, perRoom }: Entering) {
    const seen = await pool(count, WIDTH, (uid) => enter(portOf(ports, uid), uid, perRoom));
    await Promise.all(seen.map(({ full }) => full));
  },
});

/** `full`: the room is. In an object, so that nobody waits for it here. */
async function enter(port: number, uid: number, perRoom: number): Promise<{ full: Promise<void> }> {
  const room = `/bench/idle/${Math.floor(uid / perRoom)}`;
  const client = await BayeuxClient.handshake({ port }, signedIn(uid, room));
  const full = new Promise<void>((resolve) => {
    client.onMessages = (text) => {
      if (text.includes(`"count":${perRoom},`)) resolve();
    };
  });
  await client.subscribe(`${room}/user_list`);
  client.connect();
  return { full };
}
