import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WAITING_LIMIT } from '../../src/engine/faye-redis/links.js';
import { UnavailableError } from '../../src/errors.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { listener, Node } from './node.js';
import { RedisProxy } from './proxy.js';

describe('faye-redis while its Redis is away', () => {
  let redis: RedisServer;
  let nodes: Node[];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    redis = await RedisServer.start();
    nodes = [await (await Node.start(redis.url)).up(), await (await Node.start(redis.url)).up()];
  });
  afterEach(async () => {
    vi.useRealTimers();
    for (const node of nodes) await node.close();
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await redis.dispose();
  });

  const pair = (): [Node, Node] => nodes as [Node, Node];
  const allUp = () => Promise.all(nodes.map((node) => node.up()));
  const allDown = () => Promise.all(nodes.map((node) => node.down()));
  const messages = (node: Node) => node.logged.map(({ msg }) => msg);

  /** Everything that faye-redis sends, with nobody to answer. */
  async function ask(node: Node, clientId: string): Promise<void> {
    const { engine } = node;
    for (let n = 0; n < 20; n += 1) {
      engine.publish({ channel: '/classes/4', data: n }, ['/classes/4', '/**']);
      engine.subscribe(clientId, '/classes/4');
      engine.unsubscribe(clientId, '/classes/5');
      engine.createClient(() => {});
      engine.clientExists(clientId, () => {});
      engine.ping(clientId);
      engine.emptyQueue(clientId);
      engine.gc();
    }
    engine.destroyClient(clientId);
  }

  it('survives its death with answers in flight, and works again on an empty one', async () => {
    const [a, b] = pair();
    const clientId = await a.newClient();
    const before = await listener(a, '/classes/4');
    const other = await listener(b, '/classes/4');
    redis.pause();
    await ask(a, clientId);
    await ask(b, clientId);
    await redis.stop();
    await allDown();
    await ask(a, clientId);

    await redis.start();
    await allUp();
    const after = await listener(b, '/classes/4');
    await a.client().publish('/classes/4', 'again');
    await until(() => after.heard.includes('again'), 'a message to a new client');
    // Those from before learn that they are unknown, handshake and subscribe by themselves.
    await until(async () => {
      await a.client().publish('/classes/4', 'to all');
      return before.heard.includes('to all') && other.heard.includes('to all');
    }, 'a message to clients from before');
  });

  it('keeps clients, subscriptions and messages where Redis keeps them', async () => {
    const [a, b] = pair();
    const here = await listener(a, '/classes/4');
    const there = await listener(b, '/classes/4');
    await redis.save();
    await redis.stop();
    await allDown();
    b.engine.publish({ channel: '/classes/4', data: 'meanwhile' }, ['/classes/4']);
    await redis.start();

    await until(() => here.heard.length > 0 && there.heard.length > 0, 'the message of meanwhile');
    await a.client().publish('/classes/4', 'afterwards');
    await until(() => here.heard.length > 1 && there.heard.length > 1, 'a message of afterwards');
    expect([here.heard, there.heard]).toEqual([
      ['meanwhile', 'afterwards'],
      ['meanwhile', 'afterwards'],
    ]);
    expect([...a.ended, ...b.ended]).toEqual([]);
  });

  it('ends nobody because of an hour in which no node could ping', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const node = await (await Node.start(redis.url, { gc: 0.02 })).up();
    nodes.push(node);
    let looks = 0;
    const gc = node.engine.gc;
    node.engine.gc = () => {
      looks += 1;
      gc.call(node.engine);
    };
    const connected = await listener(node, '/classes/4');
    const betweenPolls = await pair()[0].newClient();
    await redis.save();
    await redis.stop();
    await allDown();
    vi.setSystemTime(Date.now() + 3_600_000);
    await redis.start();
    await allUp();

    const before = looks;
    await until(() => looks > before + 2, 'a look for dead clients');
    expect(await node.engine.exists(betweenPolls)).toBe(true);
    await pair()[1].client().publish('/classes/4', 'still here');
    await until(() => connected.heard.length > 0, 'the message');
    expect(nodes.flatMap(({ ended }) => ended)).toEqual([]);
  });

  it('lets questions wait for the answer, which is never a no', async () => {
    const [a, b] = pair();
    const clientId = await a.newClient();
    await redis.save();
    await redis.stop();
    await allDown();

    const answers: boolean[] = [];
    b.engine.clientExists(clientId, (exists) => answers.push(exists));
    b.engine.clientExists('unknown', (exists) => answers.push(exists));
    const created = b.newClient();
    await expect(b.engine.exists(clientId)).rejects.toBeInstanceOf(UnavailableError);
    expect(answers).toEqual([]);

    await redis.start();
    await until(() => answers.length === 2, 'the answers');
    expect(answers).toEqual([true, false]);
    expect(await b.engine.exists(await created)).toBe(true);
  });

  it('rejects the question whether a client exists that was in flight', async () => {
    const [a] = pair();
    const clientId = await a.newClient();
    redis.pause();
    const question = expect(a.engine.exists(clientId)).rejects.toBeInstanceOf(UnavailableError);
    await redis.stop();
    await question;
  });

  it('asks again where Redis answers with an error, and never says no', async () => {
    const [a] = pair();
    const clientId = await a.newClient();
    await redis.ask((commands) => commands.rename('/faye/clients', '/elsewhere'));
    await redis.ask((commands) => commands.set('/faye/clients', 'of the wrong type'));
    const answers: boolean[] = [];
    a.engine.clientExists(clientId, (exists) => answers.push(exists));
    await expect(a.engine.exists(clientId)).rejects.toBeInstanceOf(UnavailableError);
    await until(() => messages(a).includes('a Redis command is sent again'), 'the refusal');
    expect(answers).toEqual([]);

    await redis.ask((commands) => commands.rename('/elsewhere', '/faye/clients'));
    await until(() => answers.length > 0, 'the answer');
    expect(answers).toEqual([true]);
  });

  it('tells faye-redis of nothing, and not of an error, where Redis refuses', async () => {
    await redis.ask((commands) => commands.set('/faye/clients', 'of the wrong type'));
    const node = await (await Node.start(redis.url, { gc: 0.05, timeout: 0.05 })).up();
    nodes.push(node);
    await until(() => node.logged.some(({ command }) => command === 'zrangebyscore'), 'the refusal');
    await until(async () => (await redis.keys('/faye/locks/*')).length === 0, 'the lock to be given back');
  });

  it('ends a client that was being ended, once it is back', async () => {
    const [a, b] = pair();
    const clientId = await a.newClient();
    await a.subscribe(clientId, '/classes/4');
    await redis.save();
    redis.pause();
    const ended = Promise.all([a.destroy(clientId), b.destroy(clientId)]);
    await redis.stop();
    await allDown();
    await redis.start();
    await ended;
    expect([...a.ended, ...b.ended]).toContain(clientId);
    expect(await redis.keys()).toEqual([]);
  });

  it('lets no more than 10,000 commands wait, and says so in few lines', async () => {
    const [a] = pair();
    const clientId = await a.newClient();
    await a.subscribe(clientId, '/classes/4');
    await redis.save();
    await redis.stop();
    await a.down();
    let refused = 0;
    let answers = 0;
    for (let n = 0; n < WAITING_LIMIT; n += 1) a.engine.unsubscribe('nobody', '/classes/5');
    a.engine.destroyClient('nobody', () => {
      refused += 1;
    });
    a.engine.clientExists(clientId, () => {
      answers += 1;
    });
    await until(() => refused === 1, 'the refusal');
    expect(answers).toBe(0);
    expect(a.engine.waiting).toBe(WAITING_LIMIT);
    await until(() => a.logged.some(({ times }) => Number(times) > WAITING_LIMIT / 2), 'the count');
    expect(messages(a).filter((msg) => msg === 'a Redis command failed').length).toBeLessThan(10);

    await redis.start();
    await until(() => a.engine.waiting === 0, 'the waiting commands to be sent');
    expect(await a.engine.exists(clientId)).toBe(true);
  });

  describe('where a step was done and its answer is lost', () => {
    let proxy: RedisProxy;
    let node: Node;

    beforeEach(async () => {
      proxy = await RedisProxy.start(redis.port);
      node = await (await Node.start(`redis://127.0.0.1:${proxy.port}`)).up();
      nodes.push(node);
    });
    afterEach(() => proxy.close());

    it('says that a client has ended', async () => {
      const clientId = await node.newClient();
      proxy.holdAnswers();
      const ended = node.destroy(clientId);
      await until(async () => (await redis.keys()).length === 0, 'the end in Redis');
      proxy.cut();
      await ended;
      expect(node.ended).toEqual([clientId]);
    });

    it('makes one client', async () => {
      proxy.holdAnswers();
      const created = node.newClient();
      await until(async () => (await redis.keys()).length > 0, 'the client in Redis');
      proxy.cut();
      const clientId = await created;
      expect(await redis.ask((commands) => commands.zrange('/faye/clients', '0', '-1'))).toEqual([clientId]);
    });
  });

  it('fetches what it was not told of while its subscriber was away', async () => {
    const [a] = pair();
    const { heard } = await listener(a, '/classes/4');
    const [clientId] = await redis.ask((commands) => commands.smembers('/faye/channels/classes/4'));
    await redis.ask((commands) =>
      commands.rpush(`/faye/clients/${clientId}/messages`, '{"channel":"/classes/4","data":1}'),
    );
    await redis.ask((commands) => commands.call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
    await until(() => heard.length > 0, 'the message');
    expect(heard).toEqual([1]);
  });

  it('notices a Redis that answers nothing', async () => {
    redis.pause();
    await allDown();
    redis.resume();
    await allUp();
  });

  it('tries again until its password is right', async () => {
    const { host } = new URL(redis.url);
    const node = await Node.start(`redis://app:se%2Fcret@${host}`);
    nodes.push(node);
    await until(() => messages(node).includes('Redis refuses commands'), 'the refusal');
    await redis.ask((commands) => commands.acl('SETUSER', 'app', 'on', '>se/cret', '~*', '&*', '+@all'));
    await node.up();
    expect(JSON.stringify(node.logged)).not.toContain('cret');
  });

  it('starts before its Redis does', async () => {
    await redis.stop();
    const node = await Node.start(redis.url);
    nodes.push(node);
    const created = node.newClient();
    await redis.start();
    expect(await node.engine.exists(await created)).toBe(true);
  });

  describe('closes without a word and leaves nothing that keeps its process', () => {
    async function closing(
      when: 'up' | 'at once',
      url: string,
    ): Promise<[code: number | null, said: string]> {
      const file = fileURLToPath(new URL('closing.ts', import.meta.url));
      const child = spawn(process.execPath, ['--import', 'tsx', file, url, when]);
      children.push(child);
      let said = '';
      child.stdout.on('data', (text) => {
        said += text;
      });
      child.stderr.on('data', (text) => {
        said += text;
      });
      const [code] = await once(child, 'exit');
      return [code, said];
    }

    it('while it is connected', async () => {
      expect(await closing('up', redis.url)).toEqual([0, '']);
    });

    it('while Redis is away', async () => {
      await redis.stop();
      expect(await closing('at once', redis.url)).toEqual([0, '']);
    });

    it('while Redis does not answer', async () => {
      redis.pause();
      expect(await closing('at once', redis.url)).toEqual([0, '']);
    });
  });
});
