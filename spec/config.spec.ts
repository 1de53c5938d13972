import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { configurationPage } from '../scripts/configuration-table.js';
import {
  type Config,
  ConfigError,
  defineConfig,
  hidePassword,
  optionRows,
  type ResolvedConfig,
  resolveConfig,
  resolvePresence,
} from '../src/config/index.js';

const SECRET = 'a secret of 32 characters or more';
const TOKEN = 'a server token of 16 or more';
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PUBLIC_KEY = publicKey.export({ type: 'spki', format: 'pem' }).toString();
const PRIVATE_KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const KEY_SET = { keys: [publicKey.export({ format: 'jwk' })] };

const ANY_ORIGIN: unknown = expect.stringMatching(/^Pages of any origin may speak to this server/);

/** Resolves what may be wrong on purpose, in an environment of its own. */
const resolve = (config: object, env: NodeJS.ProcessEnv = {}): ResolvedConfig => resolveConfig(config, env);

function problemsOf(config: object, env: NodeJS.ProcessEnv = {}): string[] {
  try {
    resolve(config, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** `{ limits: { uidLength: 1 } }` of `limits.uidLength` and 1. */
const at = (path: string, value: unknown): object =>
  path.split('.').reduceRight<unknown>((within, key) => ({ [key]: within }), value) as object;

const valueAt = (config: object, path: string): unknown =>
  path.split('.').reduce<unknown>((within, key) => (within as Record<string, unknown>)[key], config);

const clients: (Redis | Cluster)[] = [];

function client(options: RedisOptions): Redis {
  const redis = new Redis({ lazyConnect: true, ...options });
  clients.push(redis);
  return redis;
}

function cluster(): Cluster {
  const redis = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true });
  clients.push(redis);
  return redis;
}

afterEach(() => {
  for (const redis of clients.splice(0)) redis.disconnect();
});

describe('numbers', () => {
  const numbers: [path: string, fallback: number, min: number, max: number, unit: string][] = [
    ['port', 9292, 0, 65535, 'a whole number'],
    ['timeout', 10, 1, 300, 'a number of seconds'],
    ['ping', 30, 1, 300, 'a number of seconds'],
    ['keepAliveTimeout', 5, 1, 3600, 'a number of seconds'],
    ['gc', 5, 1, 3600, 'a number of seconds'],
    ['grace', 8, 0.5, 300, 'a number of seconds'],
    ['leaveDelay', 3, 0, 60, 'a number of seconds'],
    ['windows.base', 50, 0, 10000, 'a number of milliseconds'],
    ['windows.perUser', 0.2, 0, 100, 'a number of milliseconds'],
    ['windows.max', 1500, 0, 60000, 'a number of milliseconds'],
    ['limits.channelLength', 255, 17, 255, 'a whole number of characters'],
    ['limits.uidLength', 128, 1, 128, 'a whole number of characters'],
    ['limits.unameLength', 255, 1, 255, 'a whole number of characters'],
    ['limits.identityBytes', 4096, 64, 65536, 'a whole number of bytes'],
    ['limits.userListLimit', 1000, 1, 10000, 'a whole number of users'],
    ['limits.messageBytes', 65536, 1024, 16777216, 'a whole number of bytes'],
    ['limits.batchLength', 100, 1, 1000, 'a whole number of messages'],
    ['limits.subscriptions', 100, 1, 10000, 'a whole number of subscriptions'],
    ['limits.waitingMessages', 1000, 1, 100000, 'a whole number of messages'],
    ['limits.waitingBytes', 1048576, 1024, 104857600, 'a whole number of bytes'],
    ['limits.unsentBytes', 1048576, 65536, 104857600, 'a whole number of bytes'],
    ['limits.clientsPerAddress', 5000, 1, 1000000, 'a whole number of clients'],
    ['rates.messagesPerClient', 100, 1, 1000000, 'a number a second'],
    ['rates.messagesPerAddress', 5000, 1, 1000000, 'a number a second'],
    ['rates.handshakesPerAddress', 200, 1, 1000000, 'a number a second'],
    ['trustProxy', 0, 0, 10, 'a whole number of proxies'],
    ['expiryGrace', 60, 0, 3600, 'a number of seconds'],
    ['records.journalBound', 1000000, 100, 100000000, 'a whole number of entries'],
  ];

  it.each(numbers)('%s is %d by default and takes %d to %d', (path, fallback, min, max) => {
    const resolved = path.replace('records.journalBound', 'journalBound');
    expect(valueAt(resolve({}), resolved)).toBe(fallback);
    expect(valueAt(resolve(at(path, min)), resolved)).toBe(min);
    expect(valueAt(resolve(at(path, max)), resolved)).toBe(max);
  });

  it.each(numbers)(
    '%s refuses what is not a number or out of its limits',
    (path, _fallback, min, max, unit) => {
      const refusals: [unknown, string][] = [
        ['five', '"five"'],
        [min - 1, String(min - 1)],
        [max + 1, String(max + 1)],
        [Number.NaN, 'NaN'],
        [null, 'null'],
        [[1], 'a list of 1'],
      ];
      for (const [value, got] of refusals) {
        expect(problemsOf(at(path, value))).toEqual([
          `Option \`${path}\`: expected ${unit} from ${min} to ${max}, got ${got}`,
        ]);
      }
    },
  );

  it.each(numbers.filter(([, , , , unit]) => unit.startsWith('a whole')))('%s refuses a fraction', (path) => {
    expect(problemsOf(at(path, 100.5))).toEqual([expect.stringMatching(/a whole number .*got 100\.5$/)]);
  });

  it('keeps the other defaults of an object of which one is given', () => {
    expect(resolve({ windows: { base: 0 } }).windows).toEqual({ base: 0, perUser: 0.2, max: 1500 });
  });
});

describe('texts, lists and the like', () => {
  const options: [path: string, fallback: unknown, good: unknown[], bad: unknown[]][] = [
    ['host', '127.0.0.1', ['::', 'localhost', '0.0.0.0'], ['', 'a b', 1, 'x'.repeat(256)]],
    [
      'mount',
      '/faye',
      ['/a/b.c', `/${'x'.repeat(254)}`],
      [
        'faye',
        '/',
        '/faye/',
        '/a//b',
        '/*',
        '/a/**',
        '/a?b',
        '/..',
        `/${'x'.repeat(255)}`,
        '/faye-online',
        1,
      ],
    ],
    ['namespace', 'faye', ['a', 'A-z_9', 'x'.repeat(64)], ['', 'a:b', 'a/b', '{a}', 'x'.repeat(65), 1]],
    ['channelPattern', undefined, [/^[0-9a-z/]+$/i], ['^a$', /a/g, /a/y]],
    ['relay', [], [['sender'], []], ['sender', [''], [1]]],
    ['demo', true, [true, false], ['yes', 1, null]],
    ['jsonp', false, [true, false], ['yes', 1, null]],
    ['compression', false, [true, false], ['yes', 1, null]],
    ['logLevel', 'info', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], ['verbose', 1]],
    ['validMessage', undefined, [() => true], [true, {}]],
    ['authentication.mayEnter', undefined, [() => true], [true]],
    ['authentication.maySubscribe', undefined, [() => true], [true]],
    ['authentication.mayPublish', undefined, [() => true], [true]],
    ['authentication.serverToken', undefined, [TOKEN], ['x'.repeat(15), 1]],
    ['adminToken', undefined, [TOKEN], ['x'.repeat(15), 1]],
  ];

  it.each(options)('%s', (path, fallback, good, bad) => {
    expect(valueAt(resolve({}), path)).toEqual(fallback);
    for (const value of good) expect(valueAt(resolve(at(path, value)), path)).toEqual(value);
    for (const value of bad) {
      expect(problemsOf(at(path, value)), `${path}: ${String(value)}`).toEqual([
        expect.stringMatching(new RegExp(`^Option \`${path}(\\[0\\])?\`: expected .*, got .`)),
      ]);
    }
  });

  it.each(['channel', 'clientId', 'id', 'data', 'auth', 'advice', 'error', 'successful'])(
    'does not relay the field %s',
    (field) => {
      expect(problemsOf({ relay: ['sender', field] })).toEqual([
        expect.stringMatching(new RegExp(`^Option \`relay\\[1\\]\`: .*got "${field}"$`)),
      ]);
    },
  );

  it('takes extensions as they are, in order, or a function that orders them', () => {
    const list = [{ incoming: () => {} }, { outgoing: () => {}, added: () => {} }];
    const { extensions } = resolve({ extensions: list });
    expect(extensions).toEqual(list);
    expect((extensions as unknown[])[0]).toBe(list[0]);
    const order = () => [];
    expect(resolve({ extensions: order }).extensions).toBe(order);
    expect(problemsOf({ extensions: [list[0], {}, { incoming: 1 }, 'a'] })).toEqual([
      'Option `extensions[1]`: expected an object with an incoming or outgoing function, got an object',
      'Option `extensions[2]`: expected an object with an incoming or outgoing function, got an object with incoming',
      'Option `extensions[3]`: expected an object with an incoming or outgoing function, got "a"',
    ]);
    expect(problemsOf({ extensions: list[0] })).toEqual([
      expect.stringMatching(
        /^Option `extensions`: expected a list of objects .* got an object with incoming$/,
      ),
    ]);
  });

  it.each(['windows', 'limits', 'rates', 'authentication', 'authentication.jwt'])(
    '%s is an object',
    (path) => {
      expect(problemsOf(at(path, true))).toEqual([
        expect.stringMatching(new RegExp(`^Option \`${path}\`: expected an object, got `)),
      ]);
    },
  );

  it('takes undefined for not given', () => {
    expect(
      resolve({ port: undefined, redis: undefined, windows: undefined, authentication: { jwt: undefined } }),
    ).toEqual(resolve({}));
  });
});

describe('problems', () => {
  it.each([
    ['prot', 'did you mean `port`?'],
    ['Port', 'did you mean `port`?'],
    ['timeuot', 'did you mean `timeout`?'],
    ['limit', 'did you mean `limits`?'],
    ['origin', 'did you mean `origins`?'],
    ['messageBytes', 'did you mean `limits.messageBytes`?'],
    ['handshakesPerAddress', 'did you mean `rates.handshakesPerAddress`?'],
    ['secret', 'did you mean `authentication.jwt.secret`?'],
    ['uidLength', 'did you mean `limits.uidLength`?'],
  ])('an unknown %s', (key, hint) => {
    expect(problemsOf({ [key]: 1 })).toEqual([`Unknown option \`${key}\`: ${hint}`]);
  });

  it('an unknown one that is like none names those that there are', () => {
    expect(problemsOf({ windows: { colour: 'red' } })).toEqual([
      'Unknown option `windows.colour`: expected one of base, perUser, max',
    ]);
    expect(problemsOf({ authentication: { jwt: { secrte: SECRET } } })).toEqual([
      'Unknown option `authentication.jwt.secrte`: did you mean `authentication.jwt.secret`?',
    ]);
    expect(problemsOf({ redis: { ulr: 'redis://127.0.0.1' } })).toEqual([
      'Unknown option `redis.ulr`: did you mean `redis.url`?',
    ]);
  });

  it('all in one error, those of the file, of the environment and of what does not go together', () => {
    const problems = problemsOf(
      { gc: 'five', prot: 1, engine: 'faye-redis', authentication: { verify: () => null, trust: true } },
      { PORT: 'x' },
    );
    expect(problems).toEqual([
      'Option `gc`: expected a number of seconds from 1 to 3600, got "five"',
      'Unknown option `prot`: did you mean `port`?',
      'Environment variable `PORT`: expected a whole number from 0 to 65535, got "x"',
      expect.stringContaining('faye-redis needs a Redis URL'),
      'Option `authentication`: expected exactly one of jwt, verify and trust, got verify and trust',
    ]);
  });

  it('are the message of a ConfigError, a line each', () => {
    const config = { gc: 0, ping: 0 };
    expect(() => resolve(config)).toThrow(
      expect.objectContaining({
        name: 'ConfigError',
        code: 'CONFIG',
        message: problemsOf(config).join('\n'),
      }),
    );
  });

  it.each([[null], [[]], ['port'], [undefined]])('%s is no configuration', (config) => {
    expect(() => resolveConfig(config as unknown as Config, {})).toThrow(
      /^The configuration: expected an object, got /,
    );
  });

  it.each(['/', '?', '#', '%x', '/3?', '/3#'])(
    'show no part of a password with a %s that is not percent-encoded, as a URL of it is refused',
    (mark) => {
      for (const user of ['', 'ann']) {
        const login = `${user}:1234${mark}5678`;
        const redis = `redis://${login}@cache/0`;
        const urls: [object, NodeJS.ProcessEnv?][] = [
          [{ redis }],
          [{ redis: { url: redis } }],
          [{ redis: { client: client({}), engineUrl: redis } }],
          [{}, { REDIS_URL: redis }],
        ];
        // What reads these takes a `%`.
        if (mark !== '%x') {
          const records = { url: `mysql://${login}@db/online` };
          urls.push([{ records }], [{}, { DATABASE_URL: `postgres://${login}@db/online` }]);
        }
        for (const [config, env] of urls) {
          const problems = problemsOf(config, env);
          expect(problems).toHaveLength(1);
          expect(problems[0]).not.toMatch(/1234|5678/);
          expect(problems[0]).toContain('percent-encoded');
        }
        expect(hidePassword(`not at ${redis}`)).toBe(`not at redis://${user}:***@cache/0`);
      }
    },
  );

  it('show no secret', () => {
    const secret = 'hunter2';
    const configs: [object, NodeJS.ProcessEnv?][] = [
      [{ redis: `http://user:${secret}@host` }],
      [{ redis: `user:${secret}@host` }],
      [{ redis: { url: `http://:${secret}@host` } }],
      [{ redis: { client: secret } }],
      [{ redis: { client: client({}), engineUrl: secret } }],
      [{ host: `redis://user:${secret}@host /` }],
      [{ namespace: `redis://host?password=${secret}` }],
      [{ origins: `https://user:${secret}@host` }],
      [{ origins: [`https://user:${secret}@host`] }],
      [{ authentication: secret }],
      [{ authentication: { serverToken: secret } }],
      [{ authentication: { jwt: secret } }],
      [{ authentication: { jwt: { secret } } }],
      [{ authentication: { jwt: { publicKey: secret } } }],
      [{ authentication: { jwt: { jwks: `ftp://user:${secret}@host` } } }],
      [{ authentication: { jwt: { secret: `${secret}${SECRET}`, jwks: KEY_SET } } }],
      [{}, { REDIS_URL: `http://:${secret}@host` }],
      [{}, { FAYE_ONLINE_SECRET: secret }],
      [{}, { FAYE_ONLINE_SERVER_TOKEN: secret }],
    ];
    for (const [config, env] of configs) {
      const problems = problemsOf(config, env);
      expect(problems).toHaveLength(1);
      expect(problems[0]).not.toContain(secret);
    }
    const jwt = { publicKey: PRIVATE_KEY };
    expect(problemsOf({ authentication: { jwt } })).toEqual([
      `Option \`authentication.jwt.publicKey\`: expected a PEM text that begins with -----BEGIN PUBLIC KEY-----, got a text of ${PRIVATE_KEY.length} characters`,
    ]);
    expect(problemsOf({ redis: `http://user:${secret}@host` })).toEqual([
      expect.stringMatching(/got a text of 24 characters that begins with http:\/\/$/),
    ]);
  });
});

describe('the environment', () => {
  it('wins over the file', () => {
    const file: Config = {
      port: 1,
      host: 'localhost',
      redis: 'redis://127.0.0.1:1',
      logLevel: 'silent',
      authentication: { jwt: { secret: 'x'.repeat(32) }, serverToken: 'x'.repeat(16) },
    };
    const resolved = resolve(file, {
      PORT: '2',
      HOST: '::1',
      REDIS_URL: 'rediss://127.0.0.1:2',
      DATABASE_URL: 'none',
      LOG_LEVEL: 'debug',
      FAYE_ONLINE_SECRET: SECRET,
      FAYE_ONLINE_SERVER_TOKEN: TOKEN,
    });
    expect(resolved).toMatchObject({
      port: 2,
      host: '::1',
      redis: { source: 'rediss://127.0.0.1:2', engineUrl: 'rediss://127.0.0.1:2', partitions: 16 },
      logLevel: 'debug',
      authentication: { way: 'jwt', jwt: { secret: SECRET }, serverToken: TOKEN },
    });
    expect(resolved.warnings).toEqual(['REDIS_URL is used instead of the option `redis`.', ANY_ORIGIN]);
  });

  it('is process.env unless another is given', () => {
    process.env.PORT = '4711';
    try {
      expect(resolveConfig({}).port).toBe(4711);
    } finally {
      delete process.env.PORT;
    }
  });

  it('warns of a variable that looks like ours, without its value', () => {
    const { warnings } = resolve({}, { FAYE_ONLINE_SECRTE: 'hidden', FAYE_ONLINE_COLOUR: 'red', OTHER: '1' });
    expect(warnings).toEqual(
      expect.arrayContaining([
        'Unknown environment variable `FAYE_ONLINE_SECRTE`: did you mean `FAYE_ONLINE_SECRET`?',
        'Unknown environment variable `FAYE_ONLINE_COLOUR`: it does nothing.',
      ]),
    );
    expect(warnings.join()).not.toMatch(/hidden|OTHER/);
    expect(problemsOf({}, { NODE_ENV: 'production', FAYE_ONLINE_SECRTE: 'hidden' })).toEqual([
      expect.stringContaining('set FAYE_ONLINE_SECRET'),
      'Unknown environment variable `FAYE_ONLINE_SECRTE`: did you mean `FAYE_ONLINE_SECRET`?',
    ]);
  });

  it('counts what is empty as not set', () => {
    const empty = { PORT: '', HOST: '', REDIS_URL: '', NODE_ENV: '', LOG_LEVEL: '', FAYE_ONLINE_SECRET: '' };
    expect(resolve({}, empty)).toEqual(resolve({}));
  });

  it.each([
    ['PORT', 'abc', 'a whole number from 0 to 65535, got "abc"'],
    ['PORT', '65536', 'a whole number from 0 to 65535, got "65536"'],
    ['PORT', '-1', 'a whole number from 0 to 65535, got "-1"'],
    ['HOST', 'a b', 'a host name or IP address of 1 to 255 characters, got "a b"'],
    ['REDIS_URL', 'localhost', 'a redis:// or rediss:// URL, got a text of 9 characters'],
    ['LOG_LEVEL', 'loud', 'one of fatal, error, warn, info, debug, trace, silent, got "loud"'],
    ['FAYE_ONLINE_SECRET', 'short', 'a text of at least 32 characters, got a text of 5 characters'],
    ['FAYE_ONLINE_ADMIN_TOKEN', 'short', 'a text of at least 16 characters, got a text of 5 characters'],
    ['FAYE_ONLINE_SERVER_TOKEN', 'short', 'a text of at least 16 characters, got a text of 5 characters'],
    ['NODE_ENV', 'prodution', 'production, or a name that is not like it, got "prodution"'],
    ['NODE_ENV', 'prod', 'production, or a name that is not like it, got "prod"'],
    ['NODE_ENV', 'Production', 'production, or a name that is not like it, got "Production"'],
  ])('refuses %s=%s', (name, value, expected) => {
    expect(problemsOf({}, { [name]: value })).toEqual([
      `Environment variable \`${name}\`: expected ${expected}`,
    ]);
  });

  it.each(['development', 'test', 'staging'])('takes NODE_ENV=%s for no production', (name) => {
    expect(resolve({}, { NODE_ENV: name }).production).toBe(false);
  });
});

describe('Redis and the engine', () => {
  const plain = (options: RedisOptions): unknown => resolve({ redis: client(options) }).redis?.engineUrl;

  it('is in memory where none is configured', () => {
    expect(resolve({})).toMatchObject({ engine: 'faye-online', redis: null });
    expect(resolve({ engine: 'faye-memory' })).toMatchObject({ engine: 'faye-memory', redis: null });
  });

  it.each([['redis://user:pass@127.0.0.1:6380/2'], ['rediss://127.0.0.1']])(
    'is ours with %s, and faye-redis where that is selected',
    (url) => {
      for (const redis of [url, { url }]) {
        expect(resolve({ redis })).toMatchObject({
          engine: 'faye-online',
          redis: { source: url, engineUrl: url, partitions: 16 },
        });
      }
      expect(resolve({ redis: url, engine: 'faye-redis' })).toMatchObject({
        engine: 'faye-redis',
        redis: { source: url, engineUrl: url, partitions: 16 },
      });
      expect(resolve({}, { REDIS_URL: url })).toMatchObject({
        engine: 'faye-online',
        redis: { source: url },
      });
    },
  );

  it.each([
    [42],
    [''],
    ['localhost:6379'],
    ['http://localhost'],
    ['redis://'],
    [{}],
    [{ url: 'redis://127.0.0.1', client: () => client({}) }],
    [{ url: 'redis://127.0.0.1', engineUrl: 'redis://127.0.0.1' }],
    [{ engineUrl: 'redis://127.0.0.1' }],
    [{ url: 'redis://127.0.0.1', partitions: 4 }],
    [{ partitions: 4 }],
  ])('refuses %j', (redis) => {
    expect(problemsOf({ redis })).toEqual([
      expect.stringMatching(/^Option `redis`: expected a redis:\/\/ or rediss:\/\/ URL, .*, got /),
    ]);
  });

  it.each([
    ['redis://host/abc'],
    ['redis://host/-1'],
    ['redis://host/1.5'],
    ['redis://host/1abc'],
    ['redis://host/1/2'],
    ['redis://host/0x1'],
    ['redis://host?db=first'],
    ['redis://host/99999999999'],
  ])('refuses %s, whose path is no number of a database', (redis) => {
    expect(problemsOf({ redis })).toEqual([
      expect.stringMatching(
        /that begins with redis:\/\/: its path is the number of a database or empty, and /,
      ),
    ]);
    expect(problemsOf({}, { REDIS_URL: redis })).toHaveLength(1);
  });

  it.each([
    ['redis://host'],
    ['redis://host/'],
    ['redis://host/0'],
    ['redis://host:1/15'],
    ['redis://host?db=3'],
  ])('takes %s', (redis) => expect(resolve({ redis }).redis?.source).toBe(redis));

  it('refuses an ioredis instance whose database is no number', () => {
    for (const db of ['first', -1] as unknown as number[])
      expect(problemsOf({ redis: client({ db }) })).toEqual([
        'Option `redis`: expected an ioredis instance whose `db` is a whole number from 0, got another',
      ]);
  });

  it('refuses faye-redis without Redis, and memory with it', () => {
    expect(problemsOf({ engine: 'faye-redis' })).toEqual([
      'Option `engine`: expected faye-online or faye-memory, as no Redis is configured, got "faye-redis": faye-redis needs a Redis URL (option `redis`, or REDIS_URL)',
    ]);
    const expected =
      'Option `engine`: expected faye-online or faye-redis, as Redis is configured, got "faye-memory": presence in Redis needs an engine that all nodes share';
    expect(problemsOf({ engine: 'faye-memory', redis: 'redis://127.0.0.1' })).toEqual([expected]);
    expect(problemsOf({ engine: 'faye-memory' }, { REDIS_URL: 'redis://127.0.0.1' })).toEqual([expected]);
    expect(problemsOf({ engine: 'redis' })).toEqual([
      'Option `engine`: expected one of faye-online, faye-memory, faye-redis, got "redis"',
    ]);
  });

  it('takes a Cluster, with a number of partitions', () => {
    const redis = cluster();
    expect(resolve({ redis })).toMatchObject({
      engine: 'faye-online',
      redis: { engineUrl: null, partitions: 16 },
    });
    expect(resolve({ redis }).redis?.source).toBe(redis);
    const factory = () => redis;
    for (const client of [redis, factory]) {
      for (const partitions of [1, 64, 256]) {
        const resolved = resolve({ redis: { client, partitions } }).redis;
        expect(resolved?.source).toBe(client);
        expect(resolved?.partitions).toBe(partitions);
      }
    }
    for (const partitions of [0, 257, 1.5, '4']) {
      expect(problemsOf({ redis: { client: redis, partitions } })).toEqual([
        `Option \`redis.partitions\`: expected a whole number of partitions from 1 to 256, got ${JSON.stringify(partitions)}`,
      ]);
    }
  });

  it('refuses a Cluster for faye-redis', () => {
    const problem = 'Option `redis`: expected one Redis, as faye-redis can use no Cluster, got a Cluster';
    for (const redis of [cluster(), { client: cluster(), engineUrl: 'redis://127.0.0.1:1' }]) {
      expect(problemsOf({ redis, engine: 'faye-redis' })).toEqual([problem]);
    }
  });

  it("reads the engine's URL from a plain ioredis instance", () => {
    const redis = client({ host: '10.0.0.1', port: 6380, db: 3, username: 'a:b', password: 'p@ss/word' });
    expect(resolve({ redis, engine: 'faye-redis' })).toMatchObject({
      redis: { engineUrl: 'redis://a%3Ab:p%40ss%2Fword@10.0.0.1:6380/3' },
    });
    expect(resolve({ redis }).redis?.source).toBe(redis);
    expect(resolve({ redis: { client: redis } }).redis?.source).toBe(redis);
    expect(plain({})).toBe('redis://localhost:6379/0');
    expect(plain({ password: 'only' })).toBe('redis://:only@localhost:6379/0');
    expect(plain({ host: '::1', tls: {} })).toBe('rediss://[::1]:6379/0');
  });

  it('asks for the URL where an instance can not tell it, for faye-redis alone', () => {
    const factory = () => client({});
    const unable: [unknown, string][] = [
      [
        client({ sentinels: [{ host: '127.0.0.1', port: 1 }], name: 'main' }),
        'an ioredis instance with Sentinels',
      ],
      [client({ path: '/tmp/redis.sock' }), 'an ioredis instance on a socket file'],
      [client({ tls: { ca: 'x' } }), 'an ioredis instance with TLS settings of its own'],
      [factory, 'a function'],
    ];
    for (const [redis, got] of unable) {
      const problem = `Option \`redis\`: expected { client, engineUrl }, as faye-redis takes only a redis:// or rediss:// URL, got ${got} without an engineUrl`;
      const engine = 'faye-redis';
      expect(problemsOf({ redis, engine })).toEqual([problem]);
      expect(problemsOf({ redis: { client: redis }, engine })).toEqual([problem]);
      expect(resolve({ redis }).redis).toEqual({ source: redis, engineUrl: null, partitions: 16 });
      const given = resolve({ redis: { client: redis, engineUrl: 'redis://127.0.0.1:1' }, engine }).redis;
      expect(given?.source).toBe(redis);
      expect(given?.engineUrl).toBe('redis://127.0.0.1:1');
    }
  });
});

describe('authentication', () => {
  const wayOf = (config: object, env?: NodeJS.ProcessEnv) => resolve(config, env).authentication.way;
  const jwtOf = (jwt: object, env?: NodeJS.ProcessEnv) => {
    const { authentication } = resolve({ authentication: { jwt } }, env);
    return authentication.way === 'jwt' ? authentication.jwt : undefined;
  };

  it('believes the browser outside production, on this machine, and warns', () => {
    const resolved = resolve({});
    expect(resolved).toMatchObject({
      authentication: { way: 'trust' },
      host: '127.0.0.1',
      demo: true,
      production: false,
      warnings: [expect.stringMatching(/^The browser is believed/), ANY_ORIGIN],
    });
  });

  it('refuses to start in production where no way is configured, and says what to do', () => {
    expect(problemsOf({}, { NODE_ENV: 'production' })).toEqual([
      'Option `authentication`: expected a way to prove who somebody is, as NODE_ENV is production, got none: set FAYE_ONLINE_SECRET (at least 32 characters), or authentication.jwt or authentication.verify in faye.config.ts; authentication.trust: true believes whatever a browser says, if that is really meant',
    ]);
    expect(problemsOf({ authentication: { trust: false } }, { NODE_ENV: 'production' })).toHaveLength(1);
    expect(problemsOf({ authentication: { trust: false } })).toEqual([
      expect.stringMatching(/expected a way to prove who somebody is, got none: set FAYE_ONLINE_SECRET/),
    ]);
  });

  it('believes the browser in production where that is really meant, without the page', () => {
    expect(resolve({ authentication: { trust: true } }, { NODE_ENV: 'production' })).toMatchObject({
      authentication: { way: 'trust' },
      host: '127.0.0.1',
      demo: false,
      production: true,
      warnings: [expect.stringMatching(/^The browser is believed/)],
    });
  });

  it('listens everywhere, without the page and a warning, where identity is proven', () => {
    const proven = { host: '0.0.0.0', demo: false, warnings: [] };
    expect(resolve({}, { FAYE_ONLINE_SECRET: SECRET, NODE_ENV: 'production' })).toMatchObject(proven);
    expect(resolve({ authentication: { verify: () => null }, origins: [] })).toMatchObject(proven);
    expect(resolve({ demo: true }, { FAYE_ONLINE_SECRET: SECRET }).demo).toBe(true);
  });

  it('takes exactly one way', () => {
    const jwt = { secret: SECRET };
    const verify = () => null;
    const both = (got: string) => [
      `Option \`authentication\`: expected exactly one of jwt, verify and trust, got ${got}`,
    ];
    expect(problemsOf({ authentication: { jwt, verify } })).toEqual(both('jwt and verify'));
    expect(problemsOf({ authentication: { jwt, trust: true } })).toEqual(both('jwt and trust'));
    expect(problemsOf({ authentication: { verify, trust: true } })).toEqual(both('verify and trust'));
    expect(wayOf({ authentication: { jwt, trust: false } })).toBe('jwt');
    expect(problemsOf({ authentication: { trust: 'yes' } })).toEqual([
      'Option `authentication.trust`: expected true or false, got "yes"',
    ]);
  });

  describe('FAYE_ONLINE_SECRET', () => {
    const env = { FAYE_ONLINE_SECRET: SECRET };

    it('is a way of its own', () => {
      expect(resolve({}, env).authentication).toMatchObject({
        way: 'jwt',
        jwt: { secret: SECRET, algorithms: ['HS256'], clockTolerance: 5 },
      });
    });

    it('fills in the secret, and takes its place', () => {
      expect(jwtOf({ issuer: 'me' }, env)).toMatchObject({ secret: SECRET, issuer: 'me' });
      expect(jwtOf({ secret: 'x'.repeat(32) }, env)).toMatchObject({ secret: SECRET });
    });

    it('wins over trust, with a warning', () => {
      const resolved = resolve({ authentication: { trust: true } }, env);
      expect(resolved.authentication.way).toBe('jwt');
      expect(resolved.warnings).toEqual([
        expect.stringContaining('wins over authentication.trust'),
        ANY_ORIGIN,
      ]);
    });

    it('is not used with verify, publicKey or jwks, with a warning', () => {
      const configs = [
        { verify: () => null },
        { jwt: { publicKey: PUBLIC_KEY } },
        { jwt: { jwks: KEY_SET } },
      ];
      for (const authentication of configs) {
        const resolved = resolve({ authentication, origins: [] }, env);
        expect(resolved.warnings).toEqual([expect.stringMatching(/^FAYE_ONLINE_SECRET is not used/)]);
        expect(JSON.stringify(resolved)).not.toContain(SECRET);
      }
    });
  });

  describe('jwt', () => {
    it('has an algorithm that goes with its key', () => {
      expect(jwtOf({ secret: SECRET })?.algorithms).toEqual(['HS256']);
      const keyPair = ['RS256', 'PS256', 'ES256', 'EdDSA'];
      expect(jwtOf({ publicKey: PUBLIC_KEY })?.algorithms).toEqual(keyPair);
      expect(jwtOf({ jwks: 'https://login.example.com/keys' })?.algorithms).toEqual(keyPair);
      expect(jwtOf({ jwks: KEY_SET, algorithms: ['ES256'] })).toMatchObject({
        jwks: KEY_SET,
        algorithms: ['ES256'],
      });
    });

    it('never mixes a secret with the algorithms of a key, nor the reverse', () => {
      const wrong = (jwt: object) => problemsOf({ authentication: { jwt } });
      expect(wrong({ publicKey: PUBLIC_KEY, algorithms: ['ES256', 'HS256'] })).toEqual([
        expect.stringMatching(/^Option `authentication.jwt.algorithms`: .* with a publicKey, got HS256$/),
      ]);
      expect(wrong({ jwks: KEY_SET, algorithms: ['HS256'] })).toHaveLength(1);
      expect(wrong({ secret: SECRET, algorithms: ['RS256'] })).toHaveLength(1);
      expect(wrong({ secret: SECRET, algorithms: ['none'] })).toEqual([
        expect.stringMatching(
          /^Option `authentication.jwt.algorithms\[0\]`: expected one of HS256, .*, got "none"$/,
        ),
      ]);
      expect(wrong({ secret: SECRET, algorithms: [] })).toEqual([expect.stringMatching(/got a list of 0$/)]);
    });

    it('takes exactly one key', () => {
      const expected =
        'Option `authentication.jwt`: expected exactly one of secret, publicKey and jwks, got ';
      expect(problemsOf({ authentication: { jwt: {} } })).toEqual([`${expected}none`]);
      expect(problemsOf({ authentication: { jwt: { secret: SECRET, publicKey: PUBLIC_KEY } } })).toEqual([
        `${expected}secret and publicKey`,
      ]);
      expect(problemsOf({ authentication: { jwt: { jwks: KEY_SET, publicKey: PUBLIC_KEY } } })).toEqual([
        `${expected}publicKey and jwks`,
      ]);
    });

    it.each([
      ['secret', ['x'.repeat(31), 1]],
      ['publicKey', ['x', PRIVATE_KEY, '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----']],
      ['jwks', ['keys.json', 'ftp://example.com', {}, { keys: [] }, { keys: [1] }]],
      ['issuer', ['', 1]],
      ['audience', ['', [], [1], 1]],
      ['clockTolerance', [-1, 3601, '5']],
      ['algorithms', ['HS256']],
    ])('%s', (name, bad) => {
      for (const value of bad) {
        const jwt = { ...(name !== 'jwks' && name !== 'publicKey' && { secret: SECRET }), [name]: value };
        expect(problemsOf({ authentication: { jwt } })).toEqual([
          expect.stringMatching(
            new RegExp(`^Option \`authentication.jwt.${name}(\\[0\\])?\`: expected .*, got `),
          ),
        ]);
      }
    });

    it('takes an issuer, one or more audiences and a tolerance', () => {
      const checks = { issuer: 'me', audience: ['a', 'b'], clockTolerance: 0 };
      expect(jwtOf({ secret: SECRET, ...checks })).toMatchObject(checks);
      expect(jwtOf({ secret: SECRET, audience: 'a' })).toMatchObject({ audience: 'a', clockTolerance: 5 });
    });
  });
});

describe('origins', () => {
  const PRODUCTION = { NODE_ENV: 'production', FAYE_ONLINE_SECRET: SECRET };
  const OWN = { any: false, allowed: [] };

  it("are only the server's own in production where none are given", () => {
    expect(resolve({}, PRODUCTION)).toMatchObject({ origins: OWN, warnings: [] });
    expect(resolve({ origins: undefined }, PRODUCTION).origins).toEqual(OWN);
  });

  it('are any outside production where none are given, with a warning, whoever proves who somebody is', () => {
    for (const env of [{}, { FAYE_ONLINE_SECRET: SECRET }, { NODE_ENV: 'test' }]) {
      const { origins, warnings } = resolve({}, env);
      expect(origins).toEqual({ any: true, allowed: [] });
      expect(warnings).toContainEqual(ANY_ORIGIN);
    }
  });

  it.each([{}, PRODUCTION])('are what is given, without a warning, in %j', (env) => {
    const of = (origins: unknown) => {
      const resolved = resolve({ origins }, env);
      expect(resolved.warnings).not.toContainEqual(ANY_ORIGIN);
      return resolved.origins;
    };
    expect(of('*')).toEqual({ any: true, allowed: [] });
    expect(of([])).toEqual(OWN);
    expect(of(['https://example.com', 'http://[::1]:8080'])).toEqual({
      any: false,
      allowed: ['https://example.com', 'http://[::1]:8080'],
    });
  });

  it('are written as browsers write them, each once', () => {
    const given = ['HTTPS://Example.COM:443', 'https://example.com', 'http://bücher.example:80'];
    expect(resolve({ origins: given }).origins.allowed).toEqual([
      'https://example.com',
      'http://xn--bcher-kva.example',
    ]);
  });

  it('may have a wildcard in front of the host, or the scheme of an app or an extension', () => {
    const given = [
      'HTTPS://*.Example.COM:443',
      'http://*.localhost:3000',
      'https://*.bücher.example',
      'Capacitor://localhost',
      'ionic://localhost',
      'chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh',
      'moz-extension://*',
    ];
    expect(resolve({ origins: given }).origins.allowed).toEqual([
      'https://*.example.com',
      'http://*.localhost:3000',
      'https://*.xn--bcher-kva.example',
      'capacitor://localhost',
      'ionic://localhost',
      'chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh',
      'moz-extension://*',
    ]);
  });

  it.each([
    ['example.com'],
    ['*'],
    ['null'],
    ['https://'],
    ['https://example.com/'],
    ['https://example.com/chat'],
    ['https://example.com?a'],
    ['https://example.com#a'],
    ['https://*'],
    ['https://*.com'],
    ['https://*example.com'],
    ['https://a.*.example.com'],
    ['https://example.*'],
    ['https://*.*.example.com'],
    ['https://*.example.com/'],
    ['https://*.example.com:*'],
    ['https://*.0.0.1'],
    ['https://*.me@example.com'],
    ['https://me@example.com'],
    ['https://example.com:99999'],
    ['https:example.com'],
    ['https:\\\\example.com'],
    ['https://example.com, https://example.org'],
    ['ws://example.com'],
    ['file:///index.html'],
    ['file://'],
    ['capacitor://'],
    ['capacitor:localhost'],
    ['capacitor://localhost/'],
    ['capacitor://*.localhost'],
    ['capacitor://localhost,ionic://localhost'],
    [''],
    [1],
    [null],
  ])('refuse %j in the list', (origin) => {
    expect(problemsOf({ origins: ['https://example.com', origin] })).toEqual([
      `Option \`origins[1]\`: expected scheme://host[:port] without a path, or https://*.host for subdomains, got ${JSON.stringify(origin)}`,
    ]);
  });

  it.each(['https://example.com', '', true, null, {}])('refuse %j for the list', (origins) => {
    expect(problemsOf({ origins })).toEqual([
      expect.stringMatching(/^Option `origins`: expected a list of scheme:.*, or '\*' for any, got /),
    ]);
  });
});

describe('records', () => {
  const URL = 'postgres://ann:secret@db.example.com/online';
  const REDIS_URL = 'redis://127.0.0.1:1';
  const FILE = 'sqlite:./data/faye-online.db';
  const OFF = /^Nothing is recorded: with Redis .*DATABASE_URL=none if that is meant\.$/;

  it('are in a file of the folder where it starts, kept for ever', () => {
    expect(resolve({}).records).toEqual({
      url: FILE,
      keep: undefined,
      hashClientIds: false,
      migrate: { takeOver: undefined, oldViews: false },
    });
  });

  it('are where DATABASE_URL says, before the option, with a warning', () => {
    const { records, warnings } = resolve({ records: { url: FILE } }, { DATABASE_URL: URL });
    expect(records?.url).toBe(URL);
    expect(warnings).toContain('DATABASE_URL is used instead of the option `records.url`.');
    expect(resolve({ records: { url: URL } }).records?.url).toBe(URL);
    expect(resolve({}, { DATABASE_URL: 'sqlite:a.db' }).records?.url).toBe('sqlite:a.db');
    expect(resolve({}, { DATABASE_URL: 'mysql2://ann@db/online' }).records?.url).toBe(
      'mysql2://ann@db/online',
    );
  });

  it('are off where that is said', () => {
    expect(resolve({}, { DATABASE_URL: 'none' }).records).toBeNull();
    expect(resolve({ records: { url: 'none' } }).records).toBeNull();
    expect(resolve({ records: { url: URL } }, { DATABASE_URL: 'none' }).records).toBeNull();
  });

  it('are off with Redis where no database is named, and the start says so', () => {
    expect(resolve({}, { REDIS_URL })).toMatchObject({
      records: null,
      warnings: expect.arrayContaining([expect.stringMatching(OFF)]),
    });
    for (const url of [URL, 'none']) {
      const { records, warnings } = resolve({}, { REDIS_URL, DATABASE_URL: url });
      expect(records?.url).toBe(url === 'none' ? undefined : URL);
      expect(warnings).not.toContainEqual(expect.stringMatching(OFF));
    }
  });

  it('of several processes in one file are warned of', () => {
    const { records, warnings } = resolve({ records: { url: FILE } }, { REDIS_URL });
    expect(records?.url).toBe(FILE);
    expect(warnings).toContainEqual(expect.stringMatching(/SQLite file: with Redis/));
  });

  it('are kept for days, and told how to read a database of the gem', () => {
    const records = {
      keep: 1.5,
      hashClientIds: true,
      timeZone: 'Asia/Shanghai',
      logTimeZone: 'UTC',
      oldViews: true,
    };
    expect(resolve({ records }).records).toEqual({
      url: FILE,
      keep: 129_600_000,
      hashClientIds: true,
      migrate: { takeOver: { timeZone: 'Asia/Shanghai', logTimeZone: 'UTC' }, oldViews: true },
    });
  });

  it.each([
    [
      { url: 'oracle://ann:secret@db/a' },
      /`records.url`: expected a database URL .*got a text of 24 characters that begins with oracle:/,
    ],
    [{ url: 'postgres://db' }, /`records.url`: expected .*got a text of 13 characters/],
    [{ url: 'sqlite:' }, /`records.url`: expected/],
    [{ keep: 0 }, /`records.keep`: expected a number of days from 1 to 36500, got 0/],
    [
      { timeZone: 'Shanghai' },
      /`records.timeZone`: expected an IANA time zone such as Europe\/Berlin, got "Shanghai"/,
    ],
    [{ logTimeZone: 'UTC' }, /`records.logTimeZone`: expected records.timeZone beside it, got none/],
    [{ hash: true }, /Unknown option `records.hash`/],
    ['sqlite:a.db', /`records`: expected an object, got "sqlite:a.db"/],
  ])('refuse %j', (records, problem) => {
    const problems = problemsOf({ records });
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems.join()).not.toContain('secret');
  });

  it('refuse a DATABASE_URL that is none, without its password', () => {
    const [problem, ...more] = problemsOf({}, { DATABASE_URL: 'oracle://ann:secret@db/a' });
    expect(problem).toMatch(
      /^Environment variable `DATABASE_URL`: expected a database URL \(sqlite:.* or none, got a text of 24/,
    );
    expect(problem).not.toContain('secret');
    expect(more).toEqual([]);
  });
});

describe('#resolvePresence', () => {
  it("does not know the options that are the adapter's own", () => {
    expect(() => resolvePresence({ port: 1 } as object, {})).toThrow(/^Unknown option `port`: /);
    expect(() => resolvePresence({ gc: 0 }, {})).toThrow(/^Option `gc`: /);
  });

  it.each([
    ['origins', ['https://example.com'], { any: false, allowed: ['https://example.com'] }],
    ['jsonp', true, true],
    ['compression', true, true],
    ['trustProxy', 2, 2],
    ['expiryGrace', 0, 0],
    ['limits.messageBytes', 2048, 2048],
    ['rates.messagesPerClient', 7, 7],
  ])('takes %s, which keeps any server safe', (path, given, resolved) => {
    expect(valueAt(resolvePresence(at(path, given), {}), path)).toEqual(resolved);
  });

  it('has the defaults of what keeps a server safe, and the warning', () => {
    const { origins, jsonp, compression, trustProxy, expiryGrace, limits, rates, warnings } = resolvePresence(
      {},
      {},
    );
    const whole = resolve({});
    expect(warnings).toContainEqual(ANY_ORIGIN);
    expect(whole).toMatchObject({ origins, jsonp, compression, trustProxy, expiryGrace, limits, rates });
  });

  it("reads no PORT, HOST and REDIS_URL, which are the app's", () => {
    const env = { PORT: 'x', HOST: 'a b', REDIS_URL: 'x', LOG_LEVEL: 'warn', FAYE_ONLINE_SECRET: SECRET };
    expect(resolvePresence({}, env)).toMatchObject({
      redis: null,
      logLevel: 'warn',
      authentication: { way: 'jwt' },
      windows: { base: 50 },
    });
    expect(() => resolvePresence({}, { NODE_ENV: 'production' })).toThrow(/NODE_ENV is production/);
  });

  it("records nothing unless it is told where, whatever the app's DATABASE_URL is", () => {
    expect(resolvePresence({}, { DATABASE_URL: 'postgres://db/app' }).records).toBeNull();
    expect(resolvePresence({}, { DATABASE_URL: 'x' }).records).toBeNull();
    expect(resolvePresence({ records: { url: 'sqlite:a.db' } }, {}).records?.url).toBe('sqlite:a.db');
  });

  it('needs no URL for an engine', () => {
    const redis = client({ path: '/tmp/redis.sock' });
    expect(resolvePresence({ redis }, {}).redis).toEqual({ source: redis, engineUrl: null, partitions: 16 });
  });
});

describe('what is written about it', () => {
  const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8');

  it('docs/configuration.md is what `npm run docs` writes', async () => {
    expect(await read('docs/configuration.md')).toBe(configurationPage());
  });

  it.each(optionRows())('the docstring of $path says what its declaration says', async (row) => {
    const docstrings = (await read('src/config/types.ts')).matchAll(
      /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(\w+)\?:/g,
    );
    const name = row.path.split('.').at(-1);
    const said = [...docstrings]
      .filter(([, , option]) => option === name)
      .map(([, text = '']) =>
        text
          .replace(/\n\s*\*/g, ' ')
          .replace(/\s+/g, ' ')
          .trim(),
      );
    const expected = `${row.type[0]?.toUpperCase()}${row.type.slice(1)}${row.limits && ` ${row.limits}`}.`;
    expect(said).toContain(`${row.doc} ${expected}${row.default && ` Default: ${row.default}.`}`);
  });

  it.each(optionRows())('faye.config.ts shows $path', async ({ path }) => {
    const isForm = path.startsWith('redis.');
    const name = path.split('.').at(-1);
    if (!isForm) expect(await read('faye.config.ts')).toMatch(new RegExp(`// .*\\b${name}: `));
  });

  it('defineConfig gives back what it got', () => {
    const config: Config = { port: 1 };
    expect(defineConfig(config)).toBe(config);
  });
});
