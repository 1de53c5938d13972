/** More tabs of one browser than it has connections to a host by HTTP/1.1, which are six. */
import type { Message } from 'faye';
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.js';
import { startServer, stopAll } from '../support/server.js';
import { until } from '../support/until.js';

const TABS = 8;
/** A client that is silent for twice as many seconds is gone. */
const TIMEOUT = 2;
/** Connects of each client: it has been silent for longer than it may by then, unless it gets a connection. */
const CONNECTS = 5;

const SNIPPET = `
  <script>delete window.WebSocket</script>
  <script src="/faye/client.js"></script>
  <script src="/faye-online/client.js"></script>
  <script>
    const uid = location.search.slice(1);
    const client = Faye.initOnlineClient({ faye_url: '/faye', log: false, auth_opts: {
      room_channel: '/r', time_channel: '/t', current_user: { uid, uname: uid } } });
    client.subscribe('/r/user_list', () => {});
  </script>`;

let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser?.close());
beforeEach(async () => {
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
  await stopAll();
});

it(`nobody leaves where ${TABS} tabs are online by EventSource`, async () => {
  const { server, url } = await startServer({ timeout: TIMEOUT, demo: false });
  const connects = new Map<string, number>();
  const left: unknown[] = [];
  let handshakes = 0;
  server.presence.on('leave', (channel, { uid }) => left.push([channel, uid]));
  server.bayeux.on('handshake', () => {
    handshakes += 1;
  });
  server.bayeux.addExtension({
    incoming(message: Message, pass: (message: Message) => void) {
      const { clientId = '', connectionType } = message;
      if (connectionType === 'eventsource') connects.set(clientId, (connects.get(clientId) ?? 0) + 1);
      pass(message);
    },
  });
  server.app.get('/tab', (_request, response) => {
    response.removeHeader('Content-Security-Policy');
    response.send(SNIPPET);
  });
  for (let tab = 0; tab < TABS; tab += 1) {
    const page = await context.newPage();
    // It waits for a connection as well.
    page.goto(`${url}/tab?u${tab}`).catch(() => {});
  }
  const isHeard = () => connects.size >= TABS && [...connects.values()].every((count) => count >= CONNECTS);
  await until(isHeard, 'each client to connect again and again', 80_000);
  expect(left).toEqual([]);
  expect(handshakes).toBe(TABS);
  expect((await server.presence.list('/r')).count).toBe(TABS);
});
