/** Attacks by what messages say: each works on npm's Faye as it comes, and not on our server. */
import type { Message } from 'faye';
import { afterEach, describe, expect, it } from 'vitest';
import { BayeuxSocket, HANDSHAKE } from '../support/bayeux-socket.js';
import { startPlainFaye } from '../support/plain-faye.js';
import { connectMessage, join, newClientId, say, sees, startServer, user } from '../support/server.js';
import { until } from '../support/until.js';
import { publish, stopTargets, subscribe, type Target } from './target.js';

type Pass = (message: Message | null) => void;

afterEach(stopTargets);

/** A client on a socket, subscribed. */
async function listen({ endpoint }: Target, subscription: string | string[]): Promise<BayeuxSocket> {
  const socket = await BayeuxSocket.open(endpoint);
  const { clientId = '' } = await socket.ask(HANDSHAKE);
  await socket.connect(clientId);
  await socket.ask({ channel: '/meta/subscribe', clientId, subscription });
  return socket;
}

/** All that came on a channel before this moment, as it came. */
async function messagesOn(socket: BayeuxSocket, channel: string): Promise<unknown[]> {
  await socket.ask(HANDSHAKE);
  return socket.received.filter((each) => each.channel === channel && 'data' in each);
}

describe("the rest of a publish: its sender's auth, ext and advice", () => {
  async function overhear(target: Target) {
    const subscriber = await listen(target, '/chat');
    const clientId = await newClientId(target.endpoint);
    const secrets = { auth: { token: 'a secret' }, ext: { auth: { token: 'another' } }, more: 1 };
    const told = { successful: true, error: undefined, advice: { reconnect: 'none', timeout: 1 } };
    await say(target.endpoint, { channel: '/chat', clientId, id: '1', data: 'hello', ...secrets, ...told });
    return messagesOn(subscriber, '/chat');
  }

  it('reaches every subscriber on plain Faye, and makes them stay away for ever', async () => {
    expect(await overhear(await startPlainFaye())).toEqual([
      expect.objectContaining({
        auth: { token: 'a secret' },
        ext: { auth: { token: 'another' } },
        advice: { reconnect: 'none', timeout: 1 },
      }),
    ]);
  });

  it('reaches nobody here', async () => {
    expect(await overhear(await startServer())).toEqual([{ channel: '/chat', id: '1', data: 'hello' }]);
  });

  it('reaches subscribers here as far as it is configured', async () => {
    const target = await startServer({ relay: ['more'] });
    expect(await overhear(target)).toEqual([{ channel: '/chat', id: '1', data: 'hello', more: 1 }]);
  });
});

describe("a publish with a clientId that nobody has, or none, or another's", () => {
  const say1 = (target: Target, more: object) => say(target.endpoint, { channel: '/chat', data: 1, ...more });

  it('is published by plain Faye', async () => {
    const target = await startPlainFaye();
    const subscriber = await listen(target, '/chat');
    const others = await newClientId(target.endpoint);
    for (const clientId of ['bogus', undefined, others]) {
      expect(await say1(target, { clientId })).toMatchObject({ successful: true });
    }
    expect(await messagesOn(subscriber, '/chat')).toHaveLength(3);
  });

  it('is refused here', async () => {
    const target = await startServer();
    const subscriber = await listen(target, '/chat');
    const others = await newClientId(target.endpoint);
    await say(target.endpoint, connectMessage(others, user('ann')));
    expect((await say1(target, { clientId: 'bogus' })).error).toBe('401:bogus:Unknown client');
    expect((await say1(target, {})).error).toMatch(/^403:\/chat:To publish without a client/);
    const asEve = await say1(target, { clientId: others, auth: user('eve') });
    expect(asEve.error).toBe('403::This client belongs to another user');
    expect(await messagesOn(subscriber, '/chat')).toEqual([]);
  });
});

describe('an array of subscriptions of which one is refused', () => {
  it('is half accepted by plain Faye', async () => {
    const target = await startPlainFaye();
    const clientId = await newClientId(target.endpoint);
    const reply = await subscribe(target.endpoint, clientId, ['/chat', '/meta/secret']);
    expect(reply.successful).toBe(false);
    const socket = await BayeuxSocket.open(target.endpoint);
    await socket.connect(clientId);
    await publish(target, '/chat', 'heard');
    expect(await messagesOn(socket, '/chat')).toHaveLength(1);
  });

  it.each(['/meta/secret', '/service/x', 'no channel', '/not/for/you', '', {}, null])(
    'is refused here as a whole: %j',
    async (refused) => {
      const maySubscribe = (_identity: unknown, channel: string) => channel !== '/not/for/you';
      const target = await startServer({ authentication: { trust: true, maySubscribe } });
      const clientId = await newClientId(target.endpoint);
      const reply = await subscribe(target.endpoint, clientId, ['/chat', refused as string]);
      expect(reply.successful).toBe(false);
      const socket = await BayeuxSocket.open(target.endpoint);
      await socket.connect(clientId);
      await publish(target, '/chat', 'not heard');
      expect(await messagesOn(socket, '/chat')).toEqual([]);
    },
  );
});

describe('a message that is quicker through an extension than the one before it', () => {
  /** As one that asks a database, and finds the second answer in its cache. */
  const slowAtFirst = {
    incoming(message: Message, pass: Pass) {
      if (message.data === 'first') setTimeout(() => pass(message), 50);
      else setTimeout(() => pass(message), 0);
    },
  };

  async function sayTwo(target: Target) {
    const subscriber = await listen(target, '/chat');
    const sender = await BayeuxSocket.open(target.endpoint);
    const { clientId } = await sender.ask(HANDSHAKE);
    const both = ['first', 'second'].map((data) => sender.ask({ channel: '/chat', clientId, data }));
    await Promise.all(both);
    await until(() => subscriber.heard('/chat').length === 2, 'both messages');
    return subscriber.heard('/chat');
  }

  it('overtakes it on plain Faye', async () => {
    expect(await sayTwo(await startPlainFaye([slowAtFirst]))).toEqual(['second', 'first']);
  });

  it('stays behind it here', async () => {
    expect(await sayTwo(await startServer({ extensions: [slowAtFirst] }))).toEqual(['first', 'second']);
  });
});

describe('/meta/subscribe/x, which passed for /meta/subscribe before faye 1.2.5 (CVE-2020-11020)', () => {
  async function sneakIn(target: Target) {
    const socket = await BayeuxSocket.open(target.endpoint);
    const { clientId = '' } = await socket.ask(HANDSHAKE);
    await socket.connect(clientId);
    const replies: unknown[] = [];
    for (const channel of ['/meta/subscribe/x', '/meta/subscribe/', '/meta/Subscribe', '/meta/connect/x']) {
      const reply = await socket.ask({
        channel,
        clientId,
        subscription: '/secret',
        connectionType: 'websocket',
      });
      replies.push(reply.successful);
    }
    await publish(target, '/secret', 'for those who may');
    return { replies, heard: await messagesOn(socket, '/secret') };
  }
  const nothing = { replies: [false, false, false, false], heard: [] };

  it('is nothing to the faye that we are pinned to, nor here', async () => {
    expect(await sneakIn(await startPlainFaye())).toEqual(nothing);
    expect(await sneakIn(await startServer())).toEqual(nothing);
  });
});

describe('what a client says to the server itself', () => {
  async function leave(target: Target) {
    const spy = await listen(target, ['/**']);
    const clientId = await newClientId(target.endpoint);
    const reply = await say(target.endpoint, {
      channel: '/faye_online/before_leave',
      clientId,
      data: { message: 'ann leaves' },
    });
    expect(reply.successful).toBe(true);
    return messagesOn(spy, '/faye_online/before_leave');
  }

  it('is heard by everybody with a wildcard on plain Faye', async () => {
    expect(await leave(await startPlainFaye())).toHaveLength(1);
  });

  it('is heard by nobody here', async () => {
    expect(await leave(await startServer())).toEqual([]);
  });

  it.each(['/faye_online/*', '/faye_online/**', '/faye_online/before_leave', '/meta/client/x', '/meta/**'])(
    'may not be subscribed to: %s',
    async (channel) => {
      const { endpoint } = await startServer();
      const clientId = await newClientId(endpoint);
      expect((await subscribe(endpoint, clientId, channel)).error).toMatch(/^403:/);
    },
  );
});

describe('a user list', () => {
  it('is not heard by wildcards', async () => {
    const target = await startServer();
    const spy = await listen(target, ['/**', '/classes/**', '/classes/4/*']);
    const ann = await join(target.endpoint, user('ann'));
    await sees(ann, '/classes/4', ['ann']);
    await join(target.endpoint, user('bob'));
    await sees(ann, '/classes/4', ['ann', 'bob']);
    expect(await messagesOn(spy, '/classes/4/user_list')).toEqual([]);
  });
});
