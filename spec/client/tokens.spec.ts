import faye, { type Client } from 'faye';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { initOnlineClient, type TokenOption } from '../../src/client/index.js';
import { Tokens } from '../../src/client/tokens.js';
import { until } from '../support/until.js';
import { PlainFaye } from './plain-faye.js';

/** A token that expires so many seconds from now. Its name has letters that base64url writes with `-` and `_`. */
function jwt(seconds: number, name = '»¿»¿»¿???>>>'): string {
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'HS256' })}.${part({ name, exp })}.signature`;
}

/** Moves this machine's clock, which goes on from there. */
function passTime(milliseconds: number): void {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + milliseconds);
}

/** A token function whose answers the spec gives. */
class Issuer {
  readonly asked: { resolve(token: string): void; reject(error: Error): void }[] = [];
  readonly fetch = (): Promise<string> =>
    new Promise((resolve, reject) => {
      this.asked.push({ resolve, reject });
    });
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('Tokens', () => {
  const settled = () => vi.advanceTimersByTimeAsync(0);
  let lines: string[];
  let issuer: Issuer;
  let tokens: Tokens;
  let done: (string | undefined)[];

  beforeEach(() => {
    vi.useFakeTimers();
    lines = [];
    done = [];
    issuer = new Issuer();
    tokens = new Tokens(issuer.fetch, (line) => lines.push(line));
  });

  const step = (name: string) => tokens.whenFresh(() => done.push(`${name} ${tokens.current}`));

  it('drops what waits once it is stopped and there is none, and leaves no timer', async () => {
    step('first');
    await settled();
    tokens.stop();
    expect(vi.getTimerCount()).toBe(0);
    issuer.asked[0]?.resolve('late');
    await settled();
    expect(done).toEqual([]);
    tokens.renewIfDue();
    step('second');
    await settled();
    expect(issuer.asked).toHaveLength(1);
    expect(lines).toEqual([]);
  });

  it('makes no other attempt once it is stopped between two', async () => {
    step('first');
    await settled();
    issuer.asked[0]?.reject(new Error('away'));
    await settled();
    expect(vi.getTimerCount()).toBe(1);
    tokens.stop();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(issuer.asked).toHaveLength(1);
  });

  it('goes on with the token that it has once it is stopped while it fetches another', async () => {
    step('first');
    await settled();
    issuer.asked[0]?.resolve('old');
    await settled();
    tokens.refused();
    step('second');
    step('third');
    await settled();
    tokens.stop();
    expect(done).toEqual(['first old', 'second old', 'third old']);
  });

  it('runs the waiting steps in their order, after one fetch', async () => {
    step('first');
    step('second');
    await settled();
    expect(issuer.asked).toHaveLength(1);
    expect(done).toEqual([]);
    issuer.asked[0]?.resolve('t1');
    step('third');
    await settled();
    step('fourth');
    expect(done).toEqual(['first t1', 'second t1', 'third t1', 'fourth t1']);
    expect(issuer.asked).toHaveLength(1);
  });

  it('keeps the order where a step makes another', async () => {
    tokens.whenFresh(() => {
      step('inner');
      done.push('outer');
    });
    step('second');
    await settled();
    issuer.asked[0]?.resolve('t1');
    await settled();
    expect(done).toEqual(['second t1', 'inner t1', 'outer']);
    expect(issuer.asked).toHaveLength(1);
  });

  async function have(token: string): Promise<void> {
    step('have');
    await settled();
    issuer.asked.at(-1)?.resolve(token);
    await settled();
  }

  it('fetches anew less than 30 s before a token expires, not earlier', async () => {
    await have(jwt(60));
    await vi.advanceTimersByTimeAsync(28_000);
    step('early');
    await settled();
    expect(issuer.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3_000);
    step('late');
    await settled();
    expect(issuer.asked).toHaveLength(2);
  });

  it('keeps a token whose end it can not read until it is refused', async () => {
    await have('opaque');
    await vi.advanceTimersByTimeAsync(1e9);
    step('later');
    await settled();
    expect(issuer.asked).toHaveLength(1);
    tokens.refused();
    step('refused');
    await settled();
    expect(issuer.asked).toHaveLength(2);
  });

  it('asks for a token that is always about to expire once in 5 s, not for each message', async () => {
    await have(jwt(-3600));
    for (let n = 0; n < 10; n++) step('at once');
    await vi.advanceTimersByTimeAsync(4_900);
    step('still');
    await settled();
    expect(issuer.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    step('again');
    await settled();
    expect(issuer.asked).toHaveLength(2);
  });

  it('tries again after 1, 2, 4 … 30 s where a fetch fails, says so, and loses nothing', async () => {
    step('waits');
    await settled();
    for (const [index, seconds] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      issuer.asked[index]?.reject(new Error('offline'));
      await vi.advanceTimersByTimeAsync(seconds * 1000 - 1);
      expect(issuer.asked).toHaveLength(index + 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(issuer.asked).toHaveLength(index + 2);
    }
    expect(lines[1]).toBe('faye-online: no token, next attempt in 2 s: Error: offline');
    expect(done).toEqual([]);
    issuer.asked.at(-1)?.resolve('t1');
    await settled();
    expect(done).toEqual(['waits t1']);
  });

  it('goes on with a token that has not expired yet where a newer one can not be had', async () => {
    const old = jwt(60);
    await have(old);
    await vi.advanceTimersByTimeAsync(40_000);
    step('meanwhile');
    await settled();
    issuer.asked[1]?.reject(new Error('offline'));
    await settled();
    expect(done.at(-1)).toBe(`meanwhile ${old}`);
    await vi.advanceTimersByTimeAsync(21_000);
    step('expired');
    await settled();
    expect(done).toHaveLength(2);
  });

  it.each([
    ['no text', () => undefined as unknown as string],
    [
      'an error at once',
      () => {
        throw new Error('no');
      },
    ],
  ])('takes %s for a failure', async (_, source) => {
    tokens = new Tokens(source, (line) => lines.push(line));
    step('waits');
    await settled();
    expect(done).toEqual([]);
    expect(lines).toHaveLength(1);
  });

  it('gives up a fetch without an answer after 30 s', async () => {
    step('waits');
    await vi.advanceTimersByTimeAsync(31_001);
    expect(issuer.asked).toHaveLength(2);
    expect(lines[0]).toContain('no answer in 30 s');
  });
});

describe('the online client with a token', () => {
  let server: PlainFaye;
  let client: Client | undefined;

  beforeEach(async () => {
    server = await PlainFaye.start();
  });

  afterEach(async () => {
    client?.disconnect();
    await server.stop();
  });

  const place = { room_channel: '/classes/4', time_channel: '/lessons/1' };
  const tokensOn = (channel: string) =>
    server.on(channel).map(({ auth }) => (auth as { token?: string }).token);

  function open(token: TokenOption): Client {
    client = initOnlineClient({
      faye,
      faye_url: server.url,
      client_opts: { retry: 0.05 },
      auth_opts: { ...place, token },
      log: false,
      onError() {},
    });
    return client;
  }

  it('sends it on every message, and asks for it once', async () => {
    let asked = 0;
    const token = jwt(3600);
    const client = open(async () => {
      asked += 1;
      return token;
    });
    await client.subscribe('/classes/4/user_list', () => {});
    await client.publish('/chat', 1);
    expect(asked).toBe(1);
    for (const message of server.received) expect(message.auth).toEqual({ ...place, token });
  });

  it('sends a token that is a text as it is', async () => {
    await open('opaque').publish('/chat', 1);
    for (const message of server.received) expect(message.auth).toEqual({ ...place, token: 'opaque' });
  });

  it('fetches another when it is about to expire, and keeps the order of what waits', async () => {
    const issued = [jwt(60), jwt(3600)];
    let asked = 0;
    const client = open(() => issued[asked++] ?? 'none left');
    await client.publish('/chat', 0);
    passTime(40_000);
    await Promise.all([1, 2, 3].map((number) => client.publish('/chat', number)));
    expect(server.on('/chat').map((message) => message.data)).toEqual([0, 1, 2, 3]);
    expect(tokensOn('/chat')).toEqual([issued[0], issued[1], issued[1], issued[1]]);
    expect(asked).toBe(2);
  });

  it('fetches another after the server said that it expired, and is back by itself', async () => {
    let asked = 0;
    const client = open(() => `token ${++asked}`);
    server.refuse = ({ auth }) =>
      (auth as { token: string }).token === 'token 1' ? '401::Token expired' : undefined;
    await client.subscribe('/classes/4/user_list', () => {});
    expect(tokensOn('/meta/handshake')).toEqual(['token 1', 'token 2']);
    expect(tokensOn('/meta/subscribe')).toEqual(['token 2']);
  });

  it('puts the newer token into what is sent again', async () => {
    const issued = [jwt(60), jwt(3600)];
    let asked = 0;
    const client = open(() => issued[asked++] ?? 'none left');
    await client.publish('/ready', true);
    server.ignore = ({ channel }) => channel === '/chat';
    const sent = client.publish('/chat', 1);
    await until(() => server.on('/chat').length === 1, 'the first attempt');
    passTime(40_000);
    server.ignore = () => false;
    server.cut();
    await sent;
    expect(tokensOn('/chat')).toEqual(issued);
  });
});
