/** A server's side of its connections, where a peer that does not read can't hide that they have ended. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** The TCP connections that are open, of those that came since this was called. */
export function socketsOf(http: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  http.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

/** The streams of all upgrades asked for since this was called, oldest first. A listener would claim them. */
export function upgradesOf(http: Server): readonly Duplex[] {
  const streams: Duplex[] = [];
  const emit = http.emit;
  http.emit = (event: string, ...args: unknown[]) => {
    if (event === 'upgrade') streams.push(args[1] as Duplex);
    return emit.apply(http, [event, ...args] as Parameters<typeof emit>);
  };
  return streams;
}
