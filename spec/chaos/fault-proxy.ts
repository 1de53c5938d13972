/**
 * A node's way to Redis, which can be cut, slow, or open in one direction only. Bytes that are held are not lost: they
 * arrive as soon as the way is open again, as those of a network that was broken for a while do.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

type Direction = 'to Redis' | 'from Redis';

interface Pair {
  client: Socket;
  redis: Socket;
}

export class FaultProxy {
  private readonly pairs = new Set<Pair>();
  private isCut = false;
  private delay = 0;
  private held: Direction | null = null;

  private constructor(
    private readonly server: Server,
    private readonly target: number,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  /** `target`: a port on 127.0.0.1. */
  static async start(target: number): Promise<FaultProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultProxy(server, target);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Ends every connection, and each new one at once. */
  cut(): void {
    this.isCut = true;
    for (const pair of [...this.pairs]) this.end(pair);
  }

  /** What comes from now on arrives so many milliseconds later, in order. */
  slow(milliseconds: number): void {
    this.delay = milliseconds;
  }

  hold(direction: Direction): void {
    this.held = direction;
    for (const pair of this.pairs) this.turn(pair);
  }

  heal(): void {
    this.isCut = false;
    this.delay = 0;
    this.held = null;
    for (const pair of this.pairs) this.turn(pair);
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(client: Socket): void {
    if (this.isCut) {
      client.on('error', () => {}).destroy();
      return;
    }
    const pair = { client, redis: connect(this.target, '127.0.0.1') };
    this.pairs.add(pair);
    this.carry(pair, client, pair.redis);
    this.carry(pair, pair.redis, client);
    this.turn(pair);
  }

  private carry(pair: Pair, from: Socket, to: Socket): void {
    let arrived = Promise.resolve();
    from.setNoDelay(true);
    from.on('data', (bytes) => {
      const due = Date.now() + this.delay;
      arrived = arrived.then(() => later(due)).then(() => void to.write(bytes));
    });
    from.on('error', () => {});
    from.on('close', () => this.end(pair));
  }

  private turn({ client, redis }: Pair): void {
    this.let(client, this.held !== 'to Redis');
    this.let(redis, this.held !== 'from Redis');
  }

  private let(socket: Socket, flow: boolean): void {
    if (flow) socket.resume();
    else socket.pause();
  }

  private end(pair: Pair): void {
    this.pairs.delete(pair);
    pair.client.destroy();
    pair.redis.destroy();
  }
}

function later(due: number): Promise<void> | void {
  const wait = due - Date.now();
  if (wait > 0) return new Promise((resolve) => setTimeout(resolve, wait));
}
