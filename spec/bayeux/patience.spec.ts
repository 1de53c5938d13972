/** Subscriptions that wait for what can't be asked, beside their client's queue. */
import faye from 'faye';
import { describe, expect, it } from 'vitest';
import { Bayeux } from '../../src/bayeux/bayeux.js';
import { extension, type Message } from '../../src/bayeux/extension.js';
import { internalsOf } from '../../src/bayeux/internals.js';
import { UnavailableError } from '../../src/errors.js';
import { silent } from '../support/log.js';

const transport = {
  origins: { any: true, allowed: [] },
  messageBytes: 65_536,
  batchLength: 100,
  unsentBytes: 1_048_576,
  compression: false,
  jsonp: false,
};

/** An adapter whose extension can't ask until it is told that it can. */
function start() {
  const adapter = new faye.NodeAdapter();
  const log = silent;
  const bayeux = new Bayeux({
    ...{ adapter, relay: [], shared: false, transport, log },
    onSlow: () => {},
    onCrowd: () => {},
  });
  const asked: Message[] = [];
  let isThere = false;
  const before: Message[] = [];
  bayeux.use([
    extension({ name: 'before', incoming: (message) => void before.push(message) }),
    extension({
      name: 'asks',
      async incoming(message) {
        asked.push(message);
        if (!isThere && message.channel !== '/news') throw new UnavailableError('Redis');
      },
    }),
  ]);
  const { protocol } = internalsOf(adapter);
  const say = (message: Message, socket = { destroyed: false }): Promise<Message | null> =>
    new Promise((resolve) => {
      protocol.pipeThroughExtensions('incoming', message, { socket } as never, resolve);
    });
  return { say, asked, before, comesBack: () => (isThere = true), bayeux };
}

const subscribe = (clientId: string, subscription = '/a', more = {}): Message =>
  ({ channel: '/meta/subscribe', clientId, subscription, ...more }) as Message;

it('are judged again, from where it could not be asked, until it can', async () => {
  const { say, asked, before, comesBack } = start();
  const said = say(subscribe('c'));
  while (asked.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
  comesBack();
  expect((await said)?.error).toBeUndefined();
  expect(before).toHaveLength(1);
});

it('keep no other message of their client waiting, and its queue empty', async () => {
  const { say, comesBack, bayeux } = start();
  const said = say(subscribe('c'));
  expect(await say({ channel: '/news', clientId: 'c', data: 1 })).toMatchObject({ data: 1 });
  expect(bayeux.queues.size).toBe(0);
  comesBack();
  expect((await said)?.error).toBeUndefined();
});

it('are refused where nobody waits for the answer any more', async () => {
  const { say } = start();
  const socket = { destroyed: false };
  const said = say(subscribe('c'), socket);
  socket.destroyed = true;
  expect((await said)?.error).toMatch(/^503:/);
  expect((await say(subscribe('c'), socket))?.error).toMatch(/^503:/);
});

it('are refused where the client wants them no more', async () => {
  const { say, comesBack } = start();
  const all = [subscribe('c', '/a'), subscribe('c', '/b'), subscribe('d', '/a'), subscribe('e', '/a')];
  const said = all.map((message) => say(message));
  void say({ channel: '/meta/unsubscribe', clientId: 'c', subscription: '/a' });
  void say({ channel: '/meta/disconnect', clientId: 'e' });
  comesBack();
  const errors = (await Promise.all(said)).map((answer) => answer?.error?.slice(0, 4));
  expect(errors).toEqual(['503:', undefined, undefined, '503:']);
});

it('are refused at once beyond a thousand, or where they are large', async () => {
  const { say, asked, comesBack } = start();
  const many = Array.from({ length: 1_000 }, (_, index) => say(subscribe(`c${index}`)));
  while (asked.length < 1_000) await new Promise((resolve) => setTimeout(resolve, 10));
  expect((await say(subscribe('d')))?.error).toMatch(/^503:/);
  comesBack();
  for (const answer of await Promise.all(many)) expect(answer?.error).toBeUndefined();
  const other = start();
  expect((await other.say(subscribe('d', '/a', { ext: 'x'.repeat(9_000) })))?.error).toMatch(/^503:/);
});

describe('the reply to a subscription of a client that another node has', () => {
  /** `subscribes` asks that node. */
  function elsewhere(subscribes: () => Promise<boolean>) {
    const adapter = new faye.NodeAdapter();
    const { protocol, engine } = internalsOf(adapter);
    let asked = 0;
    Object.assign(engine, {
      ownership: {
        tracksOwners: true,
        has: () => false,
        others: {
          subscribe: () => {
            asked += 1;
            return subscribes();
          },
        },
      },
    });
    new Bayeux({
      ...{ adapter, relay: [], shared: false, transport, log: silent },
      onSlow: () => {},
      onCrowd: () => {},
    }).use([]);
    const pipe = (stage: 'incoming' | 'outgoing', message: Message) =>
      new Promise<Message | null>((resolve) => {
        protocol.pipeThroughExtensions(stage, message, { socket: { destroyed: false } } as never, resolve);
      });
    const replied = () =>
      pipe('outgoing', { channel: '/meta/subscribe', clientId: 'c', subscription: '/a', successful: true });
    return { pipe, replied, asked: () => asked };
  }

  it('waits until that node can be asked', async () => {
    let isAway = true;
    const { replied, asked } = elsewhere(async () => {
      if (isAway) throw new UnavailableError('Redis');
      return true;
    });
    const reply = replied();
    while (asked() < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    isAway = false;
    expect(await reply).toMatchObject({ successful: true });
    expect((await reply)?.error).toBeUndefined();
  });

  it('is a refusal where the client has ended meanwhile', async () => {
    const { replied } = elsewhere(async () => false);
    expect(await replied()).toMatchObject({ successful: false, error: '401:c:Unknown client' });
  });

  it('is a refusal where the client does not want it any more', async () => {
    const { pipe, replied, asked } = elsewhere(async () => {
      throw new UnavailableError('Redis');
    });
    const reply = replied();
    while (asked() < 1) await new Promise((resolve) => setTimeout(resolve, 10));
    await pipe('incoming', { channel: '/meta/unsubscribe', clientId: 'c', subscription: '/a' });
    expect(await reply).toMatchObject({ successful: false, error: expect.stringMatching(/^503:/) });
    expect(asked()).toBe(1);
  });
});
