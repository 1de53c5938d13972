/** A node for the engine's specs: Faye's own adapter on an http server, with the engine, and what it logged. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import faye, { type Client } from 'faye';
import { pino } from 'pino';
import { internalsOf } from '../../src/bayeux/internals.js';
import type { SharedEngine } from '../../src/bayeux/online-api.js';
import { fayeRedis } from '../../src/engine/faye-redis/faye-redis.js';
import type { FayeRedis } from '../../src/engine/faye-redis/source.js';
import { until } from '../support/until.js';

type Engine = FayeRedis & SharedEngine & SharedEngine['status'] & { waiting: number };
export interface NodeOptions {
  /** Seconds, as Faye's. Long, so that nothing comes right only because a client connects again. */
  timeout?: number;
  /** Seconds between two looks for dead clients. An hour where the spec is not about them. */
  gc?: number;
  namespace?: string;
}

export class Node {
  readonly logged: Record<string, unknown>[] = [];
  readonly ended: string[] = [];
  readonly engine: Engine;
  readonly adapter: InstanceType<typeof faye.NodeAdapter>;
  private readonly server: Server = createServer();
  private readonly sockets = new Set<Client>();

  private constructor(url: string, { timeout = 60, gc = 3_600, namespace = 'faye' }: NodeOptions) {
    const log = pino({ level: 'debug' }, { write: (line: string) => this.logged.push(JSON.parse(line)) });
    this.adapter = new faye.NodeAdapter({
      mount: '/faye',
      timeout,
      engine: { type: fayeRedis({ url, namespace, gc, log }) },
    });
    this.engine = internalsOf(this.adapter).engine as unknown as Engine;
    this.adapter.bind('disconnect', (clientId) => this.ended.push(clientId));
    this.adapter.attach(this.server);
  }

  static async start(url: string, options: NodeOptions = {}): Promise<Node> {
    const node = new Node(url, options);
    node.server.listen(0, '127.0.0.1');
    await once(node.server, 'listening');
    return node;
  }

  async up(): Promise<this> {
    await until(() => this.engine.connected, 'the node to be connected to Redis');
    return this;
  }

  async down(): Promise<void> {
    await until(() => !this.engine.connected, 'the node to notice that Redis is away');
  }

  /** npm's client, over WebSocket once it has shaken hands. */
  client(): Client {
    const { port } = this.server.address() as AddressInfo;
    const client = new faye.Client(`http://127.0.0.1:${port}/faye`, { timeout: 5, retry: 0.2 });
    this.sockets.add(client);
    return client;
  }

  /** A client of the engine's alone. */
  newClient(): Promise<string> {
    return new Promise((resolve) => {
      this.engine.createClient(resolve);
    });
  }

  destroy(clientId: string): Promise<void> {
    return new Promise((resolve) => {
      this.engine.destroyClient(clientId, resolve);
    });
  }

  subscribe(clientId: string, channel: string): Promise<void> {
    return new Promise((resolve) => {
      this.engine.subscribe(clientId, channel, resolve);
    });
  }

  async close(): Promise<void> {
    for (const client of this.sockets) client.disconnect();
    this.adapter.close();
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** A client that has subscribed, and what it heard. */
export async function listener(node: Node, channel: string): Promise<{ client: Client; heard: unknown[] }> {
  const client = node.client();
  const heard: unknown[] = [];
  await client.subscribe(channel, (data) => heard.push(data));
  return { client, heard };
}
