/** Listeners of the app that fail: of presence, and of Faye's own events on the adapter. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import faye, { type NodeAdapter } from 'faye';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AttachedPresence, attachPresence } from '../../src/attach-presence.js';
import { join, sees, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

const ROOM = '/classes/4';

let http: Server;
let adapter: NodeAdapter;
let attached: AttachedPresence;
let endpoint: string;
let errors: { msg: string; err: { message: string } }[];

beforeEach(async () => {
  errors = [];
  const write = (line: string): void => void errors.push(JSON.parse(line));
  http = createServer();
  adapter = new faye.NodeAdapter({ mount: '/faye' });
  adapter.attach(http);
  attached = attachPresence(adapter, { log: pino({ level: 'error' }, { write }), leaveDelay: 0.2 });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  endpoint = `http://127.0.0.1:${(http.address() as AddressInfo).port}/faye`;
});

afterEach(async () => {
  await stopAll();
  http.close();
  await attached.close();
  adapter.close();
  http.closeAllConnections();
});

const isEmpty = async () => (await attached.presence.list(ROOM)).count === 0;

it.each([
  [
    'throws',
    () => {
      throw new Error('of the app');
    },
  ],
  ['returns a promise that rejects', () => Promise.reject(new Error('of the app'))],
])(
  'a join or leave listener that %s is logged, and delays neither its client nor other listeners',
  async (_what, fail) => {
    const heard: string[] = [];
    for (const event of ['join', 'leave'] as const) {
      attached.presence.on(event, fail);
      attached.presence.once(event, () => heard.push(event));
    }
    const ann = await join(endpoint, user('ann', ROOM, ROOM));
    await sees(ann, ROOM, ['ann']);
    expect(ann.errors).toEqual([]);
    await ann.client.disconnect();
    await until(() => errors.length === 2, 'both to be logged');
    expect(errors).toMatchObject([
      { msg: 'a join listener failed', err: { message: 'of the app' } },
      { msg: 'a leave listener failed', err: { message: 'of the app' } },
    ]);
    expect(heard).toEqual(['join', 'leave']);
    expect(await isEmpty()).toBe(true);
  },
);

it.each(['handshake', 'subscribe', 'unsubscribe', 'publish', 'disconnect'] as const)(
  "a listener of Faye's event %s that throws is logged, and changes nothing for the client",
  async (event) => {
    const heard: string[] = [];
    adapter.on(event, () => {
      throw new Error('of the app');
    });
    adapter.on(event, () => heard.push(event));
    const ann = await join(endpoint, user('ann', ROOM, ROOM));
    await sees(ann, ROOM, ['ann']);
    await ann.client.publish('/chat', 1);
    expect(ann.errors).toEqual([]);
    await ann.client.disconnect();
    await until(isEmpty, 'the leave');
    await until(() => heard.length > 0, 'the other listener');
    expect(errors[0]).toMatchObject({ msg: `a ${event} listener failed`, err: { message: 'of the app' } });
  },
);
