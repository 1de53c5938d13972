/** npm's Faye server as it comes, on a port of its own: what an attack works on, and ours is compared with. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import faye, { type AdapterOptions, type Extension, type NodeAdapter } from 'faye';
import { socketsOf } from './server-sockets.js';

export interface PlainFaye {
  server: { http: Server; bayeux: NodeAdapter };
  url: string;
  /** The Bayeux endpoint. */
  endpoint: string;
}

const running: { adapter: NodeAdapter; http: Server; sockets: ReadonlySet<Socket> }[] = [];

/** Durations in seconds, as Faye's; `timeout` is 60 unless told, so that nothing ends by itself while a spec looks. */
export async function startPlainFaye(
  extensions: readonly Extension[] = [],
  options: AdapterOptions = {},
): Promise<PlainFaye> {
  const adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 60, ...options });
  for (const extension of extensions) adapter.addExtension(extension);
  const http = createServer();
  adapter.attach(http);
  running.push({ adapter, http, sockets: socketsOf(http) });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return { server: { http, bayeux: adapter }, url, endpoint: `${url}/faye` };
}

/** For afterEach. */
export async function stopPlainFaye(): Promise<void> {
  await Promise.all(
    running.splice(0).map(async ({ adapter, http, sockets }) => {
      adapter.close();
      const closed = once(http, 'close');
      http.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    }),
  );
}
