import { once } from 'node:events';
import { mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from './support/ports.js';
import { RedisCluster } from './support/redis-cluster.js';
import { RedisServer } from './support/redis-server.js';
import { Run } from './support/run.js';
import { until } from './support/until.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const SOURCE = ['--import', 'tsx', join(root, 'src/cli.ts')];
const BUILT = [join(root, 'dist/src/cli.js')];
const SECRET = 'a secret of 32 characters or more';

/** The address that it prints. */
const URL_OF_IT = /http:\/\/[^\s/]+/;

const isRefused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(false);
    }).on('error', () => resolve(true));
  });

describe('the command faye-online', () => {
  let folder: string;
  const runs: Run[] = [];

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'faye-online-cli-')));
  });
  afterEach(async () => {
    await Promise.all(runs.splice(0).map((run) => run.end()));
    await rm(folder, { recursive: true, force: true });
  });

  function run(args: string[], env: NodeJS.ProcessEnv = {}, command = SOURCE): Run {
    const { PATH, HOME } = process.env;
    const options = { cwd: folder, env: { PATH, HOME, ...env } };
    const started = new Run(process.execPath, [...absolute(command), ...args], options);
    runs.push(started);
    return started;
  }

  /** The folder has no node_modules to find tsx in. */
  const absolute = (command: string[]): string[] =>
    command.map((word) => (word === 'tsx' ? import.meta.resolve('tsx') : word));

  const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);

  it('tells its version and its commands', async () => {
    const version = run(['--version']);
    const help = run(['--help']);
    expect(await version.exitCode()).toBe(0);
    expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await help.exitCode()).toBe(0);
    expect(help.out).toMatch(/start.*\n.*config/);
  });

  it('works as it is built', async () => {
    const version = run(['--version'], {}, BUILT);
    expect(await version.exitCode()).toBe(0);
    expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/);
    await write(
      'faye.config.ts',
      "import { defineConfig } from 'faye-online'; export default defineConfig({ gc: 7 });",
    );
    const config = run(['config'], {}, BUILT);
    expect(await config.exitCode()).toBe(0);
    expect(JSON.parse(config.out)).toMatchObject({ gc: 7 });
  });

  describe('start', () => {
    it('serves what the file says, and ends with 0 at SIGTERM', async () => {
      const port = await freePort();
      await write(
        'faye.config.ts',
        `import { defineConfig } from 'faye-online'; export default defineConfig({ port: ${port}, mount: '/bayeux' });`,
      );
      const server = run(['start']);
      expect(await server.printed(URL_OF_IT)).toContain(`:${port}`);
      const message = [
        { channel: '/meta/handshake', version: '1.0', supportedConnectionTypes: ['long-polling'] },
      ];
      const response = await fetch(`http://127.0.0.1:${port}/bayeux`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
      });
      expect(await response.json()).toMatchObject([{ channel: '/meta/handshake', successful: true }]);
      server.kill('SIGTERM');
      expect(await server.exitCode()).toBe(0);
    });

    it('is what it does without a command, and ends with 0 at SIGINT', async () => {
      const server = run(['--port', '0']);
      const { ok } = await fetch(
        `${(await server.printed(URL_OF_IT)).replace('localhost', '127.0.0.1')}/healthz`,
      );
      expect(ok).toBe(true);
      server.kill('SIGINT');
      expect(await server.exitCode()).toBe(0);
    });

    it('ends with 0 at a signal while it starts', async () => {
      await write(
        'faye.config.ts',
        `export default {
           port: 0,
           extensions: (ours) => {
             process.nextTick(() => process.kill(process.pid, 'SIGTERM'));
             return ours;
           },
         };`,
      );
      const server = run(['start']);
      expect(await server.exitCode()).toBe(0);
      expect(server.err).toBe('');
    });

    it('ends at once, with 1, at a second signal', async () => {
      const port = await freePort();
      const server = run(['start', '--port', String(port)]);
      await server.printed(URL_OF_IT);
      // A request that never ends keeps the server from ending in order for a while.
      const request = connect(port, '127.0.0.1').on('error', () => {});
      request.write('POST /faye HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n');
      await once(request, 'connect');
      server.kill('SIGTERM');
      await until(() => isRefused(port), 'the server to accept no more');
      server.kill('SIGINT');
      expect(await server.exitCode()).toBe(1);
      request.destroy();
    });

    it('takes a flag before the environment, and the environment before the file', async () => {
      const [file, variable, flag] = [await freePort(), await freePort(), await freePort()];
      await write('faye.config.ts', `export default { port: ${file} };`);
      const byVariable = run(['start'], { PORT: String(variable) });
      const byFlag = run(['start', '--port', String(flag), '--host', '127.0.0.1'], {
        PORT: String(file),
        HOST: '::',
      });
      expect(await byVariable.printed(URL_OF_IT)).toContain(`:${variable}`);
      expect(await byFlag.printed(URL_OF_IT)).toContain(`:${flag}`);
    });

    it('takes another file', async () => {
      const port = await freePort();
      await write('faye.config.ts', 'export default { port: "never read" };');
      await write('other.mjs', `export default { port: ${port} };`);
      expect(await run(['start', '--config', 'other.mjs']).printed(URL_OF_IT)).toContain(`:${port}`);
    });

    it('says plainly what is wrong with the configuration, and ends with 1', async () => {
      await write('faye.config.ts', 'export default { gc: "five", prot: 1 };');
      const server = run(['start'], { LOG_LEVEL: 'loud' });
      expect(await server.exitCode()).toBe(1);
      expect(server.err).toBe(
        [
          'Option `gc`: expected a number of seconds from 1 to 3600, got "five"',
          'Unknown option `prot`: did you mean `port`?',
          'Environment variable `LOG_LEVEL`: expected one of fatal, error, warn, info, debug, trace, silent, got "loud"\n',
        ].join('\n'),
      );
      expect(server.out).toBe('');
    });

    it.each([
      [
        ['start', '--config', 'none.ts'],
        {},
        /^Configuration file .*none\.ts: expected a file, got none there\n$/,
      ],
      [['start'], { NODE_ENV: 'production' }, /NODE_ENV is production.*set FAYE_ONLINE_SECRET.*\n$/],
      [['start', '--port', 'abc'], {}, /expected a whole number from 0 to 65535, got "abc"\n$/],
      [['start', '--host', ''], {}, /expected a host name or IP address .*got ""\n$/],
      [['start', '--prot', '1'], {}, /unknown option '--prot'/],
      [
        ['strat'],
        {},
        /^error: unknown command 'strat', expected one of start, config, nodes, migrate, status, log, time\n$/,
      ],
    ])('%j with %j ends with 1 and a clear word', async (args, env, word) => {
      const server = run(args, env);
      expect(await server.exitCode()).toBe(1);
      expect(server.err).toMatch(word);
      expect(server.err).not.toMatch(/^ +at /m);
    });

    describe('on a port in use', () => {
      let taken: Server;

      beforeEach(async () => {
        taken = createServer().listen(0, '127.0.0.1');
        await once(taken, 'listening');
      });
      afterEach(async () => {
        taken.close();
        await once(taken, 'close');
      });

      it('says so, and ends with 1', async () => {
        const address = taken.address();
        const port = typeof address === 'object' ? address?.port : undefined;
        const server = run(['start', '--port', String(port)]);
        expect(await server.exitCode()).toBe(1);
        expect(server.err).toMatch(new RegExp(`Port ${port} on 127.0.0.1 is in use\\. Choose another one`));
        expect(server.err).not.toMatch(/^ +at /m);
      });
    });
  });

  describe('config', () => {
    it('shows what is in force, without secrets', async () => {
      await write(
        'faye.config.ts',
        `export default {
           gc: 7,
           channelPattern: /^[a-z/]+$/,
           redis: 'redis://user:hunter2@127.0.0.1:1/2',
           extensions: [{ name: 'mine', incoming: () => {} }],
           validMessage: () => true,
         };`,
      );
      const config = run(['config'], {
        FAYE_ONLINE_SECRET: SECRET,
        FAYE_ONLINE_SERVER_TOKEN: SECRET,
        FAYE_ONLINE_ADMIN_TOKEN: SECRET,
        DATABASE_URL: 'postgres://ann:hunter2@db/online',
        PORT: '1',
      });
      expect(await config.exitCode()).toBe(0);
      expect(JSON.parse(config.out)).toMatchObject({
        gc: 7,
        port: 1,
        timeout: 10,
        channelPattern: '/^[a-z/]+$/',
        redis: { source: 'redis://user:***@127.0.0.1:1/2', engineUrl: 'redis://user:***@127.0.0.1:1/2' },
        extensions: ['[extension mine]'],
        validMessage: '[function validMessage]',
        authentication: { way: 'jwt', jwt: { secret: '***' }, serverToken: '***' },
        adminToken: '***',
        records: { url: 'postgres://ann:***@db/online', hashClientIds: false },
      });
      expect(config.out).not.toContain('hunter2');
      expect(config.err).toBe(`From ${join(folder, 'faye.config.ts')} and the environment:\n`);
    });

    it('shows flags before the environment, and that before the file', async () => {
      await write('faye.config.ts', "export default { port: 1, host: '127.0.0.1', logLevel: 'warn' };");
      const flags = run(['config', '--port', '3', '--host', '127.0.0.3'], { PORT: '2', HOST: '127.0.0.2' });
      const variables = run(['config'], { PORT: '2', HOST: '127.0.0.2' });
      await Promise.all([flags.exitCode(), variables.exitCode()]);
      expect(JSON.parse(flags.out)).toMatchObject({ port: 3, host: '127.0.0.3', logLevel: 'warn' });
      expect(JSON.parse(variables.out)).toMatchObject({ port: 2, host: '127.0.0.2', logLevel: 'warn' });
    });

    it('takes each file of docs/configuration.md as it is', async () => {
      await withModules();
      const page = await readFile(join(root, 'docs/configuration.md'), 'utf8');
      await write('ca.crt', 'never read');
      const files = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text = '']) =>
        text.replace('/etc/redis', folder),
      );
      expect(files.length).toBeGreaterThan(5);
      for (const [index, text] of files.entries()) {
        await write(`${index}.ts`, text);
        const config = run(['config', '--config', `${index}.ts`], {}, BUILT);
        expect(await config.exitCode(), `${text}${config.err}`).toBe(0);
        expect(config.err, text).toBe(`From ${join(folder, `${index}.ts`)} and the environment:\n`);
        expect(JSON.parse(config.out)).toMatchObject({ redis: { source: expect.anything() } });
      }
    });

    it('says what is wrong like start', async () => {
      const config = run(['config'], { PORT: 'x' });
      expect(await config.exitCode()).toBe(1);
      expect(config.err).toBe(
        'Environment variable `PORT`: expected a whole number from 0 to 65535, got "x"\n',
      );
      expect(config.out).toBe('');
    });
  });

  describe('nodes', () => {
    let redis: RedisServer;
    beforeEach(async () => {
      redis = await RedisServer.start();
    });
    afterEach(() => redis.dispose());

    it('lists the nodes that live, and not one that has stopped', async () => {
      const env = { REDIS_URL: redis.url, PORT: '0' };
      const [one, two] = [run(['start'], env), run(['start'], env)];
      await Promise.all([one.printed(URL_OF_IT), two.printed(URL_OF_IT)]);
      const nodes = await until(async () => {
        const listed = run(['nodes', '--json'], env);
        expect(await listed.exitCode()).toBe(0);
        const found = JSON.parse(listed.out) as { pid: number }[];
        return found.length === 2 && found;
      }, 'two nodes');
      expect(nodes.map(({ pid }) => pid).sort()).toEqual([one.pid, two.pid].sort());
      expect(nodes[0]).toMatchObject({ node: expect.any(String), clients: 0, lag: expect.any(Number) });
      one.kill('SIGTERM');
      expect(await one.exitCode()).toBe(0);
      const table = run(['nodes'], env);
      expect(await table.exitCode()).toBe(0);
      expect(table.out).toMatch(/^node +host +pid +since +clients +lag ms +lease ms\n/);
      expect(table.out.trim().split('\n')).toHaveLength(2);
      expect(table.out).toContain(` ${two.pid} `);
    });

    it('says so where there is no Redis', async () => {
      const nodes = run(['nodes']);
      expect(await nodes.exitCode()).toBe(1);
      expect(nodes.err).toContain('Option `redis`: expected a Redis, got none');
    });

    it('says so where Redis does not answer', async () => {
      const nodes = run(['nodes'], { REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
      expect(await nodes.exitCode()).toBe(1);
      expect(nodes.err).toContain('does not answer');
    });
  });

  describe('with an ioredis instance, which is connected by the file itself', () => {
    let redis: RedisServer;
    beforeEach(async () => {
      redis = await RedisServer.start();
      await withIoredis(`redis: new Redis('${redis.url}')`);
    });
    afterEach(() => redis.dispose());

    it('lists nodes, and ends', async () => {
      const nodes = run(['nodes'], { LOG_LEVEL: 'silent' });
      expect(await nodes.exitCode()).toBe(0);
      expect(nodes.out).toBe('No node lives.\n');
    });

    it('shows all of a configuration that is more than a pipe holds, and ends', async () => {
      const origins = Array.from({ length: 20_000 }, (_, index) => `https://page-${index}.example.com`);
      await withIoredis(`redis: new Redis('${redis.url}'), origins: ${JSON.stringify(origins)}`);
      const config = run(['config']);
      expect(await config.exitCode()).toBe(0);
      expect(JSON.parse(config.out)).toMatchObject({ origins: { any: false, allowed: origins } });
    });

    it('asks the database, and ends', async () => {
      const env = { DATABASE_URL: `sqlite:${join(folder, 'online.db')}` };
      const migrated = run(['migrate'], env);
      expect(await migrated.exitCode()).toBe(0);
      expect(migrated.out).toContain('is up to date');
      const status = run(['status'], env);
      expect(await status.exitCode()).toBe(0);
      expect(status.out).toBe('Nobody is online.\n');
    });

    it('ends with 1 where it has nothing to tell', async () => {
      const status = run(['status'], { DATABASE_URL: 'none' });
      expect(await status.exitCode()).toBe(1);
      expect(status.err).toContain('expected a database, got none');
    });

    it('goes on to serve, until it is told to stop', async () => {
      const server = run(['start', '--port', '0']);
      const url = (await server.printed(URL_OF_IT)).replace('localhost', '127.0.0.1');
      await until(async () => (await fetch(`${url}/readyz`)).ok, 'the server to be ready');
      server.kill('SIGTERM');
      expect(await server.exitCode()).toBe(0);
    });
  });

  describe('with a Redis Cluster', () => {
    let cluster: RedisCluster;
    beforeAll(async () => {
      cluster = await RedisCluster.start();
    });
    afterAll(() => cluster.dispose());

    it('lists nodes, and ends', async () => {
      await withIoredis(`redis: new Cluster([{ host: '127.0.0.1', port: ${portOfOne()} }])`);
      const nodes = run(['nodes']);
      expect(await nodes.exitCode()).toBe(0);
      expect(nodes.out).toBe('No node lives.\n');
    });

    it('says in one line that a URL names one of its nodes', async () => {
      const nodes = run(['nodes'], { REDIS_URL: `redis://127.0.0.1:${portOfOne()}` });
      expect(await nodes.exitCode()).toBe(1);
      expect(nodes.err).toBe(
        "Redis: expected ioredis' Cluster for a Redis Cluster, got a connection to one of its nodes\n",
      );
      expect(nodes.out).toBe('');
    });

    const portOfOne = (): number | undefined => cluster.masters[0]?.port;
  });

  /** Such as ioredis, for what a file imports. */
  const withModules = (): Promise<void> =>
    symlink(join(root, 'node_modules'), join(folder, 'node_modules')).catch(() => {});

  /** A file that has an instance made. */
  async function withIoredis(options: string): Promise<void> {
    await withModules();
    await write('faye.config.ts', `import { Cluster, Redis } from 'ioredis'; export default { ${options} };`);
  }
});
