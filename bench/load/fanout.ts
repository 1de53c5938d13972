/**
 * The load of `fanout`: subscribers of one channel, the last of which publishes. So many of its messages are in flight:
 * it sends the next when it has received one of its own.
 */
import { answer } from '../processes/answer.js';
import { pool } from './pool.js';
import { type Subscriber, subscriber, type Where } from './subscriber.js';

export interface Published {
  /** Messages. */
  published: number;
  /** Messages times those who received them. */
  deliveries: number;
  /** From the first publish until the last delivery. */
  seconds: number;
  /** Microseconds that this process took for it. */
  loadCpu: number;
}

const WIDTH = 50;
/** Milliseconds in which all must have received what was published. */
const PATIENCE = 30_000;

let subscribers: Subscriber[] = [];
let received = 0;
let inform = (): void => {};
let own = (_count: number): void => {};

answer({
  async connect({ count, ...where }: Where & { count: number }) {
    subscribers = await pool(count, WIDTH, () => subscriber(where));
    const publisher = subscribers.at(-1);
    for (const each of subscribers) {
      each.socket.onCount = (marks) => {
        received += marks;
        if (each === publisher) own(marks);
        inform();
      };
    }
  },

  async publish({ inFlight, seconds }: { inFlight: number; seconds: number }): Promise<Published> {
    const publisher = subscribers.at(-1);
    if (!publisher) throw new Error('Expected subscribers first, got none');
    const { count, finished } = publishing(publisher, inFlight, seconds);
    const cpu = process.cpuUsage();
    const begin = performance.now();
    received = 0;
    own(inFlight);
    const published = await finished;
    await all(count() * subscribers.length);
    const { user, system } = process.cpuUsage(cpu);
    const took = (performance.now() - begin) / 1_000;
    return { published, deliveries: received, seconds: took, loadCpu: user + system };
  },
});

/** `own(n)` sends the next n messages, until the time is over. */
function publishing({ socket, publish }: Subscriber, inFlight: number, seconds: number) {
  const frames = Array.from({ length: inFlight + 1 }, (_, n) => Buffer.concat(Array(n).fill(publish)));
  const end = performance.now() + seconds * 1_000;
  let sent = 0;
  const finished = new Promise<number>((resolve) => {
    own = (marks) => {
      if (performance.now() >= end) {
        own = () => {};
        resolve(sent);
        return;
      }
      sent += marks;
      socket.write(frames[marks] ?? Buffer.concat(Array(marks).fill(publish)));
    };
  });
  return { count: () => sent, finished };
}

async function all(expected: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`Expected ${expected} deliveries, got ${received}`)),
      PATIENCE,
    );
    inform = () => {
      if (received < expected) return;
      clearTimeout(late);
      resolve();
    };
    inform();
  });
  inform = () => {};
  if (received > expected) throw new Error(`Expected ${expected} deliveries, got ${received}`);
}
