/** What an app's own Faye extensions set, add and see. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import faye, { type FayeRequest, type Message } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { attachPresence } from '../../src/attach-presence.js';
import { BayeuxSocket, cutSockets, HANDSHAKE } from '../support/bayeux-socket.js';
import { silent } from '../support/log.js';
import { startPlainFaye, stopPlainFaye } from '../support/plain-faye.js';
import { connectMessage, newClientId, say, startServer, stopAll } from '../support/server.js';

type Pass = (message: Message | null) => void;

afterEach(async () => {
  cutSockets();
  await Promise.all([stopAll(), stopPlainFaye()]);
});

describe("the advice of a refusal that an app's own extension sets", () => {
  const refusing = (error: string, advise: (message: Message) => void) => ({
    incoming(message: Message, pass: Pass) {
      if (message.channel === '/meta/connect') message.error = error;
      pass(message);
    },
    outgoing(message: Message, pass: Pass) {
      if (message.error) advise(message);
      pass(message);
    },
  });

  it.each([
    ['401::No', { reconnect: 'none' as const }],
    ['403::Sign in again', { reconnect: 'handshake' as const, interval: 0 }],
    ['401::Token expired', { reconnect: 'retry' as const, interval: 1 }],
  ])('is sent as it was set, as on plain Faye: %s', async (error, advice) => {
    const extension = refusing(error, (message) => {
      message.advice = advice;
    });
    for (const { endpoint } of [
      await startPlainFaye([extension]),
      await startServer({ extensions: [extension] }),
    ]) {
      const reply = await say(endpoint, connectMessage(await newClientId(endpoint)));
      expect(reply).toMatchObject({ error, advice });
    }
  });

  it('begins with ours, of which it may change a part', async () => {
    const extension = refusing('403::Later', (message) => {
      Object.assign(message.advice ?? {}, { interval: 7 });
    });
    const { endpoint } = await startServer({ extensions: [extension] });
    const reply = await say(endpoint, connectMessage(await newClientId(endpoint)));
    expect(reply.advice).toEqual({ reconnect: 'none', interval: 7 });
  });

  it('is ours where an extension refuses a reply on its way out and sets none', async () => {
    const outgoing = (message: Message, pass: Pass) => {
      if (message.channel === '/meta/connect')
        Object.assign(message, { successful: false, error: '403::No' });
      pass(message);
    };
    const { endpoint } = await startServer({ extensions: [{ outgoing }] });
    const reply = await say(endpoint, connectMessage(await newClientId(endpoint)));
    expect(reply.advice).toEqual({ reconnect: 'none' });
  });
});

describe("what an app's own extension adds to a publish", () => {
  /** What a subscriber gets of a publish with these fields. */
  async function delivered(
    incoming: (message: Message, pass: Pass) => void,
    sent: object,
    config: object = {},
  ): Promise<Record<string, unknown>> {
    const onChat = (message: Message, done: Pass) =>
      message.channel === '/chat' ? incoming(message, done) : done(message);
    const { endpoint } = await startServer({ ...config, extensions: [{ incoming: onChat }] });
    const subscriber = await BayeuxSocket.open(endpoint);
    const { clientId = '' } = await subscriber.ask(HANDSHAKE);
    await subscriber.connect(clientId);
    await subscriber.ask({ channel: '/meta/subscribe', clientId, subscription: '/chat' });
    const publish = { channel: '/chat', clientId, data: 1, ...sent };
    expect(await say(endpoint, publish)).toMatchObject({ successful: true });
    await subscriber.ask(HANDSHAKE);
    const [heard, ...more] = subscriber.received.filter((each) => each.channel === '/chat' && 'data' in each);
    expect(more).toEqual([]);
    return { ...heard };
  }

  const pass = (message: Message, done: Pass) => done(message);
  const sent = { auth: { token: 'secret' }, ext: { auth: 'secret', binary: { of: 'the browser' } }, mine: 1 };

  it('reaches subscribers, and what the browser sent beside it does not', async () => {
    const incoming = (message: Message, done: Pass) => {
      message.from = 'ann';
      Object.assign(message.ext ?? {}, { stamp: 5 });
      done(message);
    };
    expect(await delivered(incoming, sent)).toEqual({
      channel: '/chat',
      data: 1,
      from: 'ann',
      ext: { stamp: 5 },
    });
  });

  it('reaches subscribers where the browser has sent the same', async () => {
    const incoming = (message: Message, done: Pass) => {
      message.from = 'ann';
      Object.assign(message.ext ?? {}, { stamp: 5 });
      done(message);
    };
    const same = { ...sent, from: 'ann', ext: { stamp: 5 } };
    expect(await delivered(incoming, same)).toMatchObject({ from: 'ann', ext: { stamp: 5 } });
  });

  it('reaches subscribers where the extension passes a message of its own', async () => {
    const incoming = (message: Message, done: Pass) =>
      done({ ...message, from: 'ann', ext: { ...message.ext, stamp: 5 } });
    expect(await delivered(incoming, sent)).toEqual({
      channel: '/chat',
      data: 1,
      from: 'ann',
      ext: { stamp: 5 },
    });
  });

  it('never has a credential or advice in it', async () => {
    const incoming = (message: Message, done: Pass) => {
      message.auth = { token: 'normalized' };
      message.ext = { auth: { token: 'normalized' }, stamp: 5 };
      message.advice = { reconnect: 'none' };
      done(message);
    };
    const config = { relay: ['ext', 'mine'] };
    expect(await delivered(incoming, sent, config)).toEqual({
      channel: '/chat',
      data: 1,
      mine: 1,
      ext: { stamp: 5 },
    });
  });

  it("has the browser's ext beside it where that is relayed, as CometD's binary data needs, without ext.auth", async () => {
    expect(await delivered(pass, sent, { relay: ['ext'] })).toEqual({
      channel: '/chat',
      data: 1,
      ext: { binary: { of: 'the browser' } },
    });
  });
});

describe("the request that an app's own extension gets", () => {
  /** By channel: what was seen of the request, in an Express app with Faye in it. */
  async function seenIn(attached: boolean): Promise<Record<string, unknown>> {
    const seen: Record<string, unknown> = {};
    const adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 5 });
    adapter.addExtension({
      incoming(message: Message, request: FayeRequest | null, done: Pass) {
        seen[message.channel] = [request?.originalUrl, request?.body];
        done(message);
      },
    });
    const http = createServer(express());
    adapter.attach(http);
    const presence = attached ? attachPresence(adapter, { log: silent }) : undefined;
    await once(http.listen(0, '127.0.0.1'), 'listening');
    const endpoint = `http://127.0.0.1:${(http.address() as AddressInfo).port}/faye`;
    const body = JSON.stringify({ ...HANDSHAKE, id: '1' });
    const headers = { 'Content-Type': 'application/json' };
    await fetch(`${endpoint}/handshake?tenant=7`, { method: 'POST', headers, body });
    const socket = await BayeuxSocket.open(`${endpoint}?tenant=7`);
    await socket.connect('nobody');
    cutSockets();
    await presence?.close();
    adapter.close();
    http.closeAllConnections();
    http.close();
    return seen;
  }

  it('has originalUrl, and the body of a POST, as on plain Faye', async () => {
    const seen = await seenIn(true);
    expect(seen).toEqual({
      '/meta/handshake': ['/faye/handshake?tenant=7', expect.stringContaining('"id":"1"')],
      '/meta/connect': ['/faye?tenant=7', undefined],
    });
    expect(await seenIn(false)).toEqual(seen);
  });
});

describe("a publish on /service, which is CometD's way to call the app", () => {
  it("reaches the app's extension, is acknowledged, and reaches no subscriber", async () => {
    const served: unknown[] = [];
    const incoming = (message: Message, pass: Pass) => {
      if (message.channel === '/service/echo') served.push(message.data);
      pass(message);
    };
    const { endpoint } = await startServer({ extensions: [{ incoming }] });
    const spy = await BayeuxSocket.open(endpoint);
    const { clientId = '' } = await spy.ask(HANDSHAKE);
    await spy.connect(clientId);
    await spy.ask({ channel: '/meta/subscribe', clientId, subscription: '/**' });
    const call = { channel: '/service/echo', clientId, data: { hello: 1 } };
    expect(await say(endpoint, call)).toMatchObject({ channel: '/service/echo', successful: true });
    await say(endpoint, { ...call, channel: '/chat' });
    await spy.ask(HANDSHAKE);
    expect(served).toEqual([{ hello: 1 }]);
    expect(spy.heard('/service/echo')).toEqual([]);
    expect(spy.heard('/chat')).toHaveLength(1);
  });

  it('is refused where mayPublish says so, and where nobody is signed in', async () => {
    const mayPublish = (_identity: unknown, channel: string) => channel !== '/service/secret';
    const { endpoint } = await startServer({ authentication: { trust: true, mayPublish } });
    const clientId = await newClientId(endpoint);
    const secret = await say(endpoint, { channel: '/service/secret', clientId, data: 1 });
    expect(secret.error).toBe('403:/service/secret:You may not publish to this channel');
    const jwt = { secret: 'a secret of more than thirty-two characters' };
    const strict = await startServer({ authentication: { jwt } });
    const stranger = await newClientId(strict.endpoint);
    const call = await say(strict.endpoint, { channel: '/service/echo', clientId: stranger, data: 1 });
    expect(call.error).toBe('401:/service/echo:Sign in first');
  });
});
