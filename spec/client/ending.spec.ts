/** A client that is disconnected while it is still connecting, or while its connection is down. */
import faye, { type Client, type Deferred } from 'faye';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { initOnlineClient, type OnlineClientOptions } from '../../src/client/index.js';
import { internalsOf } from '../../src/client/internals.js';
import { type Running, startServer, stopAll } from '../support/server.js';
import { upgradesOf } from '../support/server-sockets.js';
import { until } from '../support/until.js';
import { PlainFaye } from './plain-faye.js';

const auth_opts = {
  room_channel: '/classes/4',
  time_channel: '/lessons/1',
  current_user: { uid: 470700, uname: 'mvj3' },
};
const OVER = { message: 'This client has disconnected' };

/** Tries again at once, so that an attempt which should not be made would be. */
class Hasty extends faye.Scheduler {
  override getInterval(): number {
    return 0.005;
  }
}

const clients: Client[] = [];

function open(faye_url: string, options: Partial<OnlineClientOptions> = {}): Client {
  const client_opts = { scheduler: Hasty, retry: 0.005 };
  const client = initOnlineClient({
    faye,
    faye_url,
    auth_opts,
    client_opts,
    log: false,
    onError() {},
    ...options,
  });
  clients.push(client);
  return client;
}

const failureOf = (sent: Deferred<void> | undefined) =>
  new Promise((resolve) => sent?.then(() => resolve('accepted'), resolve));

const unanswered = (client: Client) => internalsOf(client)?._dispatcher._envelopes.size;

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  for (const client of clients.splice(0)) client.disconnect();
});

describe('a client that is disconnected', () => {
  let server: PlainFaye;

  beforeEach(async () => {
    server = await PlainFaye.start();
  });
  afterEach(() => server.stop());

  const channels = () => server.received.map(({ channel }) => channel);
  /** As many answers to another client as a hasty one would need to be heard. */
  async function others(): Promise<void> {
    const other = open(server.url);
    for (let sent = 0; sent < 20; sent += 1) await other.publish('/others', sent);
  }
  const without = (...dropped: string[]) => channels().filter((channel) => !dropped.includes(channel));

  it('before it has begun sends nothing', async () => {
    const client = open(server.url);
    await client.disconnect();
    const subscription = client.subscribe('/x', () => {});
    client.connect();
    expect(await failureOf(subscription)).toMatchObject(OVER);
    expect(server.received).toEqual([]);
  });

  it('while it shakes hands is disconnected once its id is known, and never connects', async () => {
    const client = open(server.url);
    const waiting = [client.subscribe('/x', () => {}), client.publish('/x', 1)];
    await client.disconnect();
    expect(channels()).toEqual(['/meta/handshake', '/meta/disconnect']);
    expect(server.received[1]?.clientId).toEqual(expect.any(String));
    for (const each of waiting) expect(await failureOf(each)).toMatchObject(OVER);
    expect(unanswered(client)).toBe(0);
  });

  it('while its token is fetched sends nothing, and fetches none again', async () => {
    let answer: (token: string) => void = () => {};
    const token = vi.fn(() => new Promise<string>((resolve) => (answer = resolve)));
    const client = open(server.url, { auth_opts: { ...auth_opts, token } });
    client.subscribe('/x', () => {});
    await until(() => token.mock.calls.length > 0, 'the fetch');
    await client.disconnect();
    answer('late');
    await others();
    expect(without('/meta/handshake', '/meta/connect', '/others')).toEqual([]);
    expect(server.on('/meta/handshake')).toHaveLength(1);
    expect(token).toHaveBeenCalledTimes(1);
  });

  it('after a handshake that was refused makes no other', async () => {
    const client = open(server.url);
    server.refuse = ({ channel }) => (channel === '/meta/handshake' ? '503::UnavailableError' : undefined);
    client.connect();
    await until(() => server.on('/meta/handshake').length > 2, 'handshakes');
    await client.disconnect();
    server.refuse = () => undefined;
    const made = server.on('/meta/handshake').length;
    await others();
    expect(server.on('/meta/handshake').length - made).toBe(1);
    expect(server.on('/meta/disconnect')).toEqual([]);
  });

  it('while its handshake goes unanswered makes no other once that has failed', async () => {
    const client = open(server.url);
    server.ignore = ({ channel }) => channel === '/meta/handshake';
    client.connect();
    await until(() => server.on('/meta/handshake').length > 0, 'the handshake');
    const disconnected = client.disconnect();
    server.ignore = () => false;
    server.cut();
    await disconnected;
    await others();
    expect(server.on('/meta/handshake')).toHaveLength(2);
    expect(unanswered(client)).toBe(0);
  });

  it('while its connection is down says so once it is up, and does not connect', async () => {
    const client = open(server.url);
    await client.publish('/ready', true);
    server.ignore = () => true;
    server.cut();
    await until(() => server.on('/meta/connect').length > 1, 'it to try again');
    const disconnected = client.disconnect();
    await until(() => server.on('/meta/disconnect').length > 0, 'the disconnect');
    server.ignore = () => false;
    server.cut();
    await disconnected;
    const connects = server.on('/meta/connect').length;
    server.received.length = 0;
    await others();
    expect(connects).toBeGreaterThan(1);
    expect(new Set(server.received.map(({ clientId }) => clientId)).size).toBe(2);
    expect(unanswered(client)).toBe(0);
  });

  it('sends before what was published before, and fails what comes after', async () => {
    const client = open(server.url);
    await client.publish('/ready', true);
    const before = client.publish('/chat', 'bye');
    const disconnected = client.disconnect();
    const after = client.publish('/chat', 'still there?');
    expect(client.disconnect()).toBe(disconnected);
    await disconnected;
    expect(await failureOf(before)).toBe('accepted');
    expect(await failureOf(after)).toMatchObject(OVER);
    expect(server.on('/chat').map(({ data }) => data)).toEqual(['bye']);
    expect(channels().indexOf('/chat')).toBeLessThan(channels().indexOf('/meta/disconnect'));
  });

  it('listens to its page no more, however early that was', async () => {
    const page = new EventTarget();
    const listeners = new Set<unknown>();
    vi.stubGlobal('document', Object.assign(page, { visibilityState: 'visible' }));
    const add = page.addEventListener.bind(page);
    page.addEventListener = (...args) => {
      listeners.add(args[1]);
      add(...args);
    };
    vi.stubGlobal('addEventListener', page.addEventListener);
    page.removeEventListener = (_, listener) => void listeners.delete(listener);
    vi.stubGlobal('removeEventListener', page.removeEventListener);
    const client = open(server.url);
    client.connect();
    expect(listeners.size).toBeGreaterThan(3);
    await client.disconnect();
    expect(listeners.size).toBe(0);
  });
});

describe('a page that mounts, unmounts and mounts again at once, as in React StrictMode', () => {
  let running: Running;

  beforeEach(async () => {
    running = await startServer();
  });
  afterEach(stopAll);

  it('may be another user at once, who is online alone', async () => {
    const { server, endpoint } = running;
    const signIn = (uid: number) => {
      const client = open(endpoint, {
        auth_opts: { ...auth_opts, current_user: { uid, uname: `user ${uid}` } },
      });
      return { client, subscribed: client.subscribe('/classes/4/user_list', () => {}) };
    };
    const uids = async () => (await server.presence.list('/classes/4')).users.map(({ uid }) => uid);
    const first = signIn(1);
    await first.subscribed;
    await until(async () => (await uids()).length > 0, 'the first to be there');
    const signedOut = first.client.disconnect();
    await signIn(2).subscribed;
    await signedOut;
    await until(async () => (await uids()).includes(2), 'the second to be there');
    expect(await uids()).toEqual([2]);
  });

  it('is one client on the server, and a page that only unmounts is none', async () => {
    const { server, endpoint } = running;
    const upgrades = upgradesOf(server.http);
    const lives = new Set<string>();
    server.bayeux.on('handshake', (clientId) => lives.add(clientId));
    server.bayeux.on('disconnect', (clientId) => lives.delete(clientId));
    const first = open(endpoint);
    first.subscribe('/classes/4/user_list', () => {});
    const unmounted = first.disconnect();
    const second = open(endpoint);
    await second.subscribe('/classes/4/user_list', () => {});
    await until(async () => (await server.presence.list('/classes/4')).count === 1, 'the second to be there');
    await unmounted;
    expect(lives.size).toBe(1);
    await second.disconnect();
    expect((await server.presence.list('/classes/4')).count).toBe(0);
    expect(lives.size).toBe(0);
    await until(() => upgrades.every(({ destroyed }) => destroyed), 'the sockets to be closed');
  });
});
