/** Redis behind TLS, with a certificate that is trusted, and with one that is not. */
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type OneNode, startNodes } from '../engine/nodes.js';
import { type Certificate, makeCertificate } from '../support/certificate.js';
import { freePort } from '../support/ports.js';
import { RedisServer } from '../support/redis-server.js';
import { connectMessage, newClientId, say, startServer, stopAll } from '../support/server.js';

let certificate: Certificate;
let redis: RedisServer;
let port: number;

beforeAll(async () => {
  certificate = await makeCertificate();
  port = await freePort();
  const { key, cert } = certificate;
  redis = await RedisServer.start([
    ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert],
  ]);
});
afterEach(stopAll);
afterAll(async () => {
  await redis.dispose();
  await certificate.dispose();
});

const auth = { room_channel: '/r', time_channel: '/t', current_user: { uid: 1, uname: 'Ann' } };

it('serves nodes that trust its certificate, with their clients between them', async () => {
  const client = () => new Redis({ host: '127.0.0.1', port, tls: { ca: certificate.ca } });
  const [a, b] = (await startNodes(2, { redis: client })) as [OneNode, OneNode];
  const clientId = await newClientId(a.endpoint);
  expect((await say(a.endpoint, connectMessage(clientId, auth))).successful).toBe(true);
  expect((await say(b.endpoint, connectMessage(clientId, auth))).successful).toBe(true);
  expect((await b.server.presence.list('/r')).users).toEqual([{ uid: 1, uname: 'Ann' }]);
});

it('takes a rediss:// URL, and stays away from a certificate that it does not trust', async () => {
  const { endpoint, server } = await startServer({ redis: `rediss://127.0.0.1:${port}` });
  const { status } = await fetch(new URL('/readyz', endpoint));
  expect(status).toBe(503);
  expect((await say(endpoint, connectMessage('somebody', auth))).error).toMatch(/^503:/);
  await expect(server.presence.list('/r')).rejects.toThrow("can't be asked now");
});
