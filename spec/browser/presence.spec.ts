import type { Message } from 'faye';
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createServer, type FayeOnlineServer } from '../../src/server.js';
import { launchChromium } from '../support/chromium.js';
import { until } from '../support/until.js';
import { Tab } from './tab.js';

const LEAVE = '/faye_online/before_leave';
const VISIBILITY = '/faye_online/visibility';

let browser: Browser;
let server: FayeOnlineServer;
let url: string;
let received: Message[];
let contexts: BrowserContext[];

beforeAll(async () => {
  browser = await launchChromium();
});

afterAll(() => browser?.close());

beforeEach(async () => {
  received = [];
  contexts = [];
  server = createServer({
    port: 0,
    host: '127.0.0.1',
    logLevel: 'silent',
    records: { url: 'none' },
    extensions: [{ incoming: record }],
  });
  ({ url } = await server.start());
});

afterEach(async () => {
  for (const context of contexts) await context.close();
  await server.stop();
});

function record(message: Message, pass: (message: Message | null) => void): void {
  received.push({ ...message });
  pass(message);
}

const from = (uid: string, channel: string): Message[] =>
  received.filter((message) => {
    const user = (message.auth as { current_user?: { uid?: string } } | undefined)?.current_user;
    return message.channel === channel && user?.uid === uid;
  });

const clientsOf = (uid: string) => new Set(from(uid, '/meta/connect').map(({ clientId }) => clientId));

async function person(): Promise<BrowserContext> {
  const context = await browser.newContext();
  contexts.push(context);
  return context;
}

const join = async (context: BrowserContext, name: string) => Tab.join(context, url, 'lobby', name);

/**
 * Until all that came before has had its effect: somebody comes and goes after it, and what the server does for the
 * one it did for the others earlier.
 */
async function theDust(observer: Tab): Promise<void> {
  const tab = await join(await person(), 'marker');
  await observer.sees('marker');
  await tab.close();
  await observer.misses('marker');
}

/** Every list that the observer showed from the first with the user on has the user. */
async function expectNoGap(observer: Tab, name: string): Promise<void> {
  const shown = await observer.shown();
  const since = shown.slice(shown.findIndex((names) => names.includes(name)));
  expect(since.length).toBeGreaterThan(0);
  for (const names of since) expect(names).toContain(name);
}

describe('the page in Chromium', () => {
  it('lists a user of two tabs once, until the second is closed', async () => {
    const alice = await person();
    const first = await join(alice, 'alice');
    const second = await join(alice, 'alice');
    const bob = await join(await person(), 'bob');
    for (const tab of [first, second, bob]) {
      await tab.sees('bob');
      expect(await tab.list()).toEqual(['alice', 'bob']);
    }
    expect(clientsOf('alice').size).toBe(2);

    await first.close();
    await theDust(bob);
    expect(await bob.list()).toEqual(['alice', 'bob']);
    await expectNoGap(bob, 'alice');

    await second.close();
    await bob.misses('alice');
    expect(await bob.list()).toEqual(['bob']);
  });

  it('shows no leave at a reload', async () => {
    const bob = await join(await person(), 'bob');
    const alice = await join(await person(), 'alice');
    await bob.sees('alice');
    await alice.page.reload();
    await alice.sees('alice');
    await theDust(bob);
    expect(clientsOf('alice').size).toBe(2);
    expect(await bob.list()).toEqual(['bob', 'alice']);
    await expectNoGap(bob, 'alice');
  });

  it('keeps the client of a tab whose close was cancelled', async () => {
    const bob = await join(await person(), 'bob');
    const { page } = await join(await person(), 'alice');
    await bob.sees('alice');
    await page.evaluate(() => addEventListener('beforeunload', (event) => event.preventDefault()));
    // Chromium asks only where the person has touched the page.
    await page.click('#count');
    const dialog = page.waitForEvent('dialog');
    await page.close({ runBeforeUnload: true });
    await (await dialog).dismiss();
    await until(() => from('alice', LEAVE).length > 0, 'before_leave');
    await theDust(bob);
    await expectNoGap(bob, 'alice');
    expect(clientsOf('alice').size).toBe(1);
    expect(await page.textContent('#connection')).toContain('Live');
  });

  it('tells the server that it goes twice: by the client, and by a beacon while the page dies', async () => {
    const alice = await join(await person(), 'alice');
    await alice.close();
    await until(() => from('alice', LEAVE).length === 2, 'both');
    expect(new Set(from('alice', LEAVE).map(({ clientId }) => clientId))).toEqual(clientsOf('alice'));
    // A page that goes is hidden by that, too.
    expect(from('alice', VISIBILITY)).toEqual([]);
  });

  it('tells the server that it is hidden, from the beginning too, and shown, which is no leave', async () => {
    const bob = await join(await person(), 'bob');
    const context = await person();
    await context.addInitScript(() => {
      Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    });
    const alice = await join(context, 'alice');
    await bob.sees('alice');
    const told = (times: number) => until(() => from('alice', VISIBILITY).length === times, `word ${times}`);
    await told(1);
    await alice.turn('visible');
    await told(2);
    await alice.turn('hidden');
    await told(3);
    const said = from('alice', VISIBILITY);
    expect(said.map(({ data, error }) => [data, error])).toEqual(
      [true, false, true].map((hidden) => [{ hidden }, undefined]),
    );
    expect(new Set(said.map(({ clientId }) => clientId))).toEqual(clientsOf('alice'));
    await expectNoGap(bob, 'alice');
  });

  it('leaves with the page, and is back when the person comes back', async () => {
    const bob = await join(await person(), 'bob');
    const alice = await join(await person(), 'alice');
    await bob.sees('alice');
    await alice.page.goto(`${url}/healthz`);
    await bob.misses('alice');
    await alice.page.goBack();
    await bob.sees('alice');
    await alice.sees('bob');
  });

  it('refuses rooms that are no word, and shows what people typed as text', async () => {
    const name = '<img src=x onerror=alert(1)>';
    const tab = await join(await person(), name);
    expect(await tab.list()).toEqual([name]);
    await tab.page.click('text=Leave');
    for (const room of ['two words', 'a/b', 'user_list', 'raum-ü']) {
      await tab.page.fill('#room', room);
      await tab.page.click('text=Join the room');
      expect(await tab.page.isVisible('#room-error')).toBe(true);
    }
    expect(await tab.page.locator('main img').count()).toBe(0);
  });

  it('makes nobody wait who leaves by the button', async () => {
    const bob = await join(await person(), 'bob');
    const alice = await join(await person(), 'alice');
    await bob.sees('alice');
    await alice.page.click('text=Leave');
    await until(() => from('alice', '/meta/disconnect').length === 1, 'a disconnect');
    await bob.misses('alice');
    expect(from('alice', LEAVE)).toEqual([]);
  });
});

describe('the page in a Chromium that keeps pages for the way back', () => {
  let keeping: Browser;

  beforeAll(async () => {
    // Playwright turns the back-forward cache off.
    keeping = await launchChromium({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  });

  afterAll(() => keeping?.close());

  it('leaves although its socket was kept, and is back as another client of the same page', async () => {
    const bob = await join(await person(), 'bob');
    const context = await keeping.newContext();
    contexts.push(context);
    const alice = await join(context, 'alice');
    await bob.sees('alice');
    await alice.page.goto(`${url}/healthz`);
    await bob.misses('alice');

    const [kept] = clientsOf('alice');
    const connects = () => from('alice', '/meta/connect').filter(({ clientId }) => clientId === kept).length;
    const before = connects();
    // Not goBack, which waits for a page to load.
    await alice.page.evaluate(() => history.back());
    await bob.sees('alice');
    await alice.sees('bob');
    // A page that was loaded anew would not know the client that it had.
    expect(connects()).toBeGreaterThan(before);
    expect(clientsOf('alice').size).toBe(2);
    expect(from('alice', VISIBILITY)).toEqual([]);
  });
});
