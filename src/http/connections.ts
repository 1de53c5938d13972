import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Every TCP connection of a server. Node itself loses sight of those that became WebSockets. */
export class Connections {
  private readonly sockets = new Set<Socket>();
  private readonly unanswered = new Set<ServerResponse>();
  private isDraining = false;

  /** To be called once whoever takes the server's requests listens: this has to run before. */
  constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    server.prependListener('request', (_request, response: ServerResponse) => {
      if (this.isDraining) closeAfter(response);
      this.unanswered.add(response);
      response.once('close', () => this.unanswered.delete(response));
    });
  }

  /**
   * Answers those requests that are at work, the last on their connections, closes the idle connections, and after `grace`
   * ms cuts what is still open. Resolves once all are closed.
   */
  async drain(grace: number): Promise<void> {
    this.isDraining = true;
    for (const response of this.unanswered) closeAfter(response);
    const sweep = setInterval(() => this.closeIdle(), SWEEP_EVERY);
    const cut = setTimeout(() => {
      for (const socket of this.sockets) socket.destroy();
    }, grace);
    await Promise.all([...this.sockets].map(closed));
    clearInterval(sweep);
    clearTimeout(cut);
  }

  private closeIdle(): void {
    this.server.closeIdleConnections();
    // Browsers open connections ahead. To Node one is not idle before its first request.
    for (const socket of this.sockets) if (socket.bytesRead === 0) socket.destroy();
  }
}

/** Milliseconds. */
const SWEEP_EVERY = 50;

function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}
