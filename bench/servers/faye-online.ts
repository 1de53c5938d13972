/**
 * This project's server, as it is built. All load comes from one address, so that the limits of an address are out of
 * the way; they are counted all the same.
 */
import { MOUNT } from '../wire.js';
import { serveOn } from './serve.js';

const built = new URL('../../dist/src/index.js', import.meta.url).href;
const { createServer } = (await import(built)) as typeof import('../../src/index.js');

serveOn(async ({ timeout, compression = false, engine = 'faye-online' }) => {
  const server = createServer({
    host: '127.0.0.1',
    port: 0,
    mount: MOUNT,
    timeout,
    compression,
    engine,
    logLevel: 'silent',
    demo: false,
    limits: { clientsPerAddress: 1_000_000, waitingMessages: 100_000, waitingBytes: 104_857_600 },
    rates: { messagesPerClient: 1_000_000, messagesPerAddress: 1_000_000, handshakesPerAddress: 1_000_000 },
  });
  const { url } = await server.start();
  return Number(new URL(url).port);
});
