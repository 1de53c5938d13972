/**
 * This project's server, as it is built. All load comes from one address, so that the limits of an address are out of
 * the way; they are counted all the same.
 */
import { createRequire } from 'node:module';
import { until } from '../../spec/support/until.js';
import { MOUNT } from '../wire.js';
import { countCommands } from './commands.js';
import { serveOn } from './serve.js';

const built = new URL('../../dist/src/index.js', import.meta.url).href;
// The one that the server has, not the peers'.
const { Redis } = createRequire(built)('ioredis') as typeof import('ioredis');
countCommands(Redis.prototype, 'sendCommand');
const { createServer } = (await import(built)) as typeof import('../../src/index.js');

serveOn(async ({ compression = false, engine = 'faye-online', database = 'none', ...options }) => {
  const { timeout, gc, redisPort } = options;
  const server = createServer({
    host: '127.0.0.1',
    port: 0,
    mount: MOUNT,
    timeout,
    compression,
    engine,
    ...(gc !== undefined && { gc }),
    ...(redisPort !== undefined && { redis: `redis://127.0.0.1:${redisPort}` }),
    logLevel: 'silent',
    records: { url: database },
    demo: false,
    limits: { clientsPerAddress: 1_000_000, waitingMessages: 100_000, waitingBytes: 104_857_600 },
    rates: { messagesPerClient: 1_000_000, messagesPerAddress: 1_000_000, handshakesPerAddress: 1_000_000 },
  });
  const { url } = await server.start();
  const { port } = new URL(url);
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, 'the server to be ready');
  const { records } = server;
  const answers = () => records?.status().then(Boolean, () => false) ?? true;
  await until(answers, 'the database to answer');
  return Number(port);
});
