import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Commands } from '../../src/engine/faye-redis/commands.js';
import { parseRedisUrl } from '../../src/engine/faye-redis/redis-address.js';
import { Reports } from '../../src/engine/faye-redis/reports.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

describe('Commands', () => {
  let redis: RedisServer;
  let commands: Commands;
  let logged: Record<string, unknown>[];

  beforeEach(async () => {
    redis = await RedisServer.start();
    logged = [];
    const log = pino({ level: 'debug' }, { write: (line: string) => logged.push(JSON.parse(line)) });
    const reports = new Reports(log);
    const address = parseRedisUrl(redis.url);
    commands = new Commands({ address, reports, log, limit: 5, patience: 300, changed: () => {} });
    await until(() => commands.up, 'the connection');
  });
  afterEach(async () => {
    commands.close();
    await redis.dispose();
  });

  const away = async () => {
    await redis.stop();
    await until(() => !commands.up, 'the loss');
  };

  it('sends what waits in the order in which it was given, and what was in flight first', async () => {
    redis.pause();
    for (const n of [1, 2]) commands.send('rpush', ['list', n]);
    await away();
    for (const n of [3, 4]) commands.send('rpush', ['list', n]);
    await redis.start();
    const list = () => redis.ask((ask) => ask.lrange('list', 0, -1));
    await until(async () => (await list()).length === 4, 'the commands');
    expect(await list()).toEqual(['1', '2', '3', '4']);
  });

  it('gives a question up after a while and forgets it', async () => {
    await away();
    const errors: unknown[] = [];
    commands.ask('get', ['key'], (error) => errors.push(error));
    commands.send('set', ['key', 'value']);
    expect(commands.held).toBe(2);
    await until(() => errors.length === 1, 'the end of patience');
    expect(String(errors[0])).toContain('no answer for 300 ms');
    expect(commands.held).toBe(1);
    expect(logged.at(-1)).toMatchObject({ msg: 'a Redis command failed', command: 'get' });
  });

  it('gives a question up that a Redis without an answer was asked', async () => {
    redis.pause();
    const errors: unknown[] = [];
    commands.ask('get', ['key'], (error) => errors.push(error));
    await until(() => errors.length === 1, 'the end of patience');
    redis.resume();
    await new Promise<void>((resolve) => commands.send('ping', [], () => resolve()));
    expect(errors.length).toBe(1);
  });

  it('sends steps again while Redis is busy with something else', async () => {
    await redis.ask(async (other) => {
      await other.config('SET', 'busy-reply-threshold', '1');
      const busy = redis
        .ask((ask) => ask.eval("while true do redis.call('GET', 'x') end", 0))
        .catch(() => {});
      const refused = (error: Error) => error.message.includes('BUSY');
      await until(() => other.get('x').then(() => false, refused), 'a busy Redis');
      const set = new Promise<unknown[]>((resolve) => {
        commands.send('set', ['key', 'value'], (error, reply) => resolve([error, reply]));
      });
      await until(() => logged.some(({ msg }) => msg === 'a Redis command is sent again'), 'a refusal');
      await other.script('KILL');
      await busy;
      expect(await set).toEqual([null, 'OK']);
    });
  });

  it('says what Redis refused, but not the arguments', async () => {
    const failed = new Promise((resolve) => commands.send('no-such-command', ['a-secret'], resolve));
    expect(String(await failed)).toContain('unknown command');
    expect(JSON.stringify(logged)).toContain('unknown command');
    expect(JSON.stringify(logged)).not.toContain('a-secret');
  });

  it('never calls back before it has returned', async () => {
    await away();
    let returned = false;
    const early: boolean[] = [];
    for (let n = 0; n < 7; n += 1) commands.send('ping', [], () => early.push(!returned));
    commands.attempt('ping', [], () => early.push(!returned));
    returned = true;
    await until(() => early.length === 3, 'the refusals');
    expect(early).toEqual([false, false, false]);
  });
});
