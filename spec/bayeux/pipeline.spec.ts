/** The extension wrapper, on a real NodeAdapter with its local client. */
import faye, { type NodeAdapter } from 'faye';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { Away } from '../../src/away.js';
import { Bayeux } from '../../src/bayeux/bayeux.js';
import { refuse } from '../../src/bayeux/errors.js';
import { type Extension, extension, type Message } from '../../src/bayeux/extension.js';
import { internalsOf } from '../../src/bayeux/internals.js';

const request = {} as never;
const transport = {
  origins: { any: true, allowed: [] },
  messageBytes: 65_536,
  batchLength: 100,
  unsentBytes: 1_048_576,
  compression: false,
  jsonp: false,
};
let adapter: NodeAdapter;
let logged: string[];

beforeEach(() => {
  adapter = new faye.NodeAdapter();
  logged = [];
});

function using(...extensions: Extension[]): Bayeux {
  const log = pino({ level: 'warn' }, { write: (line: string) => logged.push(JSON.parse(line).msg) });
  const bayeux = new Bayeux({ adapter, relay: ['kept'], shared: false, transport, onSlow: () => {}, log });
  bayeux.use(extensions);
  return bayeux;
}

function incoming(message: unknown): Promise<Message | null> {
  const { protocol } = internalsOf(adapter);
  return new Promise((resolve) => {
    protocol.pipeThroughExtensions('incoming', message as Message, request, resolve);
  });
}

function outgoing(message: Message): Promise<Message | null> {
  const { protocol } = internalsOf(adapter);
  return new Promise((resolve) => {
    protocol.pipeThroughExtensions('outgoing', message, request, resolve);
  });
}

describe('an extension of the adapter', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('no');
      },
    ],
  ])('that %s refuses the message, and ends nothing', async (_what, fail) => {
    using();
    adapter.addExtension({ incoming: fail as never });
    expect(await incoming({ channel: '/a', data: 1 })).toMatchObject({ error: '500::Internal server error' });
    expect(logged).toEqual(['an extension failed; the message is refused']);
  });

  it('is heard once', async () => {
    using();
    adapter.addExtension({
      incoming(message: Message, callback: (message: Message | null) => void) {
        callback(message);
        callback(null);
        throw new Error('late');
      },
    });
    expect(await incoming({ channel: '/a', data: 1 })).toMatchObject({ channel: '/a' });
    expect(logged).toHaveLength(2);
  });

  it('gets the request where it takes three parameters', async () => {
    using();
    const seen: unknown[] = [];
    adapter.addExtension({
      incoming(message: Message, given: unknown, callback: (message: Message | null) => void) {
        seen.push(given);
        callback(message);
      },
    });
    await incoming({ channel: '/a', data: 1 });
    expect(seen).toEqual([request]);
  });

  it('may drop a message, and put another in its place', async () => {
    using();
    adapter.addExtension({
      incoming: (message: Message, callback: (message: Message | null) => void) =>
        callback(message.data === 'drop' ? null : { ...message, data: 'other' }),
    });
    expect(await incoming({ channel: '/a', data: 'drop' })).toBeNull();
    expect(await incoming({ channel: '/a', data: 1 })).toMatchObject({ data: 'other' });
  });

  it('that throws on the way out keeps an event to itself, and refuses a reply', async () => {
    using();
    adapter.addExtension({
      outgoing: () => {
        throw new Error('no');
      },
    });
    expect(await outgoing({ channel: '/a', data: 'secret' })).toBeNull();
    expect(await outgoing({ channel: '/a', id: '1', successful: true, data: 'secret' })).toEqual({
      channel: '/a',
      id: '1',
      successful: false,
      error: '500::Internal server error',
    });
  });
});

describe('an extension of ours', () => {
  it('runs before those of the adapter, and is not asked about what was refused', async () => {
    const order: string[] = [];
    const named = (name: string, effect = () => {}) =>
      extension({
        name,
        incoming() {
          order.push(name);
          effect();
        },
      });
    adapter.addExtension({
      incoming(message: Message, callback: (message: Message) => void) {
        order.push('theirs');
        callback(message);
      },
    });
    using(
      named('first'),
      named('second', () => {
        throw refuse('badValue', 'x');
      }),
      named('third'),
    );
    expect(await incoming({ channel: '/a', data: 1 })).toMatchObject({ error: '400:x:Not valid' });
    expect(order).toEqual(['first', 'second', 'theirs']);
  });

  it('that could not ask refuses for now, without a word in the log', async () => {
    using(
      extension({
        name: 'asks',
        async incoming() {
          throw new Away('Redis');
        },
      }),
    );
    expect(await incoming({ channel: '/a', data: 1 })).toMatchObject({
      error: '503::Presence is away and will be back',
    });
    expect(logged).toEqual([]);
  });
});

it('keeps the order of a client’s messages, whatever time each takes, and that of others free', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  using(
    extension({
      name: 'slow',
      async incoming(message) {
        if (message.data === 1) await gate;
      },
    }),
  );
  const order: unknown[] = [];
  const send = async (clientId: string, data: number) => {
    await incoming({ channel: '/a', clientId, data });
    order.push(data);
  };
  const all = [send('c', 1), send('c', 2), send('d', 3)];
  await all[2];
  release();
  await Promise.all(all);
  expect(order).toEqual([3, 1, 2]);
});

it.each([null, 7, 'text', []])('refuses %j, which is no message', async (message) => {
  using();
  expect(await incoming(message)).toMatchObject({ error: '400::Bad message' });
});

it('rebuilds a publish, but for what the config relays', async () => {
  using();
  const message = { channel: '/a', data: 1, id: '1', clientId: 'c', auth: {}, ext: {}, advice: {}, kept: 2 };
  expect(await incoming(message)).toEqual({ channel: '/a', data: 1, id: '1', clientId: 'c', kept: 2 });
});

it('replaces the advice of a reply that is refused', async () => {
  using();
  const advice = { reconnect: 'handshake' as const };
  const reply = (channel: string, error: string) => outgoing({ channel, successful: false, error, advice });
  expect((await reply('/meta/connect', '403:/a:No'))?.advice).toEqual({ reconnect: 'none' });
  expect((await reply('/meta/connect', '401:x:Other'))?.advice).toEqual({
    reconnect: 'handshake',
    interval: 5000,
  });
  expect((await reply('/meta/connect', '401:x:Unknown client'))?.advice).toMatchObject({ interval: 0 });
  expect((await reply('/meta/subscribe', '401::Token expired'))?.advice).toMatchObject({ interval: 5000 });
});

it('gives the adapter back as it was', () => {
  const { protocol, proxy } = internalsOf(adapter);
  const before = [protocol.pipeThroughExtensions, proxy.subscribe, proxy.publish, adapter.handle];
  const bayeux = using();
  expect(protocol.pipeThroughExtensions).not.toBe(before[0]);
  bayeux.close();
  expect([protocol.pipeThroughExtensions, proxy.subscribe, proxy.publish, adapter.handle]).toEqual(before);
});
