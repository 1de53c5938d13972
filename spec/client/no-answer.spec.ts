/** A client whose disconnect nobody answers. By itself: timers of other clients would count. */
import faye from 'faye';
import { afterEach, expect, it, vi } from 'vitest';
import { initOnlineClient } from '../../src/client/index.js';
import { internalsOf } from '../../src/client/internals.js';
import { PlainFaye } from './plain-faye.js';

const TIMERS = {
  toFake: ['setTimeout', 'clearTimeout', 'Date'] as ('setTimeout' | 'clearTimeout' | 'Date')[],
};

afterEach(() => vi.useRealTimers());

it('a client that disconnects gives up where nobody answers, and leaves no timer', async () => {
  const server = await PlainFaye.start();
  const client = initOnlineClient({
    faye,
    faye_url: server.url,
    auth_opts: {
      room_channel: '/classes/4',
      time_channel: '/lessons/1',
      current_user: { uid: 470700, uname: 'mvj3' },
    },
    log: false,
    onError() {},
  });
  await client.publish('/ready', true);
  server.ignore = () => true;
  vi.useFakeTimers(TIMERS);
  const failure = new Promise((resolve) => client.disconnect()?.then(() => resolve('accepted'), resolve));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(await failure).toMatchObject({ message: 'The server has not answered the disconnect' });
  expect(internalsOf(client)?._dispatcher._envelopes.size).toBe(0);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  await server.stop();
});
