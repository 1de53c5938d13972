/** What clients of other libraries and proxies send, next to what plain Faye answers. */
import type { Message } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { BayeuxSocket, cutSockets, HANDSHAKE } from '../support/bayeux-socket.js';
import { ask } from '../support/http-request.js';
import { startPlainFaye, stopPlainFaye } from '../support/plain-faye.js';
import {
  connectMessage,
  handshake,
  newClientId,
  post,
  type Rooms,
  say,
  startServer,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';

afterEach(async () => {
  cutSockets();
  await Promise.all([stopAll(), stopPlainFaye()]);
});

const ROOM = '/classes/4';

describe('a field that is null', () => {
  it('counts as absent, as on plain Faye, in each kind of message', async () => {
    for (const { endpoint } of [await startPlainFaye(), await startServer()]) {
      const clientId = await newClientId(endpoint);
      const messages = [
        { ...HANDSHAKE, clientId: null, connectionType: null, subscription: null },
        { ...connectMessage(clientId), version: null, supportedConnectionTypes: null, subscription: null },
        { channel: '/meta/subscribe', clientId, subscription: '/chat', connectionType: null },
        { channel: '/chat', clientId, data: null, subscription: null },
      ];
      for (const message of messages) {
        const nulls = { id: null, ext: null, auth: null, ...(!('advice' in message) && { advice: null }) };
        const reply = await say(endpoint, { ...message, ...nulls });
        expect(reply, message.channel).toMatchObject({ successful: true });
        expect(reply).not.toHaveProperty('id');
      }
    }
  });

  it('of an auth counts as absent', async () => {
    const { endpoint, server } = await startServer();
    const clientId = await newClientId(endpoint);
    const auth = { ...user('ann'), time_channel: null, token: null } as unknown as Rooms;
    const nothing = { room_channel: null, current_user: null, time_channel: null } as unknown as Rooms;
    expect(await handshake(endpoint, nothing)).toMatchObject({ successful: true });
    const connect = { ...connectMessage(clientId), ext: { auth } };
    expect(await say(endpoint, connect)).toMatchObject({ successful: true });
    expect((await server.presence.list(ROOM)).users).toMatchObject([{ uid: 'ann' }]);
  });

  it('is refused for what a message must have, as if it were missing', async () => {
    const { endpoint } = await startServer();
    const clientId = await newClientId(endpoint);
    const subscribe = { channel: '/meta/subscribe', clientId, subscription: null };
    expect((await say(endpoint, subscribe)).error).toBe('402:subscription:Missing required parameter');
    const publish = await say(endpoint, { channel: '/chat', clientId: null, data: 1 });
    expect(publish.error).toMatch(/^403:\/chat:To publish without a client/);
  });
});

describe('a numeric id', () => {
  it.each([1, 7.5, 0])('is echoed as it came, and reaches subscribers so: %s', async (id) => {
    const { endpoint } = await startServer();
    const socket = await BayeuxSocket.open(endpoint);
    const { clientId = '' } = await socket.ask(HANDSHAKE);
    await socket.connect(clientId);
    await socket.ask({ channel: '/meta/subscribe', clientId, subscription: '/chat' });
    const { successful, ...reply } = await say(endpoint, { channel: '/chat', clientId, data: 1, id });
    expect({ successful, id: reply.id }).toEqual({ successful: true, id });
    expect(await say(endpoint, { ...HANDSHAKE, id })).toMatchObject({ id, successful: true });
    const refused = await say(endpoint, { channel: '/a b', clientId, data: 1, id });
    expect(refused).toMatchObject({ id, successful: false });
    await socket.ask(HANDSHAKE);
    expect(socket.received.find((each) => 'data' in each)).toEqual({ channel: '/chat', data: 1, id });
  });
});

describe('an auth that is not ours to read', () => {
  const foreign = ['token', ['a'], { token: 12345 }, {}, { user: 'ann', key: 1 }, 7, true];

  it.each(foreign.flatMap((auth) => [{ auth }, { ext: { auth } }]))(
    'is no reason to refuse: %j',
    async (fields) => {
      const { endpoint, server } = await startServer();
      expect(await say(endpoint, { ...HANDSHAKE, ...fields })).toMatchObject({ successful: true });
      const clientId = await newClientId(endpoint);
      for (const message of [
        connectMessage(clientId),
        { channel: '/meta/subscribe', clientId, subscription: '/chat' },
        { channel: '/chat', clientId, data: 1 },
      ])
        expect(await say(endpoint, { ...message, ...fields })).toMatchObject({ successful: true });
      expect((await server.presence.list(ROOM)).count).toBe(0);
    },
  );

  it('is nobody where signing in is required', async () => {
    const jwt = { secret: 'a secret of more than thirty-two characters' };
    const { endpoint } = await startServer({ authentication: { jwt } });
    const clientId = await newClientId(endpoint);
    const publish = await say(endpoint, { channel: '/chat', clientId, data: 1, auth: 'token' });
    expect(publish.error).toBe('401:/chat:Sign in first');
  });

  it('gives way to ours beside it', async () => {
    const { endpoint, server } = await startServer();
    const clientId = await newClientId(endpoint);
    const message = { ...connectMessage(clientId), auth: 'token', ext: { auth: user('ann') } };
    expect(await say(endpoint, message)).toMatchObject({ successful: true });
    expect((await server.presence.list(ROOM)).count).toBe(1);
  });

  it("is verify's to read, whatever it is, at the handshake and when it changes", async () => {
    const known: Record<string, string> = { 'ann-1': 'ann', 'ann-2': 'ann', 'bob-1': 'bob' };
    const asked: unknown[] = [];
    const verify = ({ auth }: Message) => {
      asked.push(auth);
      const uid = known[String(auth)];
      return uid ? { uid, uname: uid } : (false as const);
    };
    const { endpoint } = await startServer({ authentication: { verify } });
    expect((await say(endpoint, { ...HANDSHAKE, auth: 'eve-1' })).error).toBe('401::Not signed in');
    const clientId = await newClientId(endpoint);
    const publish = (auth: string) => say(endpoint, { channel: '/chat', clientId, data: 1, auth });
    for (const auth of ['ann-1', 'ann-1', 'ann-2'])
      expect(await publish(auth)).toMatchObject({ successful: true });
    expect((await publish('bob-1')).error).toBe('403::This client belongs to another user');
    expect(asked).toEqual(['eve-1', 'ann-1', 'ann-2', 'bob-1']);
  });

  it.each([
    [{ room_channel: '/classes/4/' }, '405:/classes/4/:Invalid channel'],
    [{ room_channel: 'classes/4' }, '405:classes/4:Invalid channel'],
    [{ room_channel: ROOM, token: 12345 }, '400:auth.token:Not valid'],
    [{ current_user: 'ann' }, '400:auth.current_user:Not valid'],
    [{ current_user: { uid: 1 } }, '402:auth.current_user.uname:Missing required parameter'],
    [{ time_channel: 7 }, '400:auth.time_channel:Not valid'],
    [{ server_token: 7 }, '400:auth.server_token:Not valid'],
  ])('is not what is plainly ours and wrong: %j', async (auth, error) => {
    const { endpoint } = await startServer();
    expect((await handshake(endpoint, auth as unknown as Rooms)).error).toBe(error);
  });
});

describe('the connection types of a handshake’s reply', () => {
  const types = async (endpoint: string) => {
    const reply: Record<string, unknown> = { ...(await say(endpoint, HANDSHAKE)) };
    return reply.supportedConnectionTypes;
  };

  it('name what is offered: no callback-polling unless jsonp is on, and nothing of the process', async () => {
    const offered = ['long-polling', 'cross-origin-long-polling', 'websocket', 'eventsource'];
    expect(await types((await startServer()).endpoint)).toEqual(offered);
    const withJsonp = await types((await startServer({ jsonp: true })).endpoint);
    expect([...(withJsonp as string[])].sort()).toEqual([...offered, 'callback-polling'].sort());
  });

  it("still serve the server's own client", async () => {
    const { server } = await startServer();
    const heard: unknown[] = [];
    const client = server.bayeux.getClient();
    await client.subscribe('/chat', (data) => heard.push(data));
    await client.publish('/chat', 1);
    await until(() => heard.length > 0, 'the message');
    expect(heard).toEqual([1]);
  });
});

describe('a body of raw JSON', () => {
  const send = (endpoint: string, headers: Record<string, string>) =>
    ask(endpoint, { method: 'POST', headers }, JSON.stringify([HANDSHAKE]));

  it.each([
    'text/plain',
    'text/plain;charset=UTF-8',
    'Application/JSON',
    'application/x-www-form-urlencoded',
    '',
  ])('is read as such under the type %j', async (type) => {
    const { endpoint } = await startServer();
    const { status, text } = await send(endpoint, type ? { 'Content-Type': type } : {});
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject([{ channel: '/meta/handshake', successful: true }]);
  });

  it('as text/plain, which any page can send, is refused for the origins that JSON is', async () => {
    const { endpoint } = await startServer({ origins: ['https://good.example'] });
    for (const origin of ['https://evil.example', 'null'])
      expect((await send(endpoint, { 'Content-Type': 'text/plain', Origin: origin })).status).toBe(403);
    const good = { 'Content-Type': 'text/plain', Origin: 'https://good.example' };
    expect((await send(endpoint, good)).status).toBe(200);
  });

  it('is no message where it is neither JSON nor a form', async () => {
    const { endpoint } = await startServer();
    for (const body of ['', 'hello', '[', '{"a"'])
      expect((await post(endpoint, body, { 'Content-Type': 'text/plain' })).status).toBe(400);
  });
});

describe('methods', () => {
  it('HEAD of a script has the headers of its GET', async () => {
    const { url } = await startServer();
    for (const path of ['/faye/client.js', '/faye-online/client.js']) {
      const [got, head] = [await ask(url + path), await ask(url + path, { method: 'HEAD' })];
      expect(head).toMatchObject({ status: 200, text: '' });
      for (const name of ['content-type', 'content-length', 'etag'])
        expect(head.headers[name]).toBe(got.headers[name]);
    }
    expect((await ask(`${url}/faye/nothing.js`, { method: 'HEAD' })).status).toBe(404);
  });

  it('that are not allowed are answered with those that are', async () => {
    const { endpoint } = await startServer();
    for (const method of ['PUT', 'DELETE', 'PATCH', 'HEAD'])
      expect(await ask(endpoint, { method })).toMatchObject({
        status: 405,
        headers: { allow: 'GET, OPTIONS, POST' },
      });
    expect(await ask(`${endpoint}/client.js`, { method: 'DELETE' })).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD, OPTIONS, POST' },
    });
  });
});

describe('a refused channel', () => {
  it.each(['/a b', 'no channel', '/chat/', '/**', `/${'a'.repeat(300)}`])(
    'is answered by its own name: %s',
    async (channel) => {
      const { endpoint } = await startServer();
      const clientId = await newClientId(endpoint);
      const reply = await say(endpoint, { channel, clientId, data: 1 });
      expect(reply).toMatchObject({ channel, successful: false, error: expect.stringMatching(/^4(05|13):/) });
    },
  );

  it.each(['/a b', ['/chat', '/a b'], [`/${'a'.repeat(300)}`]])(
    'of a subscription is answered by its own name: %j',
    async (subscription) => {
      const { endpoint } = await startServer();
      const clientId = await newClientId(endpoint);
      for (const channel of ['/meta/subscribe', '/meta/unsubscribe'])
        expect(await say(endpoint, { channel, clientId, subscription })).toMatchObject({
          channel,
          subscription,
          successful: false,
          error: expect.stringMatching(/^4(05|13):/),
        });
    },
  );

  it('is named to no extension but as it came', async () => {
    const names: string[] = [];
    const incoming = (message: { channel: string }, pass: (message: never) => void) => {
      names.push(message.channel);
      pass(message as never);
    };
    const { endpoint } = await startServer({ extensions: [{ incoming }] });
    const clientId = await newClientId(endpoint);
    await say(endpoint, { channel: '/a b', clientId, data: 1 });
    expect(names).toEqual(['/meta/handshake', '/a b']);
  });
});
