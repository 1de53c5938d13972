/** Nodes of ours on one Redis, and clients that go from one to the other, for the specs of many nodes. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { internalsOf } from '../../src/bayeux/internals.js';
import type { Config } from '../../src/config/index.js';
import type { OnlineEngine } from '../../src/engine/online-engine.js';
import type { Claims } from '../../src/sessions/redis/claims.js';
import type { Leases } from '../../src/sessions/redis/leases.js';
import type { Reconciler } from '../../src/sessions/redis/reconciler.js';
import type { Session } from '../../src/sessions/session.js';
import { EventStream } from '../support/event-stream.js';
import {
  connectMessage,
  post,
  type Reply,
  type Rooms,
  type Running,
  say,
  startServer,
} from '../support/server.js';
import { until } from '../support/until.js';

/** A node, and what it said. */
export interface OneNode extends Running {
  readonly engine: OnlineEngine;
  /** `join` and `leave` of users, and `disconnect` of clients, with whose it is. */
  readonly said: [event: 'join' | 'leave' | 'disconnect', whose: string][];
  publish(channel: string, data: unknown): void;
  has(clientId: string): boolean;
}

export async function startNode(config: Config): Promise<OneNode> {
  const running = await startServer(config);
  const { server } = running;
  const { proxy, engine } = internalsOf(server.bayeux);
  const ours = engine as unknown as OnlineEngine;
  const said: OneNode['said'] = [];
  for (const event of ['join', 'leave'] as const) {
    server.presence.on(event, (_channel, { uid }) => said.push([event, String(uid)]));
  }
  server.bayeux.bind('disconnect', (clientId) => said.push(['disconnect', clientId]));
  return {
    ...running,
    engine: ours,
    said,
    publish: (channel, data) => proxy.publish({ channel, data }),
    has: (clientId) => ours.ownership.has(clientId),
  };
}

/** Nodes that know of each other. */
export async function startNodes(count: number, config: Config): Promise<OneNode[]> {
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(config)));
  const knows = async ({ server, engine }: OneNode) =>
    engine.status.connected && (await server.status()).nodes.length >= count;
  await until(async () => (await Promise.all(nodes.map(knows))).every(Boolean), `${count} nodes`);
  return nodes;
}

/** The sessions of an engine on Redis, from the inside. */
export interface Sessions {
  claims: Claims;
  leases: Leases;
  reconciler: Reconciler;
}

export const sessionsOf = ({ engine }: { engine: OnlineEngine }): Sessions =>
  (engine as unknown as { sessions: Sessions }).sessions;

/** All sessions of a node, of clients that it has, acquires or ends. */
export const allSessions = (node: { engine: OnlineEngine }): Session[] => {
  const { sessions } = sessionsOf(node).reconciler as unknown as {
    sessions: Map<unknown, Map<string, Session>>;
  };
  return [...sessions.values()].flatMap((each) => [...each.values()]);
};

/** The session is written again, as a suspect one is. */
export function rewrite(node: { engine: OnlineEngine }, clientId: string): Promise<void> {
  const { reconciler } = sessionsOf(node);
  const session = reconciler.get(clientId);
  if (!session) throw new Error(`there is no session of ${clientId}`);
  reconciler.mark(session);
  return reconciler.run(session);
}

/** What all nodes said of one kind. */
export const saidBy = (nodes: readonly OneNode[], event: OneNode['said'][number][0]): string[] =>
  nodes.flatMap(({ said }) => said.filter(([what]) => what === event).map(([, whose]) => whose));

/** For subscribers that `fence` is to wait for. */
export const FENCED = '/fence';

/**
 * Waits until each client has heard a last message from each node, on each of the channels: those before it have been heard
 * too, or never will.
 */
export async function fence(
  nodes: readonly OneNode[],
  heard: readonly (() => readonly Reply[])[],
  channels: readonly string[] = [FENCED],
): Promise<void> {
  fences += 1;
  const data = nodes.flatMap((node, index) =>
    channels.map((channel) => {
      const said = `${fences} of ${index} on ${channel}`;
      node.publish(channel, said);
      return said;
    }),
  );
  const has = (all: readonly Reply[]) => data.every((each) => all.some((reply) => reply.data === each));
  await until(() => heard.every((all) => has(all())), 'the fence');
}

let fences = 0;

/** Polls, each time the next node. */
export class Roamer {
  readonly heard: Reply[] = [];
  readonly errors: string[] = [];
  polls = 0;
  private going = true;
  private readonly ended: Promise<void>;

  constructor(
    private readonly endpoints: readonly string[],
    readonly clientId: string,
    private readonly auth?: Rooms,
  ) {
    this.ended = this.go();
  }

  async stop(): Promise<void> {
    this.going = false;
    await this.ended;
  }

  /** The data that came on a channel. */
  on(channel: string): unknown[] {
    return this.heard.filter((reply) => reply.channel === channel).map(({ data }) => data);
  }

  private async go(): Promise<void> {
    while (this.going) {
      const endpoint = this.endpoints[this.polls % this.endpoints.length] ?? '';
      const { replies } = await post(endpoint, this.connect()).catch((error: Error) => {
        this.errors.push(error.message);
        return { replies: [] };
      });
      this.polls += 1;
      for (const reply of replies) {
        if (reply.successful === undefined) this.heard.push(reply);
        else if (reply.error) this.errors.push(reply.error);
      }
    }
  }

  private connect() {
    return {
      channel: '/meta/connect',
      clientId: this.clientId,
      connectionType: 'long-polling',
      advice: { timeout: 100 },
      ...(this.auth && { auth: this.auth }),
    };
  }
}

/** One connect for an EventSource, which is then cut and opened again until `isOver`, at the next node each time: how often. */
export async function reconnects(
  endpoints: readonly string[],
  clientId: string,
  isOver: () => boolean | Promise<boolean>,
): Promise<number> {
  const [first = ''] = endpoints;
  let stream = await EventStream.open(first, clientId);
  await say(first, { ...connectMessage(clientId), connectionType: 'eventsource' });
  const word = await until(() => stream.lastEventId, 'its word');
  let times = 0;
  await until(async () => {
    stream.cut();
    times += 1;
    const endpoint = endpoints[times % endpoints.length] ?? '';
    stream = await EventStream.open(endpoint, clientId, { 'Last-Event-ID': word });
    return isOver();
  }, 'the end of it');
  return times;
}

/** A TCP port that leads to one node, and then to another, as a load balancer does. */
export class Door {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private to: number,
  ) {
    server.on('connection', (near) => this.join(near, connect(this.to, '127.0.0.1')));
  }

  static async open(url: string): Promise<Door> {
    const server = createServer();
    const door = new Door(server, Number(new URL(url).port));
    doors.push(door);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return door;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/faye`;
  }

  /** Cuts what is open; what comes next goes to the other. */
  leadTo(url: string): void {
    this.to = Number(new URL(url).port);
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private join(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
  }
}

const doors: { close(): void }[] = [];

/** For afterEach. */
export function closeDoors(): void {
  for (const door of doors.splice(0)) door.close();
}

/** Stands before Redis; what is connected may hang: commands arrive, and no answer comes back. New connections are well. */
export class HangingProxy {
  private readonly pairs = new Set<[near: Socket, far: Socket]>();

  private constructor(
    private readonly server: Server,
    redis: number,
  ) {
    server.on('connection', (near) => this.join(near, connect(redis, '127.0.0.1')));
  }

  static async start(redis: number): Promise<HangingProxy> {
    const server = createServer();
    const proxy = new HangingProxy(server, redis);
    doors.push(proxy);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  hang(): void {
    for (const [near, far] of this.pairs) {
      far.unpipe(near);
      far.resume();
    }
  }

  close(): void {
    this.server.close();
    for (const [near, far] of this.pairs) for (const socket of [near, far]) socket.destroy();
  }

  private join(near: Socket, far: Socket): void {
    const pair: [Socket, Socket] = [near, far];
    this.pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
  }
}
