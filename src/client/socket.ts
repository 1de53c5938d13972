import type { Client } from 'faye';

interface Sockets {
  _dispatcher?: { transports?: { websocket?: Map<string, { close(): void }> } };
}

/**
 * Closes the client's WebSocket, which Faye opens again when there is something to send. Touches private fields of
 * Faye's client (1.4.3); where another version has none of them, nothing happens.
 */
export function closeSocket(client: Client): void {
  const { _dispatcher } = client as unknown as Sockets;
  for (const transport of _dispatcher?.transports?.websocket?.values() ?? []) transport.close();
}
