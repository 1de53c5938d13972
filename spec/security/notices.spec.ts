/** What the log says of pages that the server refuses. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import faye from 'faye';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AttachedPresence, type AttachOptions, attachPresence } from '../../src/attach-presence.js';
import { OccasionalLog } from '../../src/occasional-log.js';
import { cutSockets, HANDSHAKE } from '../support/bayeux-socket.js';
import { ask } from '../support/http-request.js';

interface Line {
  msg: string;
  origin?: string;
}

let lines: Line[];
let http: Server;
let attached: AttachedPresence;

const collect = () => pino({}, { write: (text: string) => lines.push(JSON.parse(text) as Line) });

async function start(options: AttachOptions): Promise<string> {
  const adapter = new faye.NodeAdapter({ mount: '/faye' });
  attached = attachPresence(adapter, { authentication: { trust: true }, log: collect(), ...options });
  http = createServer();
  adapter.attach(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  lines = [];
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}/faye`;
}

beforeEach(() => {
  lines = [];
});
afterEach(async () => {
  cutSockets();
  await attached.close();
  http.close();
});

const byJsonp = (endpoint: string) =>
  `${endpoint}?message=${encodeURIComponent(JSON.stringify([HANDSHAKE]))}&jsonp=__jsonp1__`;

describe("a page of another origin with Faye's own client", () => {
  const Referer = 'https://shop.example/cart?secret=1';

  it('is named in the log where JSON-P is off, with the option that it needs', async () => {
    const endpoint = await start({});
    for (const _ of [1, 2, 3]) {
      expect((await ask(byJsonp(endpoint), { headers: { Referer } })).status).toBe(400);
    }
    expect(lines).toMatchObject([
      { level: 40, origin: 'https://shop.example', msg: expect.stringContaining('`jsonp: true`') },
    ]);
  });

  it('is not in the log where JSON-P is on, nor is a GET that is no JSON-P', async () => {
    const endpoint = await start({ jsonp: true });
    expect((await ask(byJsonp(endpoint), { headers: { Referer } })).status).toBe(200);
    expect((await ask(`${endpoint}?jsonp=x`)).status).toBe(400);
    expect(lines).toEqual([]);
  });
});

it('names a page of an origin that is not allowed in the log', async () => {
  const endpoint = await start({ origins: ['https://good.example'] });
  const post = (Origin: string) =>
    ask(endpoint, { method: 'POST', headers: { Origin, 'Content-Type': 'application/json' } }, '[]');
  expect((await post('https://good.example')).status).toBe(200);
  expect(lines).toEqual([]);
  for (const _ of [1, 2]) expect((await post('https://evil.example')).status).toBe(403);
  expect(lines).toMatchObject([
    { origin: 'https://evil.example', msg: expect.stringContaining('`origins`') },
  ]);
});

it('logs each text once a minute at most', async () => {
  await start({});
  let now = 0;
  const notices = new OccasionalLog(collect(), () => now);
  const warn = () => {
    for (const text of ['one', 'other']) notices.warn(text);
    return lines.splice(0).map(({ msg }) => msg);
  };
  expect(warn()).toEqual(['one', 'other']);
  now = 59_999;
  expect(warn()).toEqual([]);
  now = 60_000;
  expect(warn()).toEqual(['one', 'other']);
});
