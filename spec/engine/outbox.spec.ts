/** What a node has to say, on a real Redis: in order, within a bound, sent again and heard once. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { read } from '../../src/engine/redis/letter.js';
import { Outbox } from '../../src/engine/redis/outbox.js';
import { RedisBackplane } from '../../src/engine/redis/redis-backplane.js';
import { openRedis, type RedisConnections } from '../../src/redis/connection.js';
import { partitionsOf } from '../../src/redis/partitions.js';
import { silent } from '../support/log.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { RedisProxy } from './proxy.js';

const LIMITS = { messages: 5, bytes: 1_000 };

let server: RedisServer;
let redis: RedisConnections;
let heard: string[];
let dropped: number;

/** Both connected, and what is said on `/said` is heard. */
async function open(source = server.url): Promise<RedisConnections> {
  redis = openRedis(source, silent);
  await redis.accepted(partitionsOf(redis, 'faye'));
  redis.listener.on('message', (_name, text) => heard.push(read(text)?.json ?? text));
  await redis.listener.subscribe('/said');
  return redis;
}

const outboxOn = ({ commands }: RedisConnections): Outbox =>
  new Outbox({ commands, command: 'PUBLISH', limits: LIMITS, onDrop: () => (dropped += 1) });

let number = 0;

const put = (outbox: Outbox, ...texts: string[]): void => {
  for (const json of texts) {
    number += 1;
    outbox.put(['/said'], { node: 'n', number, exact: true, channel: '/news', json });
  }
};

beforeEach(async () => {
  server = await RedisServer.start();
  heard = [];
  dropped = 0;
});
afterEach(async () => {
  redis.close();
  await server.dispose();
});

describe('the outbox', () => {
  it('says all of a turn in one command, in order', async () => {
    const outbox = outboxOn(await open());
    put(outbox, '1', '2', '3', '4', '5');
    await until(() => heard.length === 5, 'all to be heard');
    expect(heard).toEqual(['1', '2', '3', '4', '5']);
    const stats = await server.ask((raw) => raw.info('commandstats'));
    const calls = [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].map(([, count]) => Number(count));
    expect(calls.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(outbox.size).toBe(0);
  });

  it('keeps what comes until it is released', async () => {
    const outbox = outboxOn(await open());
    outbox.hold();
    put(outbox, '1', '2');
    await redis.commands.publish('/said', 'fence');
    await until(() => heard.length > 0, 'the fence');
    expect(heard).toEqual(['fence']);
    expect(outbox.size).toBe(2);
    outbox.release();
    await until(() => heard.length === 3, 'what was kept');
    expect(heard).toEqual(['fence', '1', '2']);
  });

  it('is flushed once what waits is sent, or dropped, and at once where it is held', async () => {
    const outbox = outboxOn(await open());
    await outbox.flushed();
    put(outbox, '1', '2');
    await outbox.flushed();
    expect(outbox.size).toBe(0);
    put(outbox, '3');
    const flushed = outbox.flushed();
    put(outbox, '4', '5', '6', '7', '8');
    await flushed;
    expect(outbox.size).toBe(5);
    const waiting = outbox.flushed();
    outbox.hold();
    await waiting;
    await outbox.flushed();
    expect(outbox.size).toBe(5);
  });

  it('drops the oldest beyond its bounds, and counts them', async () => {
    const outbox = outboxOn(await open());
    outbox.hold();
    put(outbox, '1', '2', '3', '4', '5', '6', '7');
    expect([outbox.size, dropped]).toEqual([5, 2]);
    put(outbox, 'x'.repeat(998));
    expect([outbox.size, dropped]).toEqual([3, 5]);
    outbox.release();
    await until(() => heard.length === 3, 'the rest');
    expect(heard).toEqual(['6', '7', 'x'.repeat(998)]);
    expect(outbox.size).toBe(0);
  });

  it('says what waited through an outage, where it is released', async () => {
    const outbox = outboxOn(await open());
    await server.stop();
    await until(() => redis.commands.status !== 'ready', 'the loss to be seen');
    outbox.hold();
    put(outbox, '1', '2');
    await server.start();
    await until(() => redis.commands.status === 'ready' && redis.listener.status === 'ready', 'both back');
    expect(heard).toEqual([]);
    outbox.release();
    await until(() => heard.length === 2, 'what waited');
    expect(heard).toEqual(['1', '2']);
  });
});

describe('between two nodes', () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  interface Node {
    backplane: RedisBackplane;
    redis: RedisConnections;
    heard: string[];
  }

  async function start(name: string, source = server.url): Promise<Node> {
    const connections = openRedis(source, silent);
    closing.push(() => connections.close());
    redis = connections;
    const partitions = partitionsOf(connections, 'faye');
    const outbox = { messages: 100, bytes: 100_000 };
    const onDrop = (): void => {};
    const backplane = new RedisBackplane({
      redis: connections,
      partitions,
      node: name,
      outbox,
      onDrop,
    });
    const its: string[] = [];
    backplane.onMessage(({ json }) => its.push(json));
    await connections.accepted(partitions);
    return { backplane, redis: connections, heard: its };
  }

  const listen = ({ backplane }: Node, channel: string): Promise<void> =>
    new Promise((resolve) => backplane.listen(channel, resolve));
  const say = ({ backplane }: Node, json: string): void =>
    backplane.publish({ channel: '/a', json }, ['/a', '/*', '/**']);

  it('what was said while Redis was away is heard once, in order', async () => {
    const [speaker, node] = [await start('speaker'), await start('node')];
    await Promise.all([listen(node, '/a'), listen(node, '/*')]);
    await server.stop();
    await until(() => !node.redis.listener.lineOf('faye'), 'the loss to be seen');
    for (const json of ['1', '2', '3']) say(speaker, json);
    expect(speaker.heard).toEqual(['1', '2', '3']);
    await server.start();
    await until(() => node.heard.length >= 3 && speaker.backplane.outboxes.size === 0, 'all to be heard');
    say(speaker, '4');
    await until(() => node.heard.includes('4'), 'the next');
    expect(node.heard).toEqual(['1', '2', '3', '4']);
  });

  it('what may have arrived is sent again, and heard once', async () => {
    const proxy = await RedisProxy.start(server.port);
    closing.push(() => void proxy.close());
    const speaker = await start('speaker', `redis://127.0.0.1:${proxy.port}`);
    const node = await start('node');
    await listen(node, '/a');
    say(speaker, '1');
    await until(() => speaker.backplane.outboxes.size === 0, 'the first to be said');
    proxy.holdAnswers();
    say(speaker, '2');
    await until(() => node.heard.length === 2, 'what arrived without an answer');
    expect(speaker.backplane.outboxes.size).toBe(1);
    proxy.cut();
    say(speaker, '3');
    await until(() => node.heard.includes('3'), 'the next');
    expect(node.heard).toEqual(['1', '2', '3']);
    await until(() => speaker.backplane.outboxes.size === 0, 'nothing to wait');
  });

  it('what did not arrive is sent again', async () => {
    const [speaker, node] = [await start('speaker'), await start('node')];
    await listen(node, '/a');
    say(speaker, '1');
    await until(
      () => speaker.backplane.outboxes.size === 0 && node.heard.length === 1,
      'the first to be said',
    );
    server.pause();
    say(speaker, '2');
    await server.stop();
    await server.start();
    await until(() => node.heard.includes('2'), 'the second');
    expect(node.heard).toEqual(['1', '2']);
  });

  it('goes on after the connection for commands alone was cut', async () => {
    const [speaker, node] = [await start('speaker'), await start('node')];
    await listen(node, '/a');
    const { commands } = speaker.redis;
    let cut = false;
    commands.once('close', () => {
      cut = true;
    });
    const id = await commands.client('ID');
    await server.ask((raw) => raw.client('KILL', 'ID', id));
    await until(() => cut, 'the cut to be seen');
    say(speaker, '1');
    await until(() => node.heard.length > 0, 'what waited');
    expect(node.heard).toEqual(['1']);
  });
});
