/** What `npm pack` makes, installed in a project as its user would, and used there by programs of that project. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Project, pack, root } from './support/package.js';
import { RedisServer } from './support/redis-server.js';
import type { Run } from './support/run.js';
import * as support from './support/server.js';
import { until } from './support/until.js';

/** Milliseconds. What npm's cache does not have comes over the network. */
const INSTALLING = 180_000;
const ROOM = '/classes/4';

/** Prints its address; ends by itself once it is stopped. */
const SERVE = `
import { createServer, defineConfig } from 'faye-online';
const engine = process.env.ENGINE;
const server = createServer(defineConfig({ port: 0, host: '127.0.0.1', logLevel: 'error', ...(engine && { engine }) }));
process.once('SIGTERM', () => server.stop());
console.log((await server.start()).url);
`;

/** All that a program can import, and npm's Faye, which came with it. */
const JOIN = `
import { createRequire } from 'node:module';
import { attachPresence, createServer, defineConfig } from 'faye-online';
import { initOnlineClient } from 'faye-online/client';
import { extension } from 'faye-online/extensions';

const require = createRequire(import.meta.url);
const faye = require(require.resolve('faye', { paths: [require.resolve('faye-online/package.json')] }));

const server = createServer(defineConfig({ port: 0, host: '127.0.0.1', logLevel: 'error' }));
const { url } = await server.start();
// Its own default would keep the process for 5 s: the client sends what was under way once more.
const client = new faye.Client(url + '/faye', { retry: 0.2 });
const auth = { room_channel: '${ROOM}', time_channel: '/lessons/1', current_user: { uid: 7, uname: 'Ada' } };
client.addExtension({ outgoing: (message, pass) => pass({ ...message, auth }) });
const list = await new Promise((resolve) => {
  client.subscribe('${ROOM}/user_list', (list) => list.count > 0 && resolve(list));
});
await client.disconnect();
await server.stop();
console.log(JSON.stringify({ list, imported: [attachPresence, initOnlineClient, extension].map((each) => typeof each) }));
`;

const REQUIRE = `
const { createServer } = require('faye-online');
const server = createServer({ port: 0, host: '127.0.0.1', logLevel: 'error' });
server.start().then(() => server.stop()).then(() => console.log('stopped'));
`;

const CONSUMER = `
import { createServer as createHttpServer } from 'node:http';
import faye, { type Client } from 'faye';
import { attachPresence, type Config, createServer, defineConfig, type UserList } from 'faye-online';
import { initOnlineClient } from 'faye-online/client';
import { extension } from 'faye-online/extensions';

const quiet = extension({
  name: 'quiet',
  incoming(message, request) {
    const address: string | undefined = request?.socket.remoteAddress;
    const channel: string = message.channel;
    console.log(address, channel);
  },
});
const config: Config = defineConfig({
  port: 0,
  redis: 'redis://127.0.0.1:6379',
  windows: { base: 20 },
  extensions: [quiet],
  authentication: { verify: async (message, request) => (request ? { uid: message.channel, uname: 'Ada' } : null) },
});
const server = createServer(config);
const { url }: { url: string } = await server.start();
server.app.get('/hello', (_request, response) => void response.send('hello'));
server.bayeux.getClient().publish('/news', { url });

const adapter = new faye.NodeAdapter({ mount: '/faye', timeout: 45 });
adapter.attach(createHttpServer());
const attached = attachPresence(adapter, { gc: 2, leaveDelay: 1 });
await attached.ready;

const client: Client = initOnlineClient({
  faye_url: '/faye',
  faye,
  auth_opts: { room_channel: '/classes/4', time_channel: '/lessons/1', current_user: { uid: 7, uname: 'Ada' } },
});
client.subscribe('/classes/4/user_list', ({ count, user_list }: UserList) => console.log(count + 1, user_list.length));
`;

describe('the package', () => {
  let folder: string;
  let tarball: string;
  let project: Project;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faye-online-package-'));
    tarball = await pack(folder);
    project = await Project.create({ type: 'module' });
    await project.install(tarball);
  }, INSTALLING);
  afterAll(async () => {
    await project?.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await support.stopAll();
    await project.end();
  });

  const node = (file: string, env?: NodeJS.ProcessEnv): Run => project.run(process.execPath, [file], env);

  describe('has in it', () => {
    it('what it needs at work, and of the rest only its documents', async () => {
      const files = await project.filesOf('faye-online');
      const places = /^(dist|docs)\/|^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;
      expect(files.filter((file) => !places.test(file))).toEqual([]);
      expect(files.filter((file) => /\bspec\b|(?<!\.d)\.ts$/.test(file))).toEqual([]);
      expect((await scripts()).filter((script) => !files.includes(script))).toEqual([]);
      expect(files).toContain('dist/src/client/faye-online.js');
    });

    it('no path of the machine that made it', async () => {
      const files = await project.filesOf('faye-online');
      const texts = await Promise.all(files.map((file) => project.read('node_modules/faye-online', file)));
      expect(files.filter((_, at) => texts[at]?.includes(root))).toEqual([]);
    });

    /** The Lua scripts, as the package has them. */
    async function scripts(): Promise<string[]> {
      const found = await readdir(join(root, 'lua'), { recursive: true });
      const lua = found.filter((file) => file.endsWith('.lua'));
      expect(lua).not.toEqual([]);
      return lua.map((file) => join('dist/lua', file));
    }
  });

  describe('as a library', () => {
    it('serves a stock Faye client, and lets the process end', async () => {
      await project.write('join.js', JOIN);
      const program = node('join.js');
      expect(await program.exitCode(), program.err).toBe(0);
      expect(JSON.parse(program.out)).toMatchObject({
        list: { count: 1, user_list: [7] },
        imported: ['function', 'function', 'function'],
      });
    });

    it('can be required', async () => {
      await project.write('require.cjs', REQUIRE);
      const program = node('require.cjs');
      expect(await program.exitCode(), program.err).toBe(0);
      expect(program.out).toBe('stopped\n');
    });
  });

  describe('in TypeScript', () => {
    const TSC = join(root, 'node_modules/typescript/bin/tsc');
    const STRICT = ['--noEmit', '--strict', '--module', 'NodeNext', '--target', 'ES2022'];

    function compile(file: string, skipLibCheck: boolean): Run {
      const args = [TSC, ...STRICT, '--skipLibCheck', String(skipLibCheck), file];
      return project.run(process.execPath, args);
    }

    it.each([true, false])('has types for all of it, and for Faye; skipLibCheck %s', async (skipLibCheck) => {
      await project.write('consumer.ts', CONSUMER);
      const compiler = compile('consumer.ts', skipLibCheck);
      expect(await compiler.exitCode(), compiler.out).toBe(0);
    });

    // The types of Faye need those of Node, which a project for browsers alone may well not ask for.
    it.each([
      ['faye-online', false],
      ['faye-online/extensions', false],
      ['faye-online/client', true],
    ])('%s alone brings the types of Faye; skipLibCheck %s', async (entry, skipLibCheck) => {
      await project.write(
        'alone.ts',
        `import '${entry}';\nimport faye from 'faye';\nexport default faye.VERSION;`,
      );
      const compiler = compile('alone.ts', skipLibCheck);
      expect(await compiler.exitCode(), compiler.out).toBe(0);
    });

    it('has them for CommonJS', async () => {
      await project.write(
        'consumer.cts',
        "import { createServer } from 'faye-online';\ncreateServer({ port: 0 });",
      );
      const compiler = compile('consumer.cts', false);
      expect(await compiler.exitCode(), compiler.out).toBe(0);
    });

    it.each([
      ['createServer', 'createServer({ prot: 1 })', "'prot'"],
      ['defineConfig', "defineConfig({ windows: { base: '1' } })", "'string'"],
      ['attachPresence', 'attachPresence(new faye.NodeAdapter(), { port: 1 })', "'port'"],
      ["Faye's NodeAdapter", 'new faye.NodeAdapter({ mounts: 1 })', "'mounts'"],
    ])('refuses a wrong option of %s', async (_, wrong, named) => {
      await project.write(
        'wrong.ts',
        `import faye from 'faye';
         import { attachPresence, createServer, defineConfig } from 'faye-online';
         export default [faye, attachPresence, createServer, defineConfig];
         ${wrong};`,
      );
      const compiler = compile('wrong.ts', true);
      expect(await compiler.exitCode()).not.toBe(0);
      expect(compiler.out).toMatch(/^wrong\.ts\b.*4.*error/);
      expect(compiler.out).toContain(named);
    });
  });

  describe('as a server', () => {
    let url: string;

    beforeAll(async () => {
      await project.write('serve.js', SERVE);
    });
    const serve = async (): Promise<Run> => {
      const server = node('serve.js');
      url = (await server.printed(/http:\S+/)).trim();
      return server;
    };

    it("serves the browser's scripts", async () => {
      await serve();
      const ours = await get('/faye-online/client.js');
      expect(ours.type).toContain('text/javascript');
      expect(ours.text).toBe(await project.read('node_modules/faye-online/dist/src/client/faye-online.js'));
      expect(ours.text).toContain('init_online_client');
      expect((await get('/faye/client.js')).text).toContain('Faye');
    });

    it('serves its page with all that the page asks for', async () => {
      await serve();
      const page = await get('/');
      expect(page.type).toContain('text/html');
      expect(page.text).toContain('<title>faye-online</title>');
      const paths = [...page.text.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path = '']) => path);
      expect(paths).toEqual(
        expect.arrayContaining(['/faye/client.js', '/faye-online/client.js', '/demo.js']),
      );
      for (const path of paths) expect((await get(path)).text).not.toBe('');
    });

    async function get(path: string): Promise<{ type: string | null; text: string }> {
      const response = await fetch(`${url}${path}`);
      expect(response.status, path).toBe(200);
      return { type: response.headers.get('content-type'), text: await response.text() };
    }
  });

  describe('with Redis', () => {
    let redis: RedisServer;

    beforeAll(async () => {
      redis = await RedisServer.start();
    });
    afterAll(() => redis?.dispose());

    it('knows who is online, and leaves nothing behind', () => comeAndGo(project, 'faye-online'));

    describe('in a project that has redis 5', () => {
      let other: Project;

      beforeAll(async () => {
        // As `npm init` makes it: CommonJS.
        other = await Project.create({});
        await other.install('redis@5', tarball);
      }, INSTALLING);
      afterAll(() => other?.dispose());

      it('has a redis 3 of its own, and works', async () => {
        expect(await other.version('redis')).toMatch(/^5\./);
        expect(await other.version('redis3')).toMatch(/^3\./);
        await comeAndGo(other, 'faye-redis');
      });
    });

    async function comeAndGo(where: Project, engine: string): Promise<void> {
      await where.write('serve.mjs', SERVE);
      const server = where.run(process.execPath, ['serve.mjs'], { REDIS_URL: redis.url, ENGINE: engine });
      const url = await server.printed(/http:\S+/);
      await until(async () => (await fetch(`${url}/readyz`)).ok, 'Redis to be there');
      expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({
        store: expect.stringContaining('Redis'),
        engine: expect.stringContaining(engine),
      });
      const ada = await support.join(`${url}/faye`, support.user('ada'));
      const bob = await support.join(`${url}/faye`, support.user('bob'), 'long-polling');
      await support.sees(ada, ROOM, ['ada', 'bob']);
      bob.client.disconnect();
      await support.sees(ada, ROOM, ['ada']);
      ada.client.disconnect();
      const left = async () => (await redis.keys()).filter((key) => !/^\/faye\/(nodes|rates)\b/.test(key));
      await until(
        async () => (await left()).join() === '/faye/epoch',
        'only the epoch and the lease to be left',
      );
      server.kill('SIGTERM');
      expect(await server.exitCode(), server.err).toBe(0);
      expect((await redis.keys('/faye/nodes*')).join()).toBe('');
      await redis.flush();
    }
  });

  describe('as a command', () => {
    /** Milliseconds within which it is promised to end. */
    const ENDING = 15_000;

    const configure = (options: string): Promise<void> =>
      project.write(
        'faye.config.ts',
        `import { defineConfig } from 'faye-online';\nexport default defineConfig(${options});`,
      );

    const command = (...args: string[]): Run => project.run('faye-online', args);

    async function start(): Promise<{ server: Run; endpoint: string }> {
      await configure("{ port: 0, mount: '/bayeux', logLevel: 'error' }");
      const server = command('start');
      const [, endpoint = ''] = (await server.printed(/Bayeux +http:\S+\/bayeux\n/)).trim().split(/ +/);
      return { server, endpoint };
    }

    it('starts with faye.config.ts, prints its addresses, and ends with 0 at SIGTERM', async () => {
      const { server, endpoint } = await start();
      await server.printed(/^Try it +http:\S+\/$/m);
      await server.printed(/^Health +http:\S+\/healthz$/m);
      expect(await support.handshake(endpoint)).toMatchObject({ successful: true });
      server.kill('SIGTERM');
      expect(await server.exitCode(ENDING), server.err).toBe(0);
    });

    it('ends with 0 at SIGTERM while clients are connected', async () => {
      const { server, endpoint } = await start();
      const ada = await joinByWebSocket(endpoint, support.user('ada'));
      await joinByWebSocket(endpoint, support.user('bob'));
      const poll = await holdPoll(endpoint);
      await support.sees(ada, ROOM, ['ada', 'bob', 'eve']);
      server.kill('SIGTERM');
      expect(await server.exitCode(ENDING), server.err).toBe(0);
      expect(await poll.answer).toMatchObject([{ status: 'fulfilled', value: { status: 200 } }]);
    });

    /** Resolves once the client has said itself that it connects by WebSocket. */
    async function joinByWebSocket(endpoint: string, auth: support.Rooms): Promise<support.Person> {
      const person = support.connectAs(endpoint, auth);
      const transports = new Set<string | undefined>();
      person.client.addExtension({
        outgoing(message, pass) {
          if (message.channel === '/meta/connect') transports.add(message.connectionType);
          pass(message);
        },
      });
      await person.client.subscribe(`${ROOM}/user_list`, () => {});
      await until(() => transports.has('websocket'), 'a connect by WebSocket');
      return person;
    }

    /** A connect that the server keeps, of a user that it shows as soon as it has it. */
    async function holdPoll(endpoint: string): Promise<{ answer: Promise<unknown[]> }> {
      const auth = support.user('eve');
      const clientId = await support.newClientId(endpoint, auth);
      const message = { ...support.connectMessage(clientId, auth), advice: undefined };
      return { answer: Promise.allSettled([support.post(endpoint, message)]) };
    }

    it('shows the configuration as JSON', async () => {
      await configure('{ gc: 7 }');
      const config = command('config');
      expect(await config.exitCode(), config.err).toBe(0);
      expect(JSON.parse(config.out)).toMatchObject({ gc: 7, mount: '/faye', engine: 'faye-online' });
    });

    it.each(['config', 'start'])('%s ends with 1 at an unknown option, and names it', async (name) => {
      await configure('{ gcc: 7 } as object');
      const config = command(name);
      expect(await config.exitCode()).toBe(1);
      expect(config.err).toBe('Unknown option `gcc`: did you mean `gc`?\n');
      expect(config.out).toBe('');
    });
  });
});
