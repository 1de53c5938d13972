/** `/faye_online/visibility`, end to end: two servers that share a Redis, and what it has then. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import {
  connectMessage,
  join,
  newClientId,
  type Reply,
  type Running,
  say,
  sees,
  startServer,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';

const ROOM = '/classes/4';
const CHANNEL = '/faye_online/visibility';

let redis: RedisServer;

beforeAll(async () => {
  redis = await RedisServer.start();
});
afterEach(async () => {
  await stopAll();
  await redis.flush();
});
afterAll(() => redis.dispose());

async function start(config = {}): Promise<Running> {
  const running = await startServer({ redis: redis.url, ...config });
  await until(async () => (await fetch(`${running.url}/readyz`)).ok, 'the server to be ready');
  return running;
}

const tell = (
  { endpoint }: Running,
  clientId: string | undefined,
  data: unknown,
  more: object = {},
): Promise<Reply> => say(endpoint, { channel: CHANNEL, clientId, data, ...more });

/** What Redis has of a client; '' where it has said nothing. */
async function recorded(clientId = ''): Promise<string> {
  return (await redis.ask((raw) => raw.hget(`/faye/engine/clients/${clientId}`, 'visibility'))) ?? '';
}

async function journal(): Promise<string[]> {
  const entries = await redis.ask((raw) => raw.xrange('/faye/journal', '-', '+'));
  return entries.map(([, fields]) => fields[fields.indexOf('type') + 1] ?? '');
}

const beginJournal = () => redis.ask((raw) => raw.xgroup('CREATE', '/faye/journal', 'spec', '$', 'MKSTREAM'));

describe('what a client says of its page', () => {
  it('is written down, once a change, and shows to nobody', async () => {
    const first = await start();
    await beginJournal();
    const ann = await join(first.endpoint, user('ann'));
    const bob = await join(first.endpoint, user('bob'));
    await sees(bob, ROOM, ['ann', 'bob']);
    const lists = bob.lists(ROOM).length;
    for (const hidden of [true, true, false, false, true]) await ann.client.publish(CHANNEL, { hidden });
    expect(await recorded(ann.clientId())).toBe('hidden');
    expect((await journal()).filter((type) => type !== 'in')).toEqual(['hidden', 'shown', 'hidden']);

    await join(first.endpoint, user('cy'));
    await sees(bob, ROOM, ['ann', 'bob', 'cy']);
    expect(bob.lists(ROOM).length).toBe(lists + 1);
    await ann.client.disconnect();
    await sees(bob, ROOM, ['bob', 'cy']);
    expect(await recorded(ann.clientId())).toBe('');
  });

  it('may be said before the client is anywhere, and holds where it goes', async () => {
    const { endpoint } = await start();
    const clientId = await newClientId(endpoint);
    const auth = user('ann');
    expect(await say(endpoint, { channel: CHANNEL, clientId, data: { hidden: true }, auth })).toMatchObject({
      successful: true,
    });
    for (const room of ['/classes/4', '/classes/5']) {
      await say(endpoint, connectMessage(clientId, user('ann', room)));
      expect(await recorded(clientId)).toBe('hidden');
    }
  });

  it('may be said to a server that does not have the client, which has it still', async () => {
    const [first, second] = [await start(), await start()];
    const ann = await join(first.endpoint, user('ann'));
    await sees(ann, ROOM, ['ann']);
    expect(await tell(second, ann.clientId(), { hidden: true })).toMatchObject({ successful: true });
    expect(await recorded(ann.clientId())).toBe('hidden');
    // The server that has it says it again.
    await redis.flush();
    await until(async () => (await recorded(ann.clientId())) === 'hidden', 'it to be said again');
  });

  it('is refused where it is something else, and changes nothing', async () => {
    const server = await start();
    const clientId = await newClientId(server.endpoint);
    await say(server.endpoint, connectMessage(clientId, user('ann')));
    await tell(server, clientId, { hidden: true, more: 1 });
    await beginJournal();
    expect((await tell(server, clientId, undefined)).error).toBe('402:data:Missing required parameter');
    const values = [null, 'hidden', false, [false], {}, { visible: true }];
    const fields = ['false', 0, null, [false]].map((hidden) => ({ hidden }));
    for (const data of [...values, ...fields]) {
      const reply = await tell(server, clientId, data);
      expect(reply).toMatchObject({ successful: false, error: '400:data.hidden:Not valid' });
    }
    expect([await recorded(clientId), await journal()]).toEqual(['hidden', []]);
  });

  it('is refused to who is nobody, who is not there, and who is no client', async () => {
    const server = await start();
    const anonymous = await newClientId(server.endpoint);
    const hidden = { hidden: true };
    expect((await tell(server, anonymous, hidden)).error).toBe(`401:${CHANNEL}:Sign in first`);
    expect((await tell(server, 'bogus', hidden)).error).toBe('401:bogus:Unknown client');
    expect((await tell(server, undefined, hidden)).error).toMatch(/^403:.*:This channel is reserved/);
    await say(server.endpoint, connectMessage(anonymous, user('ann')));
    const asEve = await tell(server, anonymous, hidden, { auth: user('eve') });
    expect(asEve.error).toBe('403::This client belongs to another user');
    expect(await recorded(anonymous)).toBe('');
  });

  it('counts among the messages of the client', async () => {
    const server = await start({ rates: { messagesPerClient: 1 } });
    const clientId = await newClientId(server.endpoint);
    const replies: Reply[] = [];
    for (let index = 0; index < 11; index += 1) {
      const data = { hidden: index % 2 === 0 };
      replies.push(await tell(server, clientId, data, { auth: user('ann') }));
    }
    expect(replies.map(({ successful }) => successful)).toEqual([...Array(10).fill(true), false]);
    expect(replies.at(-1)?.error).toMatch(/^429:\d+:Too many requests$/);
  });

  it('is known with the engine faye-redis, to any server', async () => {
    const [first, second] = [await start({ engine: 'faye-redis' }), await start({ engine: 'faye-redis' })];
    const clientId = await newClientId(first.endpoint);
    await say(first.endpoint, connectMessage(clientId, user('ann')));
    for (const [server, hidden] of [
      [first, true],
      [second, false],
    ] as const) {
      expect(await tell(server, clientId, { hidden })).toMatchObject({ successful: true });
      expect(await recorded(clientId)).toBe(hidden ? 'hidden' : 'shown');
    }
  });

  it('is known without Redis too', async () => {
    const server = await startServer();
    const clientId = await newClientId(server.endpoint);
    await say(server.endpoint, connectMessage(clientId, user('ann')));
    expect(await tell(server, clientId, { hidden: true })).toMatchObject({ successful: true });
    expect((await tell(server, clientId, {})).error).toBe('400:data.hidden:Not valid');
    expect((await server.server.presence.list(ROOM)).count).toBe(1);
  });
});
