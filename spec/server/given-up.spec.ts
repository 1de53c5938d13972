/** Connects that nobody waits for any more: what waits for their clients is not lost with their answers. */
import { afterEach, describe, expect, it } from 'vitest';
import { extension, type Request } from '../../src/bayeux/extension.js';
import type { UserList } from '../../src/views/user-list.js';
import { heldBy } from '../chaos/held.js';
import { BayeuxSocket, cutSockets } from '../support/bayeux-socket.js';
import {
  connectMessage,
  newClientId,
  post,
  type Rooms,
  say,
  startServer,
  stopAll,
  user,
} from '../support/server.js';
import { until } from '../support/until.js';

const SETTINGS = { leaveDelay: 0.2, gc: 1, timeout: 10 };

afterEach(async () => {
  cutSockets();
  await stopAll();
});

describe.each(['WebSocket', 'poll'] as const)('a connect whose %s has closed before it was taken', (kind) => {
  it('takes nothing of what waits for its client', async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let held: Request;
    const slow = extension({
      name: 'slow',
      incoming: async ({ ext }, request) => {
        if (!ext) return;
        held = request;
        await released;
      },
    });
    const { endpoint, server } = await startServer({ ...SETTINGS, extensions: [slow] });
    const [clientId, auth] = [await newClientId(endpoint), user('ann')];
    await say(endpoint, { ...connectMessage(clientId), auth });
    await say(endpoint, { channel: '/meta/subscribe', clientId, subscription: '/news', auth });
    await say(endpoint, { channel: '/news', clientId, data: 1, auth });
    const cut = await connectHeld(kind, endpoint, clientId, auth);
    await until(() => held, 'the connect');
    cut();
    await until(() => held?.socket.destroyed, 'the close to be seen');
    release();
    // Comes after it, on the client's queue.
    await say(endpoint, { channel: '/meta/unsubscribe', clientId, subscription: '/nothing', auth });
    await until(() => heldBy(server).connections === 0, 'it to be answered');
    const again = await BayeuxSocket.open(endpoint);
    await again.connect(clientId, { auth });
    await until(() => again.heard('/news').length > 0, 'the news');
  });
});

it('shows the lists again to a poller whose poll was given up: they may have been on their way', async () => {
  const { endpoint, server } = await startServer(SETTINGS);
  const [clientId, auth] = [await newClientId(endpoint), user('ann')];
  const subscription = '/classes/4/user_list';
  await say(endpoint, { ...connectMessage(clientId), auth });
  await say(endpoint, { channel: '/meta/subscribe', clientId, subscription, auth });
  const shown = async () => {
    const { replies } = await post(endpoint, { ...connectMessage(clientId), auth });
    return replies.filter(({ channel }) => channel === subscription).map(({ data }) => data as UserList);
  };
  await until(async () => (await shown()).some(({ count }) => count === 1), 'the list with its user');
  await until(async () => (await shown()).length === 0, 'all to be shown');
  const cut = await connectHeld('poll', endpoint, clientId, auth);
  await until(() => heldBy(server).polls === 1, 'the poll');
  cut();
  await until(() => heldBy(server).polls === 0, 'the close to be seen');
  const again = await until(async () => (await shown())[0], 'the list');
  expect(again).toMatchObject({ count: 1, user_list: ['ann'], version: 1 });
  expect(await shown()).toEqual([]);
});

describe('a poll whose answer was lost', () => {
  const list = '/classes/4/user_list';

  /** Somebody who has been shown the list with itself, and polls by these ids. */
  async function shown(options = {}) {
    const running = await startServer({ ...SETTINGS, ...options });
    const { endpoint } = running;
    const [clientId, auth] = [await newClientId(endpoint), user('ann')];
    await say(endpoint, { channel: '/meta/subscribe', clientId, subscription: list, auth });
    const poll = (id: string, timeout = 0) => ({
      ...connectMessage(clientId, auth),
      id,
      advice: { timeout },
    });
    const lists = async (id: string, timeout?: number) => {
      const { replies } = await post(endpoint, poll(id, timeout));
      return replies
        .filter(({ channel }) => channel === list)
        .map(({ data }) => (data as UserList).user_list);
    };
    let number = 0;
    const next = () => {
      number += 1;
      return `n${number}`;
    };
    await until(async () => String((await lists(next())).at(-1)) === 'ann', 'the list');
    return { ...running, lists, next, poll };
  }

  it('is known by its connect, which comes again: with it the lists', async () => {
    const { lists, next } = await shown();
    const lost = `n${Number(next().slice(1)) - 1}`;
    await until(async () => String(await lists(lost)) === 'ann', 'the list again');
    for (let time = 0; time < 3; time += 1) expect(await lists(next())).toEqual([]);
  });

  it('makes no loop of a client that gives all of them one id', async () => {
    const { endpoint, lists } = await shown();
    let times = 0;
    const bob = await newClientId(endpoint);
    await say(endpoint, connectMessage(bob, user('bob')));
    await until(async () => String((await lists('one')).at(-1)) === 'ann,bob', 'the new list');
    for (let time = 0; time < 5; time += 1) times += (await lists('one', 50)).length;
    expect(times).toBeLessThanOrEqual(1);
  });

  it('shows the list again where another took its place before it was out', async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let held = false;
    const slow = {
      outgoing(message: { id?: string }, pass: (message: object) => void) {
        held ||= message.id === 'slow';
        if (message.id === 'slow') released.then(() => pass(message));
        else pass(message);
      },
    };
    const { endpoint, lists, next, poll } = await shown({ extensions: [slow] });
    const first = post(endpoint, poll('slow', 5_000)).catch(() => {});
    const bob = await newClientId(endpoint);
    await say(endpoint, connectMessage(bob, user('bob')));
    await until(() => held, 'the answer');
    await until(async () => String((await lists(next())).at(-1)) === 'ann,bob', 'the list');
    release();
    await first;
  });
});

/** A connect that is not answered yet; how to cut it off. */
async function connectHeld(
  kind: 'WebSocket' | 'poll',
  endpoint: string,
  clientId: string,
  auth: Rooms,
): Promise<() => void> {
  if (kind === 'WebSocket') {
    const socket = await BayeuxSocket.open(endpoint);
    socket.connect(clientId, { auth, ext: {} }).catch(() => {});
    return () => socket.cut();
  }
  const poll = new AbortController();
  const { advice: _, ...message } = connectMessage(clientId, auth);
  const body = JSON.stringify({ ...message, ext: {} });
  const headers = { 'Content-Type': 'application/json' };
  fetch(endpoint, { method: 'POST', headers, body, signal: poll.signal }).catch(() => {});
  return () => poll.abort();
}
