/** Attacks by HTTP: each works on npm's Faye as it comes, and not on our server. */
import { connect, type Socket } from 'node:net';
import type { Message, NodeAdapter } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { internalsOf } from '../../src/bayeux/internals.js';
import { HANDSHAKE } from '../support/bayeux-socket.js';
import { ask, askRaw } from '../support/http-request.js';
import { startPlainFaye } from '../support/plain-faye.js';
import { connectMessage, newClientId, post, startServer } from '../support/server.js';
import { socketsOf } from '../support/server-sockets.js';
import { until } from '../support/until.js';
import { stopTargets, type Target } from './target.js';

afterEach(stopTargets);

const JSON_BODY = { method: 'POST', headers: { 'Content-Type': 'application/json' } };

describe('a body that is too large', () => {
  const bodyOf = (bytes: number) => JSON.stringify({ ...HANDSHAKE, ext: { filler: 'x'.repeat(bytes) } });

  it('of 1 MB is read on plain Faye', async () => {
    const { replies } = await post((await startPlainFaye()).endpoint, bodyOf(1024 * 1024));
    expect(replies[0]?.successful).toBe(true);
  });

  it('is refused with 413 here, and its connection closed', async () => {
    const { endpoint } = await startServer();
    expect(await ask(endpoint, JSON_BODY, bodyOf(300_000))).toMatchObject({
      status: 413,
      text: 'Payload Too Large',
      headers: { connection: 'close' },
    });
  });

  it('is not waited for, however much it says that there is', async () => {
    const { url } = await startServer();
    const head = 'POST /faye HTTP/1.1\r\nHost: x\r\nContent-Type: application/json';
    const answer = await askRaw(url, `${head}\r\nContent-Length: 99999999\r\n\r\n${bodyOf(300_000)}`);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
  });

  it('is refused also where it comes in chunks, and as a form', async () => {
    const { endpoint } = await startServer();
    const chunked = { ...JSON_BODY, headers: { ...JSON_BODY.headers, 'Transfer-Encoding': 'chunked' } };
    expect((await ask(endpoint, chunked, bodyOf(300_000))).status).toBe(413);
    expect((await ask(endpoint, { method: 'POST' }, `message=${bodyOf(300_000)}`)).status).toBe(413);
  });
});

describe('101 messages in one body', () => {
  const many = Array.from({ length: 101 }, () => HANDSHAKE);

  it('make 101 clients on plain Faye', async () => {
    const { replies } = await post((await startPlainFaye()).endpoint, many);
    expect(replies.filter(({ successful }) => successful)).toHaveLength(101);
  });

  it('are refused as a whole here', async () => {
    const { server, endpoint } = await startServer();
    const handshakes: string[] = [];
    server.bayeux.on('handshake', (clientId) => handshakes.push(clientId));
    expect((await post(endpoint, many)).status).toBe(400);
    expect(handshakes).toEqual([]);
    expect((await post(endpoint, many.slice(0, 100))).replies).toHaveLength(100);
  });
});

describe('a message in the query of a GET, for JSON-P', () => {
  const query = `?message=${encodeURIComponent(JSON.stringify(HANDSHAKE))}&jsonp=alert`;

  it('is answered by plain Faye, so that any page can speak with the cookies of its visitors', async () => {
    const answer = await ask((await startPlainFaye()).endpoint + query);
    expect(answer.text).toMatch(/^\/\*\*\/alert\(\[.*"successful":true/);
  });

  it('is refused here', async () => {
    const { endpoint } = await startServer();
    expect(await ask(endpoint + query)).toMatchObject({ status: 400, text: 'Bad Request' });
  });

  it('is answered where it is configured, under a name that is one', async () => {
    const { endpoint } = await startServer({ jsonp: true });
    const answer = await ask(endpoint + query);
    expect(answer.text).toMatch(/^\/\*\*\/alert\(\[.*"successful":true.*\]\);$/);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'content-disposition': 'attachment; filename=f.txt',
      'x-content-type-options': 'nosniff',
    });
    for (const name of ['alert(1)', '<script>', 'a;b', '', 'x'.repeat(129)]) {
      const named = query.replace('jsonp=alert', `jsonp=${encodeURIComponent(name)}`);
      expect((await ask(endpoint + named)).status).toBe(400);
    }
  });
});

/** Polls of these clients, written by hand on a connection of their own, which can be cut. */
function poll({ url }: Target, ...clientIds: string[]): Socket {
  const head = 'POST /faye HTTP/1.1\r\nHost: x\r\nContent-Type: application/json';
  const requests = clientIds.map((clientId) => {
    const body = JSON.stringify({ channel: '/meta/connect', clientId, connectionType: 'long-polling' });
    return `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  });
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => {});
  socket.write(requests.join(''));
  return socket;
}

const hasConnection = ({ server }: Target, clientId: string) =>
  internalsOf(server.bayeux).proxy.hasConnection(clientId);

describe('a poll that was given up', () => {
  async function giveUp(target: Target) {
    const clientId = await newClientId(target.endpoint);
    const sockets = socketsOf(target.server.http);
    const socket = poll(target, clientId);
    await until(() => hasConnection(target, clientId), 'the poll to be held');
    socket.destroy();
    await until(() => sockets.size === 0, 'the server to notice');
    return clientId;
  }

  it('counts as a connection on plain Faye', async () => {
    const target = await startPlainFaye();
    expect(hasConnection(target, await giveUp(target))).toBe(true);
  });

  it('counts no longer here', async () => {
    const target = await startServer({ timeout: 60 });
    expect(hasConnection(target, await giveUp(target))).toBe(false);
  });
});

/** Whether Faye has handed a connect on to the engine since. */
function takes(target: Target): () => boolean {
  const { proxy } = internalsOf(target.server.bayeux);
  const { connect } = proxy;
  let taken = false;
  proxy.connect = (...args) => {
    taken = true;
    connect.apply(proxy, args);
  };
  return () => taken;
}

describe('a poll that was given up while an extension took its time', () => {
  function gate() {
    const held: (() => void)[] = [];
    const extension = {
      incoming(message: Message, pass: (message: Message) => void) {
        if (message.channel === '/meta/connect') held.push(() => pass(message));
        else pass(message);
      },
    };
    return { extension, held };
  }

  async function giveUp(target: Target, held: (() => void)[]) {
    const clientId = await newClientId(target.endpoint);
    const isTaken = takes(target);
    const sockets = socketsOf(target.server.http);
    const socket = poll(target, clientId);
    await until(() => held.length > 0, 'the poll to come');
    socket.destroy();
    await until(() => sockets.size === 0, 'the server to notice');
    for (const pass of held) pass();
    await until(isTaken, 'Faye to take the poll');
    return clientId;
  }

  it('counts as a connection on plain Faye', async () => {
    const { extension, held } = gate();
    const target = await startPlainFaye([extension]);
    expect(hasConnection(target, await giveUp(target, held))).toBe(true);
  });

  it('counts no longer here', async () => {
    const { extension, held } = gate();
    const target = await startServer({ timeout: 60, extensions: [extension] });
    expect(hasConnection(target, await giveUp(target, held))).toBe(false);
  });
});

describe('a poll that was given up while the engine was asked whether its client exists', () => {
  async function giveUp(target: Target) {
    const clientId = await newClientId(target.endpoint);
    const { proxy } = internalsOf(target.server.bayeux);
    const { clientExists } = proxy;
    const held: (() => void)[] = [];
    const isTaken = takes(target);
    proxy.clientExists = (...args) => void held.push(() => clientExists.apply(proxy, args));
    const sockets = socketsOf(target.server.http);
    const socket = poll(target, clientId);
    await until(() => held.length > 0, 'the engine to be asked');
    socket.destroy();
    await until(() => sockets.size === 0, 'the server to notice');
    proxy.clientExists = clientExists;
    for (const answer of held) answer();
    await until(isTaken, 'Faye to take the poll');
    return clientId;
  }

  it('counts as a connection on plain Faye', async () => {
    const target = await startPlainFaye();
    expect(hasConnection(target, await giveUp(target))).toBe(true);
  });

  it('counts no longer here', async () => {
    const target = await startServer({ timeout: 60 });
    expect(hasConnection(target, await giveUp(target))).toBe(false);
  });
});

describe('many polls', () => {
  async function pile(target: Target) {
    const clientId = await newClientId(target.endpoint);
    const sockets = socketsOf(target.server.http);
    const polls = Array.from({ length: 10 }, () => poll(target, clientId));
    await until(() => hasConnection(target, clientId), 'a poll to be held');
    return { sockets, cut: () => polls.map((socket) => socket.destroy()) };
  }

  it('of one client all wait on plain Faye, which answers only the last', async () => {
    const { sockets, cut } = await pile(await startPlainFaye());
    await until(() => sockets.size === 10, 'all of them to wait');
    cut();
  });

  it('of one client leave one waiting here', async () => {
    const { sockets, cut } = await pile(await startServer({ timeout: 60 }));
    await until(() => sockets.size === 1, 'all but one to be cut');
    cut();
  });

  it('on one connection do not wait behind each other, as Node would not tell of their end', async () => {
    const target = await startServer({ timeout: 60 });
    const [first, second] = [await newClientId(target.endpoint), await newClientId(target.endpoint)];
    const closed: string[] = [];
    internalsOf(target.server.bayeux).proxy.bind('connection:close', (id: string) => closed.push(id));
    const socket = poll(target, first, second);
    await until(() => closed.includes(second), 'the second to be let go');
    expect(hasConnection(target, first)).toBe(true);
    socket.destroy();
    await until(() => closed.includes(first), 'the first to be let go');
  });
});

describe('names of files that are not there', () => {
  const remembered = (adapter: NodeAdapter) => [
    ...(adapter as unknown as { _static: { _index: Map<string, unknown> } })._static._index.keys(),
  ];

  async function askForFiles({ server, url, endpoint }: Target) {
    const own = await ask(`${endpoint}/client.js`);
    const paths = ['/faye/a.js', '/faye/b.js', '/faye/c/d.js.map', '/faye/e.js?f'];
    const answers = await Promise.all(paths.map((path) => askRaw(url, `GET ${path} HTTP/1.0\r\n\r\n`)));
    expect(answers.map((answer) => answer.split(' ')[1])).toEqual(['404', '404', '404', '404']);
    expect(own.status).toBe(200);
    return remembered(server.bayeux);
  }

  it('are remembered for ever by plain Faye', async () => {
    expect(await askForFiles(await startPlainFaye())).toHaveLength(5);
  });

  it('are not remembered here', async () => {
    expect(await askForFiles(await startServer())).toEqual(['faye-browser-min.js']);
  });
});

it('a page asks browsers for HTTPS on its own host alone: what is on its subdomains is not ours', async () => {
  const { headers } = await ask(`${(await startServer()).url}/healthz`);
  expect(headers['strict-transport-security']).toMatch(/^max-age=\d+$/);
});

describe('an error', () => {
  const broken = {
    incoming(message: Message, pass: (message: Message) => void) {
      if (message.channel === '/break') throw new Error('the password of the database');
      pass(message);
    },
  };

  const requests = [
    'GET /nowhere HTTP/1.1',
    'GET // HTTP/1.1',
    'GET /% HTTP/1.1',
    'GET /%E0%A4%A HTTP/1.1',
    'GET http://[ HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET /faye HTTP/1.1',
    'GET /faye/%E0%A4%A HTTP/1.1',
    'GET /faye?message=%E0%A4%A HTTP/1.1',
    'GET /faye/nothing.js HTTP/1.1',
    'PUT /faye HTTP/1.1',
    'DELETE /faye/x HTTP/1.1',
    'POST /faye HTTP/1.1',
    'no HTTP at all',
    'GET /faye HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket',
    'GET /faye HTTP/1.1\r\nAccept: text/event-stream',
  ];

  it.each(requests)('tells nothing of what the server is made of: %s', async (line) => {
    const { url } = await startServer();
    const connection = line.includes('Connection:') ? '' : 'Connection: close\r\n';
    const answer = await askRaw(url, `${line}\r\nHost: x\r\n${connection}\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 [2-4]\d\d /);
    expect(answer).not.toMatch(/express|node_modules|\n +at |Error:|\/src\/|X-Powered-By|^Server:/im);
  });

  it('of an extension tells nothing of itself', async () => {
    const { endpoint } = await startServer({ extensions: [broken] });
    const clientId = await newClientId(endpoint);
    const { text } = await post(endpoint, { channel: '/break', clientId, data: 1 });
    expect(JSON.parse(text)).toEqual([
      { channel: '/break', clientId, successful: false, error: '500::Internal server error' },
    ]);
    expect((await post(endpoint, 'no JSON')).text).toBe('Bad Request');
    expect((await post(endpoint, connectMessage(clientId))).replies[0]?.successful).toBe(true);
  });
});
