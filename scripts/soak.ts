/**
 * A soak: a server in a process of its own, and hundreds of clients that come, move, publish, reload, are cut off and
 * vanish, for as long as it is told. Ends with 1 where anything of them is left, or where memory has grown.
 *
 *   npm run soak -- --minutes 10 --clients 300
 *
 * It is no spec: what it looks for, a leak of a few bytes a client, takes ten thousands of clients to show.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import type { Bayeux } from '../src/bayeux/bayeux.js';
import { createServer, type FayeOnlineServer } from '../src/server.js';

const MB = 1_048_576;
/** Seconds, and small: a client that vanished is to be gone soon. */
const TIMEOUT = 2;
const GRACE = 3;
/** Milliseconds in which everything must be gone after the last client. */
const GONE = 30_000;
/** Milliseconds for which rate limits remember an address. */
const RATES = 12_000;
/** Bytes by which the heap may have grown between two empty servers: compiled code and what it knows of types. */
const GROWTH = 4 * MB;

/** Of every Map, Set and array of the server, by where it is. */
type Sizes = Record<string, number>;

interface Figures {
  sizes: Sizes;
  counters: Record<string, number>;
  rss: number;
  heap: number;
}

// The server's process

async function serve(): Promise<void> {
  const server = createServer({
    port: 0,
    host: '127.0.0.1',
    logLevel: 'silent',
    records: { url: 'none' },
    timeout: TIMEOUT,
    grace: GRACE,
    ping: 1,
    gc: 1,
    leaveDelay: 0.5,
    windows: { base: 20, perUser: 0.2, max: 200 },
    rates: { messagesPerAddress: 1_000_000, handshakesPerAddress: 1_000_000, messagesPerClient: 1_000_000 },
  });
  const { url } = await server.start();
  process.on('message', (question) => {
    if (question === 'gc') global.gc?.();
    if (question === 'stop') server.stop().then(() => process.disconnect());
    else process.send?.(figuresOf(server));
  });
  process.on('disconnect', () => process.exit());
  process.send?.(url.replace('localhost', '127.0.0.1'));
}

function figuresOf(server: FayeOnlineServer): Figures {
  const { attached } = server as unknown as { attached: Record<string, unknown> & { bayeux: Bayeux } };
  const sizes: Sizes = {};
  for (const part of ['bayeux', 'presence', 'store']) measure(attached[part], part, sizes, new Set());
  const { rss, heapUsed } = process.memoryUsage();
  return { sizes, counters: server.counters, rss, heap: heapUsed };
}

/** Where a walk ends: what Node, Express and Faye's HTTP keep is not ours, and what a Map holds is counted, not seen. */
const PASSED_OVER = new Set(['adapter', 'log', 'options', '_server', '_extensions', 'config']);

function measure(thing: unknown, path: string, sizes: Sizes, seen: Set<unknown>): void {
  if (typeof thing !== 'object' || thing === null || seen.has(thing)) return;
  seen.add(thing);
  if (thing instanceof Map || thing instanceof Set) sizes[path] = thing.size;
  else if (Array.isArray(thing)) sizes[path] = thing.length;
  else if (isOurs(thing)) {
    for (const [name, value] of Object.entries(thing)) {
      if (!PASSED_OVER.has(name)) measure(value, `${path}.${name}`, sizes, seen);
    }
  }
}

const FOREIGN = new Set(['WebSocketServer', 'Timeout', 'Immediate', 'Promise', 'Buffer', 'Server']);
const isOurs = (thing: object): boolean => !FOREIGN.has(thing.constructor?.name ?? '');

// The clients' process

class Soaked {
  private constructor(
    private readonly child: ChildProcess,
    readonly endpoint: string,
  ) {}

  static async start(): Promise<Soaked> {
    const child = fork(fileURLToPath(import.meta.url), ['serve'], {
      execArgv: [...process.execArgv, '--expose-gc'],
    });
    const [url] = (await once(child, 'message')) as [string];
    return new Soaked(child, `${url}/faye`);
  }

  async ask(question: 'figures' | 'gc'): Promise<Figures> {
    this.child.send(question);
    const [figures] = (await once(this.child, 'message')) as [Figures];
    return figures;
  }

  async stop(): Promise<void> {
    this.child.send('stop');
    await once(this.child, 'exit');
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}

const random = (below: number): number => Math.floor(Math.random() * below);
const oneOf = <T>(...choices: [T, ...T[]]): T => choices[random(choices.length)] ?? choices[0];
const room = (): string => `/rooms/${random(20)}`;

interface Reply {
  channel: string;
  clientId?: string;
  successful?: boolean;
  error?: string;
}

const done: Record<string, number> = {};
const count = (what: string): void => {
  done[what] = (done[what] ?? 0) + 1;
};

/** A tab: one clientId, until it leaves or vanishes. */
abstract class Tab {
  protected clientId = '';
  private rooms = rooms();
  private readonly user = { uid: random(200), uname: 'somebody' };

  constructor(protected readonly endpoint: string) {}

  abstract send(messages: object[]): void | Promise<void>;
  /** Its connection breaks, as when a laptop is closed or a network is gone. */
  abstract cut(): void;
  abstract comeBack(): Promise<void>;
  abstract open(): Promise<void>;

  async join(): Promise<void> {
    await this.open();
    await this.say({ channel: '/meta/subscribe', subscription: this.rooms.room_channel });
    await this.say({ channel: '/meta/subscribe', subscription: `${this.rooms.room_channel}/user_list` });
    await this.connect();
    count('joined');
  }

  async move(): Promise<void> {
    await this.say({ channel: '/meta/unsubscribe', subscription: this.rooms.room_channel });
    this.rooms = rooms();
    await this.say({ channel: '/meta/subscribe', subscription: oneOf(this.rooms.room_channel, '/rooms/*') });
    count('moved');
  }

  async publish(): Promise<void> {
    await this.say({ channel: this.rooms.room_channel, data: { text: 'x'.repeat(random(500)) } });
    count('published');
  }

  async leave(): Promise<void> {
    await this.say({ channel: '/meta/disconnect' });
    this.cut();
    count('left');
  }

  async reload(): Promise<void> {
    await this.say({ channel: '/faye_online/before_leave', data: {} });
    this.cut();
    count('reloaded');
  }

  connect(): void | Promise<void> {
    return this.say({ channel: '/meta/connect', connectionType: this.connectionType });
  }

  protected abstract readonly connectionType: string;

  private say(message: { channel: string; [field: string]: unknown }): void | Promise<void> {
    const auth = { ...this.rooms, current_user: this.user };
    return this.send([{ ...message, clientId: this.clientId, auth }]);
  }
}

const rooms = () => ({ room_channel: room(), time_channel: `/courses/${random(5)}` });

const handshakeMessage = {
  channel: '/meta/handshake',
  version: '1.0',
  supportedConnectionTypes: ['websocket', 'long-polling'],
};

async function post(endpoint: string, messages: object[], signal: AbortSignal): Promise<Reply[]> {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(endpoint, {
    method: 'POST',
    headers,
    body: JSON.stringify(messages),
    signal,
  });
  return (await response.json()) as Reply[];
}

const answerOf = (ws: WebSocket): Promise<unknown> =>
  new Promise((resolve, reject) => {
    ws.once('message', resolve);
    ws.once('close', () => reject(new Error('a socket was closed before it was answered')));
  });

class SocketTab extends Tab {
  protected readonly connectionType = 'websocket';
  private ws: WebSocket | undefined;

  async open(): Promise<void> {
    await this.dial();
    const shaken = answerOf(this.ws as WebSocket);
    this.send([handshakeMessage]);
    const data = await shaken;
    this.clientId = (JSON.parse(String(data)) as Reply[])[0]?.clientId ?? '';
    this.ws?.on('message', (text) => this.heard(JSON.parse(String(text)) as Reply[]));
  }

  send(messages: object[]): void {
    if (this.ws?.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify(messages));
  }

  cut(): void {
    this.ws?.terminate();
  }

  async comeBack(): Promise<void> {
    await this.dial();
    this.ws?.on('message', (text) => this.heard(JSON.parse(String(text)) as Reply[]));
    this.connect();
  }

  private async dial(): Promise<void> {
    const ws = new WebSocket(this.endpoint.replace('http', 'ws'));
    this.ws = ws;
    ws.on('error', () => count('socket errors'));
    await once(ws, 'open');
  }

  private heard(messages: Reply[]): void {
    for (const { channel, successful, error } of messages) {
      if (channel === '/meta/connect' && successful) this.connect();
      if (error) count(`error ${error.replace(/[a-z0-9]{20,}/g, '…')}`);
    }
  }
}

class PollingTab extends Tab {
  protected readonly connectionType = 'long-polling';
  private poll = new AbortController();
  private polling: Promise<void> = Promise.resolve();

  async open(): Promise<void> {
    const [reply] = await post(this.endpoint, [handshakeMessage], this.poll.signal);
    this.clientId = reply?.clientId ?? '';
  }

  async send(messages: object[]): Promise<void> {
    await post(this.endpoint, messages, this.poll.signal);
  }

  override connect(): void {
    this.polling = this.pollOn(this.poll.signal);
  }

  cut(): void {
    this.poll.abort();
  }

  async comeBack(): Promise<void> {
    await this.polling;
    this.poll = new AbortController();
    this.connect();
  }

  private async pollOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // An aborted poll rejects; that is what cut() is for.
      await Promise.resolve(super.connect()).catch(() => this.poll.abort());
    }
  }
}

async function live(endpoint: string, until: () => boolean): Promise<void> {
  const tab = oneOf<new (endpoint: string) => Tab>(SocketTab, SocketTab, PollingTab);
  const visitor = new tab(endpoint);
  await visitor.join();
  for (let steps = 1 + random(6); steps > 0 && !until(); steps -= 1) {
    await pause(500 + random(3_000));
    await oneOf(
      () => visitor.move(),
      () => visitor.publish(),
      async () => {
        visitor.cut();
        await pause(random(600));
        await visitor.comeBack();
        count('cut and back');
      },
    )();
  }
  await oneOf(
    () => visitor.leave(),
    () => visitor.reload(),
    () => {
      visitor.cut();
      count('vanished');
    },
  )();
}

async function churn(endpoint: string, clients: number, milliseconds: number): Promise<void> {
  const end = Date.now() + milliseconds;
  const over = () => Date.now() >= end;
  const seat = async () => {
    await pause(random(2_000));
    while (!over()) {
      await live(endpoint, over).catch((error: Error) => {
        count(`failed: ${error.message}`);
        return pause(200);
      });
    }
  };
  await Promise.all(Array.from({ length: clients }, seat));
}

/** Once the server is as empty as it was at its start, or for GONE: what is left. */
async function settled(server: Soaked, atStart: Sizes): Promise<Sizes> {
  const end = Date.now() + GONE;
  for (;;) {
    const left = more((await server.ask('figures')).sizes, atStart);
    if (Object.keys(left).length === 0 || Date.now() > end) return left;
    await pause(200);
  }
}

const more = (sizes: Sizes, before: Sizes): Sizes =>
  Object.fromEntries(Object.entries(sizes).filter(([path, size]) => size > (before[path] ?? 0)));

async function emptyHeap(server: Soaked): Promise<number> {
  await pause(RATES);
  await server.ask('gc');
  return (await server.ask('gc')).heap;
}

const mb = (bytes: number): string => `${(bytes / MB).toFixed(1)} MB`;

function line({ sizes, rss, heap, counters }: Figures, since: number): string {
  const clients = Object.entries(sizes).find(([path]) => path.endsWith('registry.clients'))?.[1] ?? 0;
  const at = `${Math.round((Date.now() - since) / 1_000)} s`.padStart(6);
  return `${at}  clients ${clients}  rss ${mb(rss)}  heap ${mb(heap)}  ${JSON.stringify({ ...counters, ...done })}`;
}

async function soak(minutes: number, clients: number): Promise<boolean> {
  const server = await Soaked.start();
  const { sizes: atStart } = await server.ask('figures');
  const since = Date.now();
  const warmUp = Math.min(60_000, minutes * 6_000);
  await churn(server.endpoint, clients, warmUp);
  const leftWarm = await settled(server, atStart);
  const before = await emptyHeap(server);
  console.log(`after a warm-up of ${warmUp / 1_000} s: heap ${mb(before)}`);

  let churning = true;
  const reports = (async () => {
    while (churning) {
      await pause(10_000);
      if (churning) console.log(line(await server.ask('figures'), since));
    }
  })();
  await churn(server.endpoint, clients, minutes * 60_000);
  churning = false;
  await reports;
  const left = { ...leftWarm, ...(await settled(server, atStart)) };
  const after = await emptyHeap(server);
  console.log(line(await server.ask('figures'), since));
  console.log(`heap ${mb(before)} → ${mb(after)}`);
  if (Object.keys(left).length > 0) console.log('left:', left);
  if (after > before + GROWTH) console.log(`heap: expected to grow by at most ${mb(GROWTH)}`);
  await server.stop();
  return Object.keys(left).length === 0 && after <= before + GROWTH;
}

if (process.argv[2] === 'serve') {
  await serve();
} else {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      clients: { type: 'string', default: '300' },
    },
  });
  process.exitCode = (await soak(Number(values.minutes), Number(values.clients))) ? 0 : 1;
}
