/** Requests that end the process of a plain Faye, and extensions that fail. Ours refuses the message, and goes on. */
import { fileURLToPath } from 'node:url';
import type { Message } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { askRaw } from '../support/http-request.js';
import { root } from '../support/package.js';
import { startPlainFaye } from '../support/plain-faye.js';
import { Run } from '../support/run.js';
import { connectMessage, newClientId, post, type Running, say, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { publish, stopTargets, subscribe } from './target.js';

type Pass = (message: Message | null) => void;

const runs: Run[] = [];

afterEach(async () => {
  await stopTargets();
  await Promise.all(runs.splice(0).map((run) => run.end()));
});

const program = fileURLToPath(new URL('plain-process.ts', import.meta.url));

/** A plain Faye in a process of its own, with one of the extensions there. */
async function startProcess(extension: string) {
  const run = new Run(process.execPath, ['--import', 'tsx', program, extension], { cwd: root });
  runs.push(run);
  const url = await run.printed(/http:\S+/);
  return { run, url, endpoint: `${url}/faye` };
}

/** An attack that may leave its own request without an answer. */
const attempt = (attack: Promise<unknown>) => attack.catch(() => undefined);

async function expectServing({ endpoint }: Running): Promise<void> {
  const clientId = await newClientId(endpoint);
  expect(await say(endpoint, connectMessage(clientId))).toMatchObject({ successful: true });
}

describe('a channel that is no text', () => {
  const message = [{ channel: { toString: 1, valueOf: 1 } }];

  it('ends a plain Faye that has an asynchronous extension', async () => {
    const { run, endpoint } = await startProcess('asynchronous');
    await attempt(post(endpoint, message));
    expect(await run.exitCode()).toBe(1);
    expect(run.err).toContain('TypeError: Cannot convert object to primitive value');
  });

  it('is refused here', async () => {
    const incoming = (message: Message, pass: Pass) => {
      setImmediate(() => pass(message));
    };
    const running = await startServer({ extensions: [{ incoming }] });
    expect((await post(running.endpoint, message)).replies).toMatchObject([
      { successful: false, error: '400:channel:Not valid' },
    ]);
    await expectServing(running);
  });
});

describe('a request for //', () => {
  const request = 'GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

  it('ends a plain Faye', async () => {
    const { run, url } = await startProcess('none');
    await attempt(askRaw(url, request));
    expect(await run.exitCode()).toBe(1);
    expect(run.err).toContain('ERR_INVALID_URL');
  });

  it('is answered here, also as an upgrade', async () => {
    const running = await startServer();
    expect(await askRaw(running.url, request)).toMatch(/^HTTP\/1.1 200 /);
    const upgrade = request.replace('Connection: close', 'Connection: Upgrade\r\nUpgrade: websocket');
    expect(await askRaw(running.url, upgrade)).toBe('');
    await expectServing(running);
  });
});

describe('data nested thousands of levels deep', () => {
  const DEPTHS = [3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000];
  const nested = (depth: number, clientId: string) =>
    `[{"channel":"/chat","clientId":"${clientId}","data":${'['.repeat(depth)}${']'.repeat(depth)}}]`;

  it('ends a plain Faye where a poll is to bring it', async () => {
    const { run, endpoint } = await startProcess('none');
    const poller = await newClientId(endpoint);
    await subscribe(endpoint, poller, '/chat');
    const attacker = await newClientId(endpoint);
    // How deep is too deep for which step of Faye's depends on the machine.
    const polls = DEPTHS.map(async (depth) => {
      const poll = attempt(post(endpoint, { ...connectMessage(poller), advice: { timeout: 60_000 } }));
      await attempt(post(endpoint, nested(depth, attacker)));
      await poll;
    });
    expect(await run.exitCode()).toBe(1);
    expect(run.err).toContain('RangeError: Maximum call stack size exceeded');
    await Promise.all(polls);
  });

  it('is refused here, in whichever field', async () => {
    const running = await startServer();
    const { endpoint } = running;
    const clientId = await newClientId(endpoint);
    for (const depth of [101, ...DEPTHS, 30_000]) {
      const { replies } = await post(endpoint, nested(depth, clientId));
      expect(replies).toMatchObject([{ channel: '/chat', error: '413:data:Nested too deep' }]);
    }
    const deep = JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown;
    expect((await say(endpoint, { ...connectMessage(clientId), clientId: deep })).successful).toBe(false);
    for (const field of ['channel', 'id', 'ext', 'auth', 'subscription', 'advice', 'more']) {
      const message = { ...connectMessage(clientId), id: '1', [field]: { deep } };
      expect((await say(endpoint, message)).error).toBe(`413:${field}:Nested too deep`);
    }
    await expectServing(running);
  });

  it('is published where it is no more than 100', async () => {
    const { endpoint } = await startServer();
    const clientId = await newClientId(endpoint);
    expect((await post(endpoint, nested(100, clientId))).replies).toMatchObject([{ successful: true }]);
  });
});

describe('an extension whose promise rejects', () => {
  it('ends a plain Faye', async () => {
    const { run, endpoint } = await startProcess('rejecting');
    await attempt(post(endpoint, { channel: '/break', data: 1 }));
    expect(await run.exitCode()).toBe(1);
    expect(run.err).toContain('no answer');
  });

  it('refuses the message here', async () => {
    const incoming = async (message: Message, pass: Pass) => {
      if (message.channel === '/break') throw new Error('no answer');
      pass(message);
    };
    const running = await startServer({ extensions: [{ incoming }] });
    const clientId = await newClientId(running.endpoint);
    const reply = await say(running.endpoint, { channel: '/break', clientId, data: 1 });
    expect(reply.error).toBe('500::Internal server error');
    await expectServing(running);
  });
});

describe('an extension that throws', () => {
  const extension = {
    incoming(message: Message, pass: Pass) {
      if (message.channel === '/break') throw new Error('broken');
      pass(message);
    },
  };
  const batch = (clientId: string) => [
    { channel: '/break', clientId, data: 1 },
    { channel: '/chat', clientId, data: 2 },
  ];

  it('leaves all that came with the message without an answer on plain Faye', async () => {
    const { endpoint } = await startPlainFaye([extension]);
    expect((await post(endpoint, batch(await newClientId(endpoint)))).status).toBe(400);
  });

  it('refuses the message alone here', async () => {
    const { endpoint } = await startServer({ extensions: [extension] });
    expect((await post(endpoint, batch(await newClientId(endpoint)))).replies).toMatchObject([
      { channel: '/break', successful: false, error: '500::Internal server error' },
      { channel: '/chat', successful: true },
    ]);
  });

  it('costs a client its copy, and nobody else theirs, where it throws on the way out', async () => {
    const outgoing = (message: Message, pass: Pass) => {
      if (message.data === 'broken') throw new Error('broken');
      pass(message);
    };
    const target = await startServer({ extensions: [{ outgoing }] });
    const socket = await BayeuxSocket.open(target.endpoint);
    const { clientId = '' } = await socket.ask(HANDSHAKE);
    await socket.connect(clientId);
    await socket.ask({ channel: '/meta/subscribe', clientId, subscription: '/chat' });
    await publish(target, '/chat', 'broken');
    await publish(target, '/chat', 'whole');
    await until(() => socket.heard('/chat').length > 0, 'the message');
    expect(socket.heard('/chat')).toEqual(['whole']);
  });
});

describe('an extension that calls back twice', () => {
  const extension = {
    incoming(message: Message, pass: Pass) {
      pass(message);
      if (message.channel === '/chat') setImmediate(() => pass(message));
    },
  };

  async function hear(target: { endpoint: string }) {
    const socket = await BayeuxSocket.open(target.endpoint);
    const { clientId = '' } = await socket.ask(HANDSHAKE);
    await socket.connect(clientId);
    await socket.ask({ channel: '/meta/subscribe', clientId, subscription: '/chat' });
    await socket.ask({ channel: '/chat', clientId, data: 'once' });
    // What it says twice goes out before this.
    await newClientId(target.endpoint);
    await socket.ask(HANDSHAKE);
    return socket.heard('/chat');
  }

  it('makes two messages of one on plain Faye', async () => {
    expect(await hear(await startPlainFaye([extension]))).toEqual(['once', 'once']);
  });

  it('is heard once here', async () => {
    expect(await hear(await startServer({ extensions: [extension] }))).toEqual(['once']);
  });
});
