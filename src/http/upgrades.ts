/** WebSockets of the app's own beside Bayeux, on one HTTP server. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NodeAdapter } from 'faye';

type Upgrade = [request: IncomingMessage, socket: Duplex, head: Buffer];

/**
 * Keeps upgrades below the mount from the app's listeners, whenever those were added: a `WebSocketServer` of ws answers
 * 400 to every path that is not its own. All other upgrades are the app's; where it has no listener they are closed.
 */
export function shareUpgrades(server: Server, bayeux: NodeAdapter): void {
  // Node hands on upgrades only where somebody listens.
  const unclaimed = (...[, socket]: Upgrade) => {
    if (server.listenerCount('upgrade') === 1) socket.destroy();
  };
  server.removeAllListeners('upgrade').on('upgrade', unclaimed);
  const emit = server.emit;
  server.emit = (event: string, ...args: unknown[]) => {
    if (event !== 'upgrade' || !bayeux.check(args[0] as IncomingMessage))
      return emit.apply(server, [event, ...args] as Parameters<typeof emit>);
    bayeux.handleUpgrade(...(args as Upgrade));
    return true;
  };
}
