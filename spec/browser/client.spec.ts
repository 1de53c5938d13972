/** The client in a real browser: bundled by an app, ended while it starts, and with what is too large to be sent. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OnlineClientOptions } from '../../src/client/index.js';
import { launchChromium } from '../support/chromium.js';
import { type Running, startServer, stopAll } from '../support/server.js';
import { until } from '../support/until.js';

/** What an app does with the client, as its bundler sees it. */
const APP = `
import faye from 'faye';
import { initOnlineClient } from './src/client/index.js';
window.open = (faye_url, more) => initOnlineClient({ faye, faye_url, log: false, ...more, auth_opts: {
  room_channel: '/classes/4', time_channel: '/lessons/1', current_user: { uid: 7, uname: 'Ann' }, ...more?.auth_opts,
} });
`;
/** Bytes of a message that the server reads and refuses, and of one that it does not read. */
const LARGE = 4_000;
const UNREADABLE = 20_000;

type Sent = PromiseLike<unknown>;
interface Client {
  subscribe(channel: string, callback: () => void): Sent;
  publish(channel: string, data: unknown): Sent;
  disconnect(): Sent;
}
type Open = (url: string, more?: Partial<OnlineClientOptions>) => Client;

let script: string;
let browser: Browser;
let context: BrowserContext;
let running: Running;
let app: Server;

/** As docs/browser.md says it. */
async function bundle(define: Record<string, string>): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: APP, resolveDir: '.' },
    bundle: true,
    format: 'iife',
    write: false,
    define,
  });
  return outputFiles[0]?.text ?? '';
}

beforeAll(async () => {
  script = await bundle({ global: 'globalThis' });
  browser = await launchChromium();
});
afterAll(() => browser?.close());

beforeEach(async () => {
  running = await startServer({ demo: false, limits: { messageBytes: 2_048 } });
  context = await browser.newContext({ bypassCSP: true });
  // A page of another origin.
  app = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>x</title>');
  }).listen(0, '127.0.0.1');
  await once(app, 'listening');
});
afterEach(async () => {
  await context.close();
  await stopAll();
  app.close();
});

async function open(url: string, without: string[] = [], code = script): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.evaluate((names) => {
    for (const name of names) Reflect.deleteProperty(window, name);
  }, without);
  await page.addScriptTag({ content: code });
  return page;
}

const own = () => `${running.url}/healthz`;
const other = () => `http://127.0.0.1:${(app.address() as AddressInfo).port}/`;
const count = async () => (await running.server.presence.list('/classes/4')).count;

describe("an app that bundles npm's faye", () => {
  it('is online', async () => {
    const page = await open(own());
    const subscribe = (url: string) =>
      (window as unknown as { open: Open }).open(url).subscribe('/classes/4/user_list', () => {});
    await page.evaluate(subscribe, running.endpoint);
    await until(async () => (await count()) === 1, 'it to be there');
  });

  it('fails without `define`', async () => {
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    await page.goto(own());
    await page.addScriptTag({ content: await bundle({}) });
    expect(errors).toEqual([expect.stringContaining('global is not defined')]);
  });
});

describe('a page that unmounts as it mounts', () => {
  it('is not online, and one that mounts again is online once, until it unmounts', async () => {
    const page = await open(own());
    const lives = new Set<string>();
    running.server.bayeux.on('handshake', (clientId) => lives.add(clientId));
    running.server.bayeux.on('disconnect', (clientId) => lives.delete(clientId));
    await page.evaluate(async (url) => {
      const mount = () => {
        const client = (window as unknown as { open: Open }).open(url);
        return { client, subscribed: client.subscribe('/classes/4/user_list', () => {}) };
      };
      const unmounted = mount().client.disconnect();
      const { client, subscribed } = mount();
      Object.assign(window, { client });
      await Promise.all([unmounted, subscribed]);
    }, running.endpoint);
    await until(async () => (await count()) === 1, 'it to be there');
    expect(lives.size).toBe(1);
    await page.evaluate(() => (window as unknown as { client: Client }).client.disconnect());
    expect([await count(), lives.size]).toEqual([0, 0]);
  });
});

describe('a message that is too large', () => {
  it.each([
    ['by WebSocket', own, []],
    ['by EventSource', own, ['WebSocket']],
    ['by polls', own, ['WebSocket', 'EventSource']],
    ['by polls of another origin', other, ['WebSocket', 'EventSource']],
  ])('fails, and no other does, %s', async (_way, url, without) => {
    const page = await open(url(), without);
    const outcomes = await page.evaluate(
      async ([endpoint, sizes]) => {
        const client = (window as unknown as { open: Open }).open(endpoint, { onError() {} });
        await client.subscribe('/x', () => {});
        const outcome = (size: number) =>
          client.publish('/x', 'x'.repeat(size)).then(
            () => 'accepted',
            ({ code, message }) => `${code} ${message}`,
          );
        return Promise.all(sizes.map(outcome));
      },
      [running.endpoint, [10, LARGE, UNREADABLE, 20]] as [string, number[]],
    );
    const refused = '413 Message too large';
    expect(outcomes).toEqual(['accepted', refused, refused, 'accepted']);
  });
});
