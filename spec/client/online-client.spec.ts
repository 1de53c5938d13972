import faye, { type Client } from 'faye';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { initOnlineClient, type OnlineClientOptions } from '../../src/client/index.js';
import { until } from '../support/until.js';
import { PlainFaye } from './plain-faye.js';

const auth_opts = {
  room_channel: '/classes/4',
  time_channel: '/courses/5/lessons/1',
  current_user: { uid: 470700, uname: 'mvj3' },
};

let server: PlainFaye;
let clients: Client[];
let lines: string[];

beforeEach(async () => {
  server = await PlainFaye.start();
  clients = [];
  lines = [];
});

afterEach(async () => {
  for (const client of clients) client.disconnect();
  await server.stop();
  vi.unstubAllGlobals();
});

function open(options: Partial<OnlineClientOptions> = {}): Client {
  const own = lines;
  const log = (line: string) => own.push(line);
  const client = initOnlineClient({ faye, faye_url: server.url, auth_opts, log, onError() {}, ...options });
  clients.push(client);
  return client;
}

const clientIdOf = () => server.on('/meta/connect').at(-1)?.clientId;
const data = (channel: string) => server.on(channel).map((message) => message.data);

describe('the online client', () => {
  it('is a Faye client that says who it is, and where, on every message', async () => {
    const client = open();
    const heard: unknown[] = [];
    await client.subscribe('/classes/4/user_list', (message) => heard.push(message));
    await client.publish('/chat', 'hello');
    await client.subscribe('/other', () => {});
    client.unsubscribe('/other');
    server.publish('/classes/4/user_list', { count: 1, user_list: [470700] });
    await until(() => server.on('/meta/unsubscribe').length > 0 && heard.length > 0, 'the list');
    await client.disconnect();

    expect(new Set(server.received.map((message) => message.channel))).toEqual(
      new Set([
        '/meta/handshake',
        '/meta/connect',
        '/meta/subscribe',
        '/meta/unsubscribe',
        '/meta/disconnect',
        '/chat',
      ]),
    );
    for (const message of server.received) expect(message.auth).toEqual(auth_opts);
    expect(heard).toEqual([{ count: 1, user_list: [470700] }]);
  });

  it('speaks over WebSocket', async () => {
    open().connect();
    const connect = await until(() => server.on('/meta/connect')[0], 'a connect');
    expect(connect.connectionType).toBe('websocket');
  });

  it('sends another room that was set in auth_opts with the next message', async () => {
    const room = { ...auth_opts };
    const client = open({ auth_opts: room });
    await client.publish('/chat', 1);
    room.room_channel = '/classes/5';
    await client.publish('/chat', 2);
    expect(server.on('/chat').map(({ auth }) => (auth as typeof room).room_channel)).toEqual([
      '/classes/4',
      '/classes/5',
    ]);
  });

  it('comes back after a cut with the same client, long before `retry`', async () => {
    const client = open({ client_opts: { retry: 600 } });
    await client.publish('/chat', 1);
    const clientId = clientIdOf();
    const connects = server.on('/meta/connect').length;
    server.cut();
    await until(() => server.on('/meta/connect').length > connects, 'the client to connect again');
    expect(clientIdOf()).toBe(clientId);
    expect(server.on('/meta/handshake')).toHaveLength(1);
  });

  it('logs what becomes of the connection, and knows at once that it is back', async () => {
    const client = open();
    await client.publish('/chat', 1);
    server.cut();
    await until(() => lines.length === 3, 'the client to be back');
    expect(lines).toEqual(['transport:up', 'transport:down', 'transport:up']);
    expect(server.on('/meta/connect').at(1)?.advice).toEqual({ timeout: 0 });
  });

  it('sends what a cut left unanswered again, in its order', async () => {
    const client = open();
    await client.publish('/ready', true);
    server.ignore = ({ channel }) => channel === '/chat';
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
    const sent = numbers.map((number) => client.publish('/chat', number));
    await until(() => data('/chat').length === numbers.length, 'the first attempt');
    server.ignore = () => false;
    server.cut();
    await Promise.all(sent);
    expect(data('/chat')).toEqual([...numbers, ...numbers]);
  });

  it('takes the scheduler of client_opts instead of its own', async () => {
    const failed: string[] = [];
    class Mine extends faye.Scheduler {
      override getInterval() {
        failed.push(this.message.channel);
        return 0.01;
      }
    }
    const client = open({ client_opts: { scheduler: Mine } });
    await client.publish('/ready', true);
    const connects = server.on('/meta/connect').length;
    server.cut();
    await until(() => server.on('/meta/connect').length > connects, 'the client to connect again');
    expect(failed).toContain('/meta/connect');
  });

  it('reports what was refused, each time', async () => {
    const errors: unknown[] = [];
    const client = open({ onError: (error, { channel }) => errors.push([error, channel]) });
    server.refuse = ({ channel }) => (channel === '/chat' ? '403:/chat,x:You may not publish' : undefined);
    const refusal = { code: 403, params: ['/chat', 'x'], message: 'You may not publish' };
    for (const _ of [1, 2]) await client.publish('/chat', 1).then(undefined, () => {});
    expect(errors).toEqual([
      [refusal, '/chat'],
      [refusal, '/chat'],
    ]);
  });

  it('prints what was refused once where nobody listens, and no clientId', async () => {
    const print = vi.spyOn(console, 'error').mockImplementation(() => {});
    const client = open({ onError: undefined });
    await client.publish('/ready', true);
    const clientId = clientIdOf();
    server.refuse = ({ channel }) => (channel === '/chat' ? `401:${clientId}:Unknown client` : undefined);
    for (const _ of [1, 2]) await client.publish('/chat', 1).then(undefined, () => {});
    expect(print.mock.calls).toEqual([['faye-online: /chat was refused: 401 Unknown client']]);
    print.mockRestore();
  });

  it('keeps what waited for a handshake that was refused', async () => {
    const client = open({ client_opts: { retry: 0.05 } });
    server.refuse = ({ channel }) =>
      channel === '/meta/handshake' && server.on(channel).length === 1 ? '401::Token expired' : undefined;
    await client.subscribe('/classes/4/user_list', () => {});
    expect(server.on('/meta/handshake')).toHaveLength(2);
  });
});

describe('a page that is hidden and shown', () => {
  const CHANNEL = '/faye_online/visibility';
  /** Both the window and its document. */
  let page: EventTarget & { visibilityState?: string };

  beforeEach(() => {
    page = new EventTarget();
    page.visibilityState = 'visible';
    vi.stubGlobal('document', page);
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  });

  const turn = (visibilityState: 'hidden' | 'visible') => {
    page.visibilityState = visibilityState;
    page.dispatchEvent(new Event('visibilitychange'));
  };
  const said = () => server.on(CHANNEL).map(({ data, clientId }) => [data, clientId]);
  const says = (...words: unknown[]) =>
    until(() => JSON.stringify(said()) === JSON.stringify(words), JSON.stringify(words)).catch(() =>
      expect(said()).toEqual(words),
    );
  const hidden = () => [{ hidden: true }, clientIdOf()];
  const shown = () => [{ hidden: false }, clientIdOf()];

  it('says so at each change, as who it is', async () => {
    await open().publish('/ready', true);
    turn('hidden');
    await says(hidden());
    turn('hidden');
    turn('visible');
    await says(hidden(), shown());
    expect(server.on(CHANNEL)[0]?.auth).toEqual(auth_opts);
  });

  it('says nothing where it was never hidden', async () => {
    const client = open();
    await client.publish('/ready', true);
    turn('visible');
    await client.publish('/ready', true);
    expect(said()).toEqual([]);
  });

  it('says so at the start, and once more as another client', async () => {
    page.visibilityState = 'hidden';
    const client = open({ client_opts: { retry: 0.05 } });
    await client.publish('/ready', true);
    await until(clientIdOf, 'a connect');
    await says(hidden());
    const first = hidden();
    server.refuse = ({ clientId }) => (clientId === first[1] ? '401::Token expired' : undefined);
    await client.publish('/chat', 1).then(undefined, () => {});
    await until(() => clientIdOf() !== first[1], 'another session');
    await says(first, hidden());
  });

  it('says nothing as another client once it is shown', async () => {
    const client = open({ client_opts: { retry: 0.05 } });
    await client.publish('/ready', true);
    turn('hidden');
    await until(() => said().length === 1, 'that it is hidden');
    const first = clientIdOf();
    server.refuse = ({ clientId }) => (clientId === first ? '401::Token expired' : undefined);
    turn('visible');
    await client.publish('/chat', 1).then(undefined, () => {});
    await until(() => clientIdOf() !== first, 'another session');
    await client.publish('/ready', true);
    expect(said().filter(([, clientId]) => clientId !== first)).toEqual([]);
  });

  it('says the next when the last has its answer, and what it has become by then', async () => {
    await open().publish('/ready', true);
    server.ignore = ({ channel }) => channel === CHANNEL;
    turn('hidden');
    await until(() => said().length === 1, 'the first attempt');
    for (const state of ['visible', 'hidden', 'visible'] as const) turn(state);
    server.ignore = () => false;
    server.cut();
    await says(hidden(), hidden(), shown());
  });

  it('says again what could not be done, and not what is refused for good', async () => {
    const client = open({ onError() {} });
    let answers = 0;
    const isAnswered = async () => {
      answers += 1;
      await client.subscribe(`/answers/${answers}`, () => {});
    };
    await client.publish('/ready', true);
    let error = '503::Presence is away and will be back';
    server.refuse = ({ channel }) => (channel === CHANNEL ? error : undefined);
    turn('hidden');
    await until(async () => {
      await isAnswered();
      return said().length > 1;
    }, 'another attempt');
    error = '403::Forbidden';
    await isAnswered();
    await isAnswered();
    await isAnswered();
    const attempts = said().length;
    await isAnswered();
    await isAnswered();
    expect(said()).toHaveLength(attempts);
    turn('visible');
    await until(() => said().length === attempts + 1, 'the next change');
  });

  it('says nothing as it goes, which hides it', async () => {
    const client = open();
    await client.publish('/ready', true);
    page.dispatchEvent(new Event('pagehide'));
    turn('hidden');
    await client.publish('/ready', true);
    expect(said()).toEqual([]);
    page.dispatchEvent(new Event('pageshow'));
    await says(hidden());
  });

  it('says nothing after it has left, nor before it has connected', async () => {
    open();
    const gone = open();
    const deafened = vi.fn(page.removeEventListener.bind(page));
    page.removeEventListener = deafened;
    await gone.publish('/ready', true);
    await gone.disconnect();
    expect(deafened).toHaveBeenCalledWith('visibilitychange', expect.any(Function));
    turn('hidden');
    expect(server.on('/meta/handshake')).toHaveLength(1);
    turn('visible');
    await open().publish('/after', true);
    expect(said()).toEqual([]);
  });
});

describe('the end of the page', () => {
  const page = new EventTarget();
  let beacons: Promise<Response>[];

  beforeEach(() => {
    beacons = [];
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    vi.stubGlobal('navigator', {
      sendBeacon(url: string, body: URLSearchParams) {
        beacons.push(fetch(url, { method: 'POST', body }));
        return true;
      },
    });
  });

  const goodbyes = () => server.on('/faye_online/before_leave');

  it('is told by the client on beforeunload, by a form on pagehide', async () => {
    await open().publish('/ready', true);
    const goodbye = { clientId: clientIdOf(), data: {}, auth: auth_opts };
    page.dispatchEvent(new Event('beforeunload'));
    await until(() => goodbyes().length === 1, 'before_leave from the client');
    expect(goodbyes()[0]).toMatchObject(goodbye);
    expect(beacons).toHaveLength(0);

    page.dispatchEvent(new Event('pagehide'));
    await until(() => goodbyes().length === 2, 'before_leave from the beacon');
    expect(goodbyes()[1]).toEqual({ channel: '/faye_online/before_leave', ...goodbye });
    expect((await beacons[0])?.status).toBe(200);
  });

  it('is told by the client where the beacon is refused', async () => {
    vi.stubGlobal('navigator', { sendBeacon: () => false });
    await open().publish('/ready', true);
    page.dispatchEvent(new Event('pagehide'));
    await until(() => goodbyes().length === 1, 'before_leave');
  });

  it('is nothing to tell for a client that never connected, or that has left', async () => {
    open();
    const gone = open();
    await gone.publish('/ready', true);
    await gone.disconnect();
    page.dispatchEvent(new Event('beforeunload'));
    page.dispatchEvent(new Event('pagehide'));
    await open().publish('/after', true);
    expect(goodbyes()).toEqual([]);
    expect(server.on('/meta/handshake')).toHaveLength(2);
  });

  it('speaks for the newest session after another handshake', async () => {
    const client = open({ client_opts: { retry: 0.05 } });
    await client.publish('/ready', true);
    const first = clientIdOf();
    server.refuse = ({ clientId }) => (clientId === first ? `401:${first}:Token expired` : undefined);
    await client.publish('/chat', 1).then(undefined, () => {});
    await until(() => clientIdOf() !== first, 'another session');
    page.dispatchEvent(new Event('pagehide'));
    await until(() => goodbyes().length === 1, 'before_leave');
    expect(goodbyes()[0]?.clientId).toBe(clientIdOf());
  });
});
