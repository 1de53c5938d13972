/** The contract with faye 1.4.3, as in handshake.spec.ts: what of its client is private and touched. */
import faye, { type Client } from 'faye';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { initOnlineClient } from '../../src/client/index.js';
import { internalsOf } from '../../src/client/internals.js';
import { PlainFaye } from './plain-faye.js';

let server: PlainFaye;

beforeEach(async () => {
  server = await PlainFaye.start();
});
afterEach(() => server.stop());

it('is there', async () => {
  const client = new faye.Client(server.url);
  const internals = internalsOf(client);
  expect(internals?._state).toBe(1);
  expect(internals).toMatchObject({
    CONNECTED: 3,
    DISCONNECTED: 4,
    _sendMessage: expect.any(Function),
    _dispatcher: {
      _envelopes: expect.any(Map),
      transports: expect.any(Object),
      handleResponse: expect.any(Function),
    },
  });
  await client.publish('/x', 1);
  expect(internals?._state).toBe(internals?.CONNECTED);
  expect(internals?._dispatcher.clientId).toEqual(expect.any(String));
  expect(internals?._dispatcher._transport).toMatchObject({
    _createSocket: expect.any(Function),
    _handleError: expect.any(Function),
    _socket: { onclose: expect.any(Function) },
    callback: expect.any(Function),
    close: expect.any(Function),
  });
  expect(internals?._dispatcher.transports.websocket).toBeInstanceOf(Map);
  client.disconnect();
  expect(internals?._state).toBe(internals?.DISCONNECTED);
});

it('is done without where another Faye has none of it', async () => {
  class Other extends faye.Client {
    constructor(...args: ConstructorParameters<typeof faye.Client>) {
      super(...args);
      const { _dispatcher } = this as unknown as { _dispatcher: object };
      // As before Faye 1.4, whose envelopes are no Map.
      Object.defineProperty(_dispatcher, '_envelopes', { value: new Fake(), writable: true });
    }
  }
  class Fake {
    private readonly map = new Map<string, unknown>();
    get = (id: string) => this.map.get(id);
    set = (id: string, envelope: unknown) => this.map.set(id, envelope);
    delete = (id: string) => this.map.delete(id);
  }
  const auth_opts = { room_channel: '/r', time_channel: '/t', current_user: { uid: 1, uname: 'Ann' } };
  const client: Client = initOnlineClient({
    faye: { ...faye, Client: Other },
    faye_url: server.url,
    auth_opts,
    log: false,
  });
  expect(internalsOf(client)).toBeUndefined();
  await client.publish('/x', 1);
  await client.disconnect();
  expect(server.on('/meta/disconnect')).toHaveLength(1);
});
