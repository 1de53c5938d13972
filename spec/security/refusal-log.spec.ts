/** What an operator reads in the log of those who were refused with 429. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import faye from 'faye';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AttachOptions, attachPresence } from '../../src/attach-presence.js';
import { RefusalLog } from '../../src/refusal-log.js';
import { post } from '../support/server.js';

interface Line {
  msg: string;
  refused: number;
  address?: string;
  trustProxy: number;
}

let lines: Line[];
const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });

beforeEach(() => {
  lines = [];
});

describe('refused handshakes', () => {
  const HANDSHAKE = {
    channel: '/meta/handshake',
    version: '1.0',
    supportedConnectionTypes: ['long-polling'],
  };
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function start(options: AttachOptions): Promise<string> {
    const http: Server = createServer();
    const adapter = new faye.NodeAdapter({ mount: '/faye' });
    adapter.attach(http);
    const attached = attachPresence(adapter, {
      log,
      authentication: { trust: true },
      origins: [],
      ...options,
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    closing.push(async () => {
      http.close();
      await attached.close();
      adapter.close();
      http.closeAllConnections();
    });
    lines = [];
    return `http://127.0.0.1:${(http.address() as AddressInfo).port}/faye`;
  }

  it.each([
    ['the rate of an address', { rates: { handshakesPerAddress: 1 } }, 'handshakes of one address'],
    ['the clients of an address', { limits: { clientsPerAddress: 10 } }, 'clients of one address'],
  ])('beyond %s are one line in the log, which names trustProxy', async (_what, options, named) => {
    const endpoint = await start(options);
    await post(endpoint, Array(10).fill(HANDSHAKE));
    expect(lines).toEqual([]);
    const { replies } = await post(endpoint, Array(10).fill(HANDSHAKE));
    expect(replies.filter(({ error }) => error?.startsWith('429:'))).toHaveLength(10);
    expect(lines).toMatchObject([{ address: '127.0.0.1', trustProxy: 0 }]);
    expect(lines[0]?.msg).toContain(named);
    expect(lines[0]?.msg).toMatch(/all of them came from 127\.0\.0\.1\. .* set trustProxy/);
  });
});

describe('the log of refusals', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  const SHAKES = 'handshakes of one address';

  it('has the first at once, and a line a minute of those after it, with their number', () => {
    const refusals = new RefusalLog(log, 0);
    for (let n = 0; n < 5; n += 1) refusals.refused(SHAKES, '10.0.0.1');
    expect(lines.map(({ refused }) => refused)).toEqual([1]);
    vi.advanceTimersByTime(60_000);
    expect(lines.map(({ refused }) => refused)).toEqual([1, 4]);
    refusals.refused(SHAKES, '10.0.0.1');
    vi.advanceTimersByTime(59_000);
    expect(lines).toHaveLength(2);
    vi.advanceTimersByTime(1_000);
    expect(lines.map(({ refused }) => refused)).toEqual([1, 4, 1]);
    vi.advanceTimersByTime(3_600_000);
    expect(lines).toHaveLength(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tells one address from several', () => {
    const refusals = new RefusalLog(log, 1);
    refusals.refused(SHAKES, '10.0.0.1');
    refusals.refused(SHAKES, '10.0.0.2');
    refusals.refused(SHAKES, '10.0.0.3');
    vi.advanceTimersByTime(60_000);
    expect(lines.map(({ address }) => address)).toEqual(['10.0.0.1', undefined]);
    expect(lines[1]?.msg).toContain('several addresses');
  });

  it('has a line for each limit', () => {
    const refusals = new RefusalLog(log, 0);
    refusals.refused(SHAKES, '10.0.0.1');
    refusals.refused('clients of one address', '10.0.0.1');
    expect(lines).toHaveLength(2);
  });
});
