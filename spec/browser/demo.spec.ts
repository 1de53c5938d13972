/** The demo page where the server has lost its Redis, and where names are long or alike. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.js';
import { RedisServer } from '../support/redis-server.js';
import { startServer, stopAll } from '../support/server.js';
import { until } from '../support/until.js';
import { Tab } from './tab.js';

declare global {
  interface Window {
    states?: string[];
  }
}

let browser: Browser;
let context: BrowserContext;
let redis: RedisServer | undefined;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser?.close());
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 375, height: 720 } });
});
afterEach(async () => {
  await context.close();
  await stopAll();
  await redis?.dispose();
  redis = undefined;
});

const says = (page: Page, text: string) =>
  until(async () => (await page.textContent('#connection-text')) === text, `${text} to be shown`);

const showsBoth = async (page: Page) => (await page.textContent('#count')) === '2';

describe('the demo page', () => {
  it('stays live while the server has no Redis; a page that comes then says that it reconnects', async () => {
    redis = await RedisServer.start();
    // A client whose connect is not answered gives up after 1.2 times the timeout: a busy machine has a second.
    const { url } = await startServer({ redis: redis.url, timeout: 5 });
    await until(async () => (await fetch(`${url}/readyz`)).ok, 'Redis to be there');
    const { page } = await Tab.join(context, url, 'lobby', 'Ada');
    await says(page, 'Live');
    await page.evaluate(recordStates);
    await redis.stop();
    const late = await openLate(url);
    await redis.start();
    for (const each of [page, late]) await says(each, 'Live');
    expect(await page.evaluate(() => window.states)).toEqual(['Live']);
    expect(await late.evaluate(() => window.states)).toEqual(['Connecting', 'Reconnecting', 'Live']);
    for (const each of [page, late]) await until(() => showsBoth(each), 'both people to be shown');
    // However often the client was refused.
    const log = await late.locator('#log p').allTextContents();
    expect(log.filter((line) => line === 'Connection lost')).toHaveLength(1);
  }, 60_000);

  it('is no wider than a phone, whatever somebody is called', async () => {
    const { url } = await startServer();
    for (const letter of ['W', 'W ']) {
      const { page } = await Tab.join(context, url, 'lobby', letter.repeat(40).slice(0, 39).trim());
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width).toBe(375);
      const button = await page.locator('#same').boundingBox();
      expect((button?.x ?? 0) + (button?.width ?? 1_000)).toBeLessThan(360);
    }
  });

  it('tells people apart who have numbers', async () => {
    const { url } = await startServer();
    const names = ['Person 1', 'Person 10', 'Person 11', 'Ada Lovelace', 'guest7', 'bob', '42'];
    const tabs: Tab[] = [];
    for (const name of names) tabs.push(await Tab.join(context, url, 'lobby', name).then(signedOut));
    const [first] = tabs;
    for (const name of names) await first?.sees(name);
    expect(await first?.page.locator('#users .avatar').allTextContents()).toEqual([
      'P1',
      'P10',
      'P11',
      'AL',
      'G7',
      'B',
      '4',
    ]);
  });
});

/** A page that is opened while the server has no Redis, and was refused a few times. */
async function openLate(url: string): Promise<Page> {
  const page = await context.newPage();
  let refused = 0;
  page.on('response', (response) =>
    response.text().then(
      (text) => {
        if (text.includes('"503:')) refused += 1;
      },
      () => {},
    ),
  );
  await page.goto(`${url}/?new#lobby`);
  await page.evaluate(recordStates);
  await page.fill('#name', 'Bob');
  await page.click('text=Join the room');
  await until(() => refused >= 2, 'the client to be refused');
  return page;
}

/** Runs in the page: keeps what the page says of its connection, each time that it changes. */
function recordStates(): void {
  const place = document.getElementById('connection-text');
  const now = () => place?.textContent ?? '';
  const states = [now()].filter(Boolean);
  window.states = states;
  if (place) new MutationObserver(() => states.push(now())).observe(place, { childList: true });
}

/** The next tab of the context is to ask for a name: it is remembered for the tab alone. */
async function signedOut(tab: Tab): Promise<Tab> {
  await tab.page.evaluate(() => localStorage.clear());
  return tab;
}
