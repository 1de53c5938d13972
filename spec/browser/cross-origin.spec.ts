/** Pages of another origin than the server's, with the snippet of the README in them. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.js';
import { type Running, startServer, stopAll } from '../support/server.js';
import { until } from '../support/until.js';

const SECRET = 'a secret of more than thirty-two characters';
const CLAIMS = { uid: 7, name: 'Ann', channels: ['/classes/*', '/courses/**'] };

let snippet: string;
let token: string;
let browser: Browser;
let context: BrowserContext;
let running: Running;
let known: Server;
let unknown: Server;
let served: string;
let said: string[];
let requests: { method: string; url: string }[];

beforeAll(async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  snippet = /```html\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  token = await new SignJWT(CLAIMS)
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
  browser = await launchChromium();
});
afterAll(() => browser?.close());

beforeEach(async () => {
  [known, unknown] = [await pages(), await pages()];
  running = await startServer({
    authentication: { jwt: { secret: SECRET } },
    demo: false,
    origins: [originOf(known)],
  });
  served = snippet
    .replaceAll('http://localhost:9292', running.url)
    .replace(/current_user: \{.*\}/, `token: '${token}'`);
  [said, requests] = [[], []];
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
  await stopAll();
  for (const each of [known, unknown]) each.close();
});

async function pages(): Promise<Server> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end(`<!doctype html><title>x</title>${served}`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const originOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function open(server: Server, without: string[] = []): Promise<Page> {
  const page = await context.newPage();
  page.on('console', (message) => said.push(message.text()));
  page.on('request', (request) => requests.push({ method: request.method(), url: request.url() }));
  page.on('websocket', (socket) => requests.push({ method: 'WEBSOCKET', url: socket.url() }));
  await page.addInitScript((names) => {
    for (const name of names) Reflect.deleteProperty(window, name);
  }, without);
  await page.goto(originOf(server));
  return page;
}

const toBayeux = () => requests.filter(({ url }) => /\/faye(\?|$)/.test(url));
const ways = () => new Set(toBayeux().map(({ method }) => method));
const uids = async () => (await running.server.presence.list('/classes/4')).users.map(({ uid }) => uid);

describe("a page of another origin, with the README's snippet", () => {
  it.each([
    ['by WebSocket', [], ['POST', 'WEBSOCKET']],
    ['by polls', ['WebSocket', 'EventSource'], ['POST']],
  ])('is in, and sees the list, %s', async (_, without, expected) => {
    await open(known, without);
    await until(() => said.some((line) => line.startsWith('1 online:')), `a list; it said ${said}`);
    expect(await uids()).toEqual([7]);
    await until(() => ways().size === expected.length, 'the connect');
    expect(ways()).toEqual(new Set(expected));
    // JSON-P would be a GET with the token in its query.
    expect(requests.filter(({ url }) => url.includes(token) || url.includes('?'))).toEqual([]);
  });

  it('gets nothing where its origin is not allowed', async () => {
    const page = await open(unknown);
    await until(() => said.includes('transport:down'), `the client to be refused; it said ${said}`);
    await until(() => toBayeux().length > 1, 'another attempt');
    expect(await uids()).toEqual([]);
    expect(said.filter((line) => line.includes('online:'))).toEqual([]);
    expect(requests.filter(({ url }) => url.includes(token))).toEqual([]);
    // It was not kept out by a script that it didn't get.
    const has = () => 'initOnlineClient' in ((window as { Faye?: object }).Faye ?? {});
    expect(await page.evaluate(has)).toBe(true);
  });
});
