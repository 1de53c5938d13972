/** Stands before Redis and can lose its answers. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class RedisProxy {
  private readonly sockets = new Set<Socket>();
  private holding = false;

  private constructor(
    private readonly server: Server,
    redis: number,
  ) {
    server.on('connection', (near) => this.join(near, connect(redis, '127.0.0.1')));
  }

  static async start(redis: number): Promise<RedisProxy> {
    const server = createServer();
    const proxy = new RedisProxy(server, redis);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Commands still reach Redis. */
  holdAnswers(): void {
    this.holding = true;
  }

  /** What was held is lost. */
  letThrough(): void {
    this.holding = false;
  }

  /** Ends all connections; new ones get their answers. */
  cut(): void {
    this.holding = false;
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.server.close();
    this.cut();
    await once(this.server, 'close');
  }

  private join(near: Socket, far: Socket): void {
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (data) => far.write(data));
    far.on('data', (data) => {
      if (!this.holding) near.write(data);
    });
  }
}
