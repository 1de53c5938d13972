/** An app that speaks HTTP/2 to browsers, and HTTP/1.1 for WebSockets, by Node's own `allowHTTP1`. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect, constants, createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import faye, { type NodeAdapter } from 'faye';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { attachPresence } from '../../src/attach-presence.js';
import { internalsOf } from '../../src/bayeux/internals.js';
import { BayeuxSocket, cutSockets, HANDSHAKE } from '../support/bayeux-socket.js';
import { type Certificate, makeCertificate } from '../support/certificate.js';
import { silent } from '../support/log.js';
import { connectMessage, type Reply, user } from '../support/server.js';
import { until } from '../support/until.js';

const { NGHTTP2_CANCEL: CANCEL } = constants;

let certificate: Certificate;
let url: string;
let session: ClientHttp2Session;
let adapter: NodeAdapter;
let close: () => Promise<void>;

beforeEach(async () => {
  certificate = await makeCertificate();
  const { key, cert } = certificate;
  const server = createSecureServer(
    { key: await readFile(key), cert: await readFile(cert), allowHTTP1: true },
    (_request, response) => void response.writeHead(404).end(),
  );
  adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 5 });
  adapter.attach(server as never);
  const attached = attachPresence(adapter, { origins: [], authentication: { trust: true }, log: silent });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  session = connect(url, { ca: certificate.ca });
  close = async () => {
    session.destroy();
    await attached.close();
    adapter.close();
    server.close();
  };
});
afterEach(async () => {
  cutSockets();
  await close();
  await certificate.dispose();
});

interface Answer {
  status: number;
  origin: unknown;
  text: string;
}

async function ask(headers: Record<string, string>, body = ''): Promise<Answer> {
  const stream = session.request({ ':path': '/faye', ...headers });
  // Node has ended it already where the method has no body.
  if (!stream.writableEnded) stream.end(body);
  const [answered] = await once(stream, 'response');
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  return { status: answered[':status'], origin: answered['access-control-allow-origin'], text };
}

const post = (message: object, headers: Record<string, string>) =>
  ask({ ':method': 'POST', 'content-type': 'application/json', ...headers }, JSON.stringify(message));

it("lets the server's own pages in by the :authority of their requests, and no others", async () => {
  expect(await post(HANDSHAKE, { origin: url })).toMatchObject({ status: 200, origin: url });
  for (const origin of ['https://evil.example', url.replace('127.0.0.1', 'localhost'), 'null'])
    expect((await post(HANDSHAKE, { origin })).status).toBe(403);
  expect((await post(HANDSHAKE, {})).status).toBe(200);
});

it('serves polls, scripts, EventSource and methods as over HTTP/1.1', async () => {
  const [{ clientId = '' } = {} as Reply] = JSON.parse((await post(HANDSHAKE, {})).text) as Reply[];
  const subscribe = { channel: '/meta/subscribe', clientId, subscription: '/classes/4/user_list' };
  await post(subscribe, {});
  const { advice: _, ...held } = connectMessage(clientId, user('ann'));
  const [reply, list] = JSON.parse((await post(held, {})).text) as Reply[];
  expect([reply?.successful, list?.data]).toMatchObject([true, { user_list: expect.any(Array) }]);
  expect(await ask({ ':method': 'HEAD', ':path': '/faye/client.js' })).toMatchObject({
    status: 200,
    text: '',
  });
  expect((await ask({ ':path': '/faye/client.js' })).text).toContain('Faye');
  expect((await ask({ ':method': 'DELETE' })).status).toBe(405);
  const stream = session.request({ ':path': `/faye/${clientId}`, accept: 'text/event-stream' });
  const [answered] = await once(stream, 'response');
  expect(answered).toMatchObject({ ':status': 200, 'content-type': 'text/event-stream' });
  stream.close();
});

it('knows which polls were answered and which were given up, so that a list comes once', async () => {
  const [{ clientId = '' } = {} as Reply] = JSON.parse((await post(HANDSHAKE, {})).text) as Reply[];
  await post(connectMessage(clientId, user('ann')), {});
  await post({ channel: '/meta/subscribe', clientId, subscription: '/classes/4/user_list' }, {});
  const { advice: _, ...held } = { ...connectMessage(clientId), id: '1' };
  const lists = (text: string) => (JSON.parse(text) as Reply[]).filter(({ data }) => data !== undefined);
  expect(lists((await post(held, {})).text)).toHaveLength(1);
  const { proxy } = internalsOf(adapter);
  const poll = session.request({ ':path': '/faye', ':method': 'POST', 'content-type': 'application/json' });
  poll.end(JSON.stringify({ ...held, id: '2' }));
  await until(() => proxy.hasConnection(clientId), 'the poll to be held without an answer');
  poll.close(CANCEL);
  await until(() => !proxy.hasConnection(clientId), 'the poll to be given up');
  // What a poll that was given up would have brought may be lost.
  expect(lists((await post({ ...held, id: '3' }, {})).text)).toHaveLength(1);
});

it('serves WebSockets of its own pages over HTTP/1.1', async () => {
  const endpoint = `${url}/faye`;
  const socket = await BayeuxSocket.open(endpoint, { ca: certificate.ca, origin: url });
  expect(await socket.ask(HANDSHAKE)).toMatchObject({ successful: true });
  const evil = BayeuxSocket.open(endpoint, { ca: certificate.ca, origin: 'https://evil.example' });
  await expect(evil).rejects.toThrow('403');
});
