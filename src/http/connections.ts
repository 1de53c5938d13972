import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Every TCP connection of a server. Node itself loses sight of those that became WebSockets. */
export class Connections {
  private readonly sockets = new Set<Socket>();

  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /**
   * Lets those finish that are at work, closes the idle, and after `grace` ms cuts what is still open. Resolves once all
   * are closed.
   */
  async drain(grace: number): Promise<void> {
    // A poll that was answered leaves its connection open for the next one.
    const sweep = setInterval(() => this.server.closeIdleConnections(), SWEEP_EVERY);
    const cut = setTimeout(() => {
      for (const socket of this.sockets) socket.destroy();
    }, grace);
    await Promise.all([...this.sockets].map(closed));
    clearInterval(sweep);
    clearTimeout(cut);
  }
}

const SWEEP_EVERY = 50;

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}
