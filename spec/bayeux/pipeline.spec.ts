/** The extension wrapper, on a real NodeAdapter with its local client. */
import faye, { type NodeAdapter } from 'faye';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bayeux } from '../../src/bayeux/bayeux.js';
import { refuse } from '../../src/bayeux/errors.js';
import { type Extension, extension, type Message } from '../../src/bayeux/extension.js';
import { internalsOf } from '../../src/bayeux/internals.js';
import { UnavailableError } from '../../src/errors.js';

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
let crowds: number;

beforeEach(() => {
  adapter = new faye.NodeAdapter();
  logged = [];
  crowds = 0;
});

function using(...extensions: Extension[]): Bayeux {
  const log = pino({ level: 'warn' }, { write: (line: string) => logged.push(JSON.parse(line).msg) });
  const bayeux = new Bayeux({
    adapter,
    relay: ['kept'],
    shared: false,
    transport,
    onSlow: () => {},
    onCrowd: () => {
      crowds += 1;
    },
    log,
  });
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
          throw new UnavailableError('Redis');
        },
      }),
    );
    expect(await incoming({ channel: '/a', data: 1 })).toMatchObject({
      error: '503::Presence is away and will be back',
    });
    expect(logged).toEqual([]);
  });
});

it('asks again for a subscription where it could not ask, as long as somebody waits', async () => {
  const asked: number[] = [];
  using(
    extension({
      name: 'asks',
      async incoming({ data }) {
        asked.push(data as number);
        if (asked.filter((each) => each === data).length < 3) throw new UnavailableError('Redis');
      },
    }),
  );
  const { protocol } = internalsOf(adapter);
  const subscribe = (data: number, socket: object) =>
    new Promise<Message | null>((resolve) => {
      const message = { channel: '/meta/subscribe', subscription: '/a', clientId: 'c', data };
      protocol.pipeThroughExtensions('incoming', message, { socket } as never, resolve);
    });
  expect((await subscribe(1, { destroyed: false }))?.error).toBeUndefined();
  expect((await subscribe(2, { destroyed: true }))?.error).toMatch(/^503:/);
  expect(asked).toEqual([1, 1, 1, 2]);
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

describe('messages of a client that wait for one that takes its time', () => {
  function slow() {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const waits = extension({
      name: 'waits',
      async incoming() {
        await gate;
      },
    });
    return { waits, release };
  }

  const judges = extension({
    name: 'judges',
    atOnce: true,
    incoming(message) {
      if (message.data === 'bad') throw refuse('badValue', 'data');
    },
  });
  const large = (id: string) => ({ channel: '/a', clientId: 'c', id, data: 'x'.repeat(60_000) });
  const CROWDED = '429:5000:Too many requests';

  it('are refused beyond 16 of the largest, before they wait, and counted', async () => {
    const { waits, release } = slow();
    using(judges, waits);
    const outcomes = Array.from({ length: 40 }, (_, index) => incoming(large(String(index))));
    // 17 × 60 KB are less than 16 × 64 KiB; one more has left the queue for the extension.
    const refused = await Promise.all(outcomes.slice(18));
    expect(refused.map((message) => message?.error)).toEqual(refused.map(() => CROWDED));
    expect(refused[0]).toMatchObject({ channel: '/a', id: '18' });
    expect(crowds).toBe(22);
    release();
    const passed = await Promise.all(outcomes.slice(0, 18));
    expect(passed.map((message) => message?.id)).toEqual(passed.map((_, index) => String(index)));
    expect(passed.filter((message) => message?.error)).toEqual([]);
    expect(await incoming(large('again'))).not.toHaveProperty('error');
  });

  it('are refused beyond 1,000, however small', async () => {
    const { waits, release } = slow();
    using(judges, waits);
    const outcomes = Array.from({ length: 1_010 }, () => incoming({ channel: '/a', clientId: 'c', data: 1 }));
    for (const message of await Promise.all(outcomes.slice(1_001)))
      expect(message).toMatchObject({ error: CROWDED });
    expect(crowds).toBe(9);
    release();
    expect((await Promise.all(outcomes)).filter((message) => message?.error)).toHaveLength(9);
  });

  it('are judged by what is synchronous and first as they come, once, and keep what it said', async () => {
    const { waits, release } = slow();
    const judged: unknown[] = [];
    const counts = extension({
      name: 'counts',
      atOnce: true,
      incoming: ({ data }) => void judged.push(data),
    });
    using(counts, judges, waits);
    const first = incoming({ channel: '/a', clientId: 'c', data: 1 });
    const bad = incoming({ channel: '/a', clientId: 'c', data: 'bad' });
    expect(judged).toEqual([1, 'bad']);
    release();
    expect(await first).not.toHaveProperty('error');
    expect(await bad).toMatchObject({ error: '400:data:Not valid' });
    expect(judged).toEqual([1, 'bad']);
  });

  it('are refused without a word of theirs where nothing has judged them', async () => {
    const { waits, release } = slow();
    using(waits);
    const first = incoming({ channel: '/a', clientId: 'c', data: 1 });
    const nested: unknown = JSON.parse('['.repeat(20_000) + ']'.repeat(20_000));
    const answer = await incoming({ channel: { toString: 1 }, clientId: 'c', data: nested });
    expect(answer).toEqual({ channel: '/invalid', data: null, error: CROWDED });
    expect(logged).toEqual([]);
    release();
    await first;
  });
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
