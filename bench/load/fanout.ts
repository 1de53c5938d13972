/**
 * The load of `fanout`: subscribers of one channel, on one or more nodes, the last of which publishes. So many of its
 * messages are in flight: it sends the next when the last subscriber of each node has received one.
 */
import { answer } from '../processes/answer.js';
import { portOf } from './nodes.js';
import { pool } from './pool.js';
import { type Many, type Subscriber, subscriber } from './subscriber.js';

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
/** So many have gone to everybody. */
let through = (_count: number): void => {};

answer({
  async connect({ ports, count, ...where }: Many) {
    subscribers = await pool(count, WIDTH, (index) => subscriber({ ...where, port: portOf(ports, index) }));
    for (const each of subscribers) {
      each.socket.onCount = (marks) => {
        received += marks;
        inform();
      };
    }
    witness(subscribers.slice(-ports.length));
  },

  async publish({ inFlight, seconds }: { inFlight: number; seconds: number }): Promise<Published> {
    const publisher = subscribers.at(-1);
    if (!publisher) throw new Error('Expected subscribers first, got none');
    const { count, finished } = publishing(publisher, inFlight, seconds);
    const cpu = process.cpuUsage();
    const begin = performance.now();
    received = 0;
    through(inFlight);
    const published = await finished;
    await all(count() * subscribers.length);
    const { user, system } = process.cpuUsage(cpu);
    const took = (performance.now() - begin) / 1_000;
    return { published, deliveries: received, seconds: took, loadCpu: user + system };
  },
});

/** A message is through when each of them has it: they are the last subscribers of their nodes. */
function witness(witnesses: readonly Subscriber[]): void {
  const heard = witnesses.map(() => 0);
  let told = 0;
  for (const [index, { socket }] of witnesses.entries()) {
    const { onCount } = socket;
    socket.onCount = (marks) => {
      onCount?.(marks);
      heard[index] = (heard[index] ?? 0) + marks;
      const least = Math.min(...heard);
      if (least === told) return;
      const more = least - told;
      told = least;
      through(more);
    };
  }
}

/** `through(n)` sends the next n messages, until the time is over. */
function publishing({ socket, publish }: Subscriber, inFlight: number, seconds: number) {
  const frames = Array.from({ length: inFlight + 1 }, (_, n) => Buffer.concat(Array(n).fill(publish)));
  const end = performance.now() + seconds * 1_000;
  let sent = 0;
  const finished = new Promise<number>((resolve) => {
    through = (marks) => {
      if (performance.now() >= end) {
        through = () => {};
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
