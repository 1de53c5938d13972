/**
 * The load of `records`: users who come to rooms and go again, and messages to subscribers beside them, both at a fixed
 * rate, whether or not the server keeps up. What is late is late for those who wait for it.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { until } from '../../spec/support/until.js';
import { answer } from '../processes/answer.js';
import { CHANNEL, PAYLOAD } from '../wire.js';
import { BayeuxClient } from './bayeux.js';
import { portOf } from './nodes.js';
import { pool } from './pool.js';
import { listsIn, signedIn } from './signed-in.js';

/** Rates are a second. */
export interface Churn {
  ports: readonly number[];
  seconds: number;
  visits: number;
  publishes: number;
}

export interface Heard {
  /** Milliseconds from the connect that joins until the room's watcher has a list with the user. */
  joins: number[];
  /** Milliseconds from a publish until a witness has it. */
  publishes: number[];
  /** Messages times those who received them. */
  deliveries: number;
  /** From the first visit or publish until the last user goes. */
  seconds: number;
  /** Microseconds that this process took for it. */
  loadCpu: number;
}

export interface Audience {
  ports: readonly number[];
  rooms: number;
  subscribers: number;
  /** So many of the subscribers tell when they received what; the others are only counted. */
  witnesses: number;
}

const WIDTH = 50;
/** Milliseconds from the join to the leave. */
const STAY = 1_000;
/** Milliseconds in which all must have come through at the end. */
const PATIENCE = 30_000;
const AT = /"at":([\d.]+)/g;

let rooms = 0;
let subscribers: BayeuxClient[] = [];
let visitors = 0;
let joins: number[] = [];
let publishes: number[] = [];
let deliveries = 0;
/** By uid: since when it waits to be seen. */
const joining = new Map<number, number>();

answer({
  async connect(audience: Audience) {
    const { ports, witnesses } = audience;
    rooms = audience.rooms;
    await pool(rooms, WIDTH, (room) => watch(portOf(ports, room), room));
    subscribers = await pool(audience.subscribers, WIDTH, (index) => subscribe(portOf(ports, index)));
    const apart = Math.ceil(subscribers.length / witnesses);
    for (const [index, each] of subscribers.entries()) {
      if ((index + 1) % apart === 0) witness(each);
      else each.socket.onCount = (marks) => count(marks);
    }
  },

  async churn(churn: Churn): Promise<Heard> {
    joins = [];
    publishes = [];
    deliveries = 0;
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await Promise.all([visitAll(churn), publishAll(churn)]);
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - begin) / 1_000;
    return { joins, publishes, deliveries, seconds, loadCpu: user + system };
  },
});

const nameOf = (room: number): string => `/bench/churn/${room}`;

/** Somebody who is in the room all the time, and sees who comes. */
async function watch(port: number, room: number): Promise<void> {
  const name = nameOf(room);
  const watcher = await BayeuxClient.handshake({ port }, signedIn(-1 - room, name));
  watcher.onMessages = (text) => {
    for (const { user_list } of listsIn(text, name)) user_list.forEach(seen);
  };
  await watcher.subscribe(`${name}/user_list`);
  watcher.connect();
}

function seen(uid: number): void {
  const begin = joining.get(uid);
  if (begin === undefined) return;
  joining.delete(uid);
  joins.push(performance.now() - begin);
}

async function subscribe(port: number): Promise<BayeuxClient> {
  const client = await BayeuxClient.handshake({ port });
  await client.subscribe(CHANNEL);
  client.connect();
  return client;
}

function witness(client: BayeuxClient): void {
  client.onMessages = (text) => {
    const now = performance.now();
    for (const [, at] of text.matchAll(AT)) {
      publishes.push(now - Number(at));
      count(1);
    }
  };
}

function count(marks: number): void {
  deliveries += marks;
}

async function visitAll({ ports, seconds, visits }: Churn): Promise<void> {
  const gone: Promise<void>[] = [];
  await steadily(visits, seconds, () => {
    const uid = visitors++;
    gone.push(visit(portOf(ports, uid), uid));
  });
  await Promise.all(gone);
  await until(() => joining.size === 0, 'everybody who came to be seen', PATIENCE);
}

async function visit(port: number, uid: number): Promise<void> {
  const client = await BayeuxClient.handshake({ port }, signedIn(uid, nameOf(uid % rooms)));
  joining.set(uid, performance.now());
  client.connect();
  await wait(STAY);
  client.disconnect();
}

async function publishAll({ seconds, publishes }: Churn): Promise<void> {
  const publisher = subscribers.at(-1);
  if (!publisher) throw new Error('Expected subscribers first, got none');
  let sent = 0;
  await steadily(publishes, seconds, () => {
    publisher.socket.write(publisher.publishFrame(CHANNEL, { ...PAYLOAD, at: performance.now() }));
    sent += 1;
  });
  const expected = () => sent * subscribers.length;
  await until(() => deliveries >= expected(), 'every message to be received by everybody', PATIENCE);
  if (deliveries > expected()) throw new Error(`Expected ${expected()} deliveries, got ${deliveries}`);
}

/** What it is late for, it does at once. */
async function steadily(rate: number, seconds: number, step: () => void): Promise<void> {
  const begin = performance.now();
  for (let done = 0; done < rate * seconds; done += 1) {
    const early = begin + (done * 1_000) / rate - performance.now();
    if (early > 0) await wait(early);
    step();
  }
}
