import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Whether the HTTP server that a request came to has been closed and accepts no more connections. Its connections are to
 * end with the answers that they wait for. Node has no event for it, and an app may close a server that it made itself.
 */
export function isStopping({ httpVersionMajor, socket }: IncomingMessage): boolean {
  // HTTP/2 ends a session by a frame of its own.
  if (httpVersionMajor !== 1) return false;
  return (socket as Socket & { server?: Server }).server?.listening === false;
}
