/** Servers whose Redis knows them as a user of its ACL. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Config } from '../../src/config/index.js';
import { CliServer } from '../support/cli-server.js';
import { RedisServer } from '../support/redis-server.js';
import { connectAs, join, type Running, sees, startServer, stopAll, user } from '../support/server.js';
import { until } from '../support/until.js';

const ROOT = new URL('../../', import.meta.url);
/** Milliseconds. */
const LONG = 30_000;

let redis: RedisServer;
let folder: string;
beforeEach(async () => {
  redis = await RedisServer.start();
  folder = await mkdtemp(path(tmpdir(), 'faye-online-acl-'));
});
afterEach(async () => {
  await stopAll();
  await redis.dispose();
  await rm(folder, { recursive: true, force: true });
});

const call = (...words: [string, ...string[]]): Promise<unknown> =>
  redis.ask((connection) => connection.call(...words));

const urlOf = (name: string): string => `redis://${name}:password@127.0.0.1:${redis.port}`;

const isReady = async ({ url }: Running): Promise<boolean> => (await fetch(`${url}/readyz`)).ok;

async function startTwo(config: Config): Promise<[Running, Running]> {
  const servers = await Promise.all([startServer(config), startServer(config)]);
  for (const server of servers) await until(() => isReady(server), 'the server to be ready', LONG);
  return servers as [Running, Running];
}

/** The user of the documentation. */
async function makeUser(): Promise<void> {
  const docs = await readFile(new URL('docs/configuration.md', ROOT), 'utf8');
  const command = /^ACL SETUSER .*$/m.exec(docs)?.[0] ?? '';
  await call(...(command.split(' ') as [string, ...string[]]));
}

it('the rights that the documentation names cover every command of our scripts, and no dangerous one', async () => {
  await makeUser();
  const folder = new URL('lua/', ROOT);
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.lua'));
  const texts = await Promise.all(files.map((file) => readFile(new URL(file, folder), 'utf8')));
  const names = texts.flatMap((text) =>
    [...text.matchAll(/redis\.call\('(\w+)'/g)].map(([, name = '']) => name.toLowerCase()),
  );
  const commands = [
    ...new Set(names),
    'sadd',
    'srem',
    'spublish',
    'publish',
    'xadd',
    'incrby',
    'pttl',
    'scan',
  ];
  expect(commands.length).toBeGreaterThan(40);
  const may = await Promise.all(commands.map((name) => mayRun(name)));
  expect(commands.filter((_, index) => !may[index])).toEqual([]);
  const dangerous = [
    'flushall',
    'flushdb',
    'keys',
    'config',
    'shutdown',
    'acl',
    'replicaof',
    'debug',
    'monitor',
  ];
  const could = await Promise.all(dangerous.map((name) => mayRun(name)));
  expect(dangerous.filter((_, index) => could[index])).toEqual([]);
});

/** With as many arguments as the command takes; Redis counts them before it looks at rights. */
async function mayRun(name: string): Promise<boolean> {
  const second = SUBCOMMANDS[name] ?? '/faye/a';
  for (let count = 0; count < 8; count += 1) {
    const args = [second, ...Array.from({ length: 7 }, () => '/faye/a')].slice(0, count);
    const answer = await call('ACL', 'DRYRUN', 'faye-online', name, ...args).catch(String);
    if (/wrong number of arguments/.test(String(answer))) continue;
    return !/permissions to run/.test(String(answer));
  }
  throw new Error(`${name} takes more arguments`);
}

const SUBCOMMANDS: Record<string, string> = {
  pubsub: 'numsub',
  xgroup: 'create',
  xinfo: 'groups',
  acl: 'list',
  config: 'get',
};

it('serves with no more rights than the documentation names', { timeout: 90_000 }, async () => {
  await makeUser();
  const records = { url: `sqlite:${path(folder, 'online.db')}` };
  const [first, second] = await startTwo({ redis: urlOf('faye-online'), records, leaveDelay: 0.1, gc: 1 });

  const ann = await join(first.endpoint, user('ann'));
  const bob = await join(second.endpoint, user('bob'), 'long-polling');
  for (const person of [ann, bob]) await sees(person, '/classes/4', ['ann', 'bob']);
  const heard: unknown[] = [];
  await ann.client.subscribe('/news', (data) => heard.push(data));
  const wild: unknown[] = [];
  await ann.client.subscribe('/rooms/*', (data) => wild.push(data));
  await bob.client.publish('/news', 'exact');
  await bob.client.publish('/rooms/7', 'wild');
  await until(() => heard.length === 1 && wild.length === 1, 'both messages');

  await ann.client.publish('/faye_online/visibility', { hidden: true });
  await first.server.disconnect({ uid: 'bob' });
  await sees(ann, '/classes/4', ['ann']);
  // Rejects until the database is open.
  const recorded = async () => (await first.server.records?.time('bob').catch(() => null))?.channels.length;
  await until(recorded, 'what was recorded');
  await until(async () => (await second.server.status()).nodes.length === 2, 'both nodes to be listed');
  for (const server of [first, second]) expect(await isReady(server)).toBe(true);
  await stopAll();
  expect(await call('ACL', 'LOG')).toEqual([]);
});

it('says that it may not subscribe, is not ready, and serves once it may', { timeout: 90_000 }, async () => {
  await call('ACL', 'SETUSER', 'app', 'on', '>password', '~*', '+@all');
  const server = await CliServer.start({ REDIS_URL: urlOf('app') });
  try {
    const refusal = /store: Redis refuses commands: NOPERM .*channel/;
    const { healthz } = await until(async () => {
      const said = await server.said();
      return refusal.test(said.healthz) && refusal.test(said.readyz) && said;
    }, 'the refusal to be said');
    expect(await server.isReady()).toBe(false);
    expect(JSON.parse(healthz)).toMatchObject({ status: 'degraded' });
    // Who the user is, is not for everybody.
    expect(healthz).not.toContain('app');
    await call('ACL', 'SETUSER', 'app', '&*');
    await until(() => server.isReady(), 'the server to be ready', LONG);
    const refusals = server.logged('Redis refuses commands').map(({ reason }) => reason);
    expect(refusals.length).toBeGreaterThan(0);
    expect(new Set(refusals).size).toBe(refusals.length);
    const endpoint = `${server.url}/faye`;
    const ann = await join(endpoint, user('ann'));
    await sees(ann, '/classes/4', ['ann']);
    const heard: unknown[] = [];
    await ann.client.subscribe('/news', (data) => heard.push(data));
    await connectAs(endpoint).client.publish('/news', 1);
    await until(() => heard.length === 1, 'the message');
  } finally {
    await server.dispose();
  }
});

it('refuses a database that Redis does not have, and writes into no other', { timeout: 90_000 }, async () => {
  const server = await CliServer.start({ REDIS_URL: `${redis.url}/99` });
  try {
    const reason = 'ERR DB index is out of range';
    await until(async () => (await server.said()).readyz.includes(reason), 'the refusal to be said', LONG);
    expect(await server.isReady()).toBe(false);
    await until(() => server.logged('Redis refuses commands').length > 0, 'the refusal to be logged');
    // Four connections have been made anew by then, some more than once.
    await until(
      async () =>
        (await redis.ask((each) => each.info('commandstats'))).match(/cmdstat_select:calls=(\d{2})/),
      'ten attempts',
    );
    expect(server.logged('Redis refuses commands')).toMatchObject([{ reason }]);
    expect(server.logged('Redis is away')).toEqual([]);
    expect(await redis.keys()).toEqual([]);
  } finally {
    await server.dispose();
  }
});
