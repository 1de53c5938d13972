import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Every TCP connection of a server. Node itself loses sight of those that became WebSockets. */
export class Connections {
  private readonly sockets = new Set<Socket>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** Cuts what is still open after `grace` ms, and resolves once all are closed. */
  async drain(grace: number): Promise<void> {
    const cut = setTimeout(() => {
      for (const socket of this.sockets) socket.destroy();
    }, grace);
    await Promise.all(
      [...this.sockets].map(
        (socket) => socket.closed || new Promise((resolve) => socket.once('close', resolve)),
      ),
    );
    clearTimeout(cut);
  }
}
