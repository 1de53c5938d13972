/**
 * What an operator may say, each option declared once in `schema` with its sentence, unit, limits and default; the
 * messages, docs/configuration.md and the docstrings of `Config` (a spec compares them) follow from there.
 * The environment wins over the file.
 */
import { createPublicKey } from 'node:crypto';
import { types } from 'node:util';
import type { Cluster, Redis } from 'ioredis';
import type { JSONWebKeySet } from 'jose';
import { z } from 'zod';
import type { Verify } from './authentication/custom.js';
import type { Extension, FayeExtension, Message, Request } from './bayeux/extension.js';
import type { Identity } from './presence/identity.js';
import type { RedisSource } from './redis/connection.js';

// ---------------------------------------------------------------------------------------------- what one may write

/** Identity function: gives `faye.config.ts` its types. Nothing is checked before the server starts. */
export function defineConfig(config: Config): Config {
  return config;
}

/** Everything is optional. Durations are in seconds, but for `windows`, which are in milliseconds. */
export interface Config {
  /** TCP port to listen on; 0 takes any that is free. A whole number from 0 to 65535. Default: 9292. */
  port?: number;
  /**
   * Address to listen on; 0.0.0.0 is every IPv4 address of the machine, :: every address. A host name or IP address
   * of 1 to 255 characters. Default: 127.0.0.1 where the browser is trusted, 0.0.0.0 otherwise.
   */
  host?: string;
  /**
   * Path of the Bayeux endpoint; Faye's client script is at this path + /client.js. A path that starts with / and
   * does not end with it, without wildcards, at most 255 characters, none of the server's own pages. Default: /faye.
   */
  mount?: string;
  /**
   * How long a poll is held; a client that is silent for twice this is gone. A number of seconds from 1 to 300.
   * Default: 10.
   */
  timeout?: number;
  /** Time between two pings of a WebSocket. A number of seconds from 1 to 300. Default: 30. */
  ping?: number;
  /**
   * What carries messages between clients: one process alone, or all nodes through Redis. One of memory, faye-redis.
   * Default: faye-redis where Redis is configured, memory otherwise.
   */
  engine?: EngineName;
  /**
   * Redis, for more than one node. faye-redis connects by URL alone: that of an ioredis instance is read from its
   * options, and a Cluster, Sentinel or factory takes an `engineUrl` beside it. A redis:// or rediss:// URL, an
   * ioredis instance, a function that returns one, { url } or { client, engineUrl }. Default: none, all is in memory.
   */
  redis?: RedisConfig;
  /** First part of every key in Redis; nodes with the same namespace are one server. A text of 1 to 64 of the
   * characters a-z, A-Z, 0-9, _ and -. Default: faye. */
  namespace?: string;
  /** How often the reaper looks for what a crash left behind. A number of seconds from 1 to 3600. Default: 5. */
  gc?: number;
  /**
   * How long after before_leave a client without a connection is ended; a reload within it does not show. A number of
   * seconds from 0 to 60. Default: 3.
   */
  leaveDelay?: number;
  /**
   * How long changes of a channel are gathered before they are announced: base + perUser × users, at most max. An
   * object.
   */
  windows?: WindowsConfig;
  /** How long names, identities and lists may be. An object. */
  limits?: LimitsConfig;
  /**
   * What room and time channels must match beside the Bayeux grammar; faye-online had /^[0-9a-z/]+$/i. A RegExp
   * without the flags g and y. Default: none.
   */
  channelPattern?: RegExp;
  /**
   * Top-level fields of a publish that subscribers get beside channel, data and id. A list of names of message fields
   * other than channel, clientId, id, data, ext, auth, advice, error and successful. Default: none.
   */
  relay?: string[];
  /**
   * Faye extensions of your own, run after ours in this order; a function is given ours and returns all of them in the
   * order that they run. A list of objects with an incoming or outgoing function, or a function that returns one.
   * Default: none.
   */
  extensions?: ExtensionsConfig;
  /** Who somebody is, by exactly one of jwt, verify and trust, and what they may do. An object. */
  authentication?: AuthenticationConfig;
  /**
   * Asked about every message of a browser; false or a text (the reason) refuses it. A function (message, request) →
   * boolean or text, or a promise of it. Default: none.
   */
  validMessage?: ValidMessage;
  /**
   * The page at / to try it with. True or false. Default: true where the browser is trusted and NODE_ENV is not
   * production.
   */
  demo?: boolean;
  /** Least level that is logged; info has one line for each who comes or goes. One of fatal, error, warn, info, debug,
   * trace, silent. Default: info. */
  logLevel?: LogLevel;
}

export interface WindowsConfig {
  /** The window of an empty channel. A number of milliseconds from 0 to 10000. Default: 50. */
  base?: number;
  /** What each user in the channel adds. A number of milliseconds from 0 to 100. Default: 0.2. */
  perUser?: number;
  /** The longest window. A number of milliseconds from 0 to 60000. Default: 1500. */
  max?: number;
}

export interface LimitsConfig {
  /** Longest channel name. A whole number of characters from 1 to 255. Default: 255. */
  channelLength?: number;
  /** Longest uid. A whole number of characters from 1 to 128. Default: 128. */
  uidLength?: number;
  /** Longest uname. A whole number of characters from 1 to 255. Default: 255. */
  unameLength?: number;
  /** Largest identity, as JSON. A whole number of bytes from 64 to 65536. Default: 4096. */
  identityBytes?: number;
  /** Longest user_list; a longer one is cut and says truncated, its count stays exact. A whole number of users from 1
   * to 10000. Default: 1000. */
  userListLimit?: number;
}

export interface AuthenticationConfig {
  /** Proof by JSON Web Token in auth.token; exactly one of secret, publicKey and jwks. An object. Default: by
   * FAYE_ONLINE_SECRET, where that is set. */
  jwt?: JwtConfig;
  /** Proof by a function of your own; null is not signed in, a text refuses and says why. A function
   * (message, request) → identity, null or text, or a promise of it. Default: none. */
  verify?: Verify;
  /**
   * Believes what the browser says in auth.current_user, as the gem faye-online did. True or false. Default: true
   * where nothing else is configured and NODE_ENV is not production.
   */
  trust?: boolean;
  /** What a server of yours sends to publish by one HTTP POST, without a handshake. A text of at least 16 characters.
   * Default: none, such a publish is refused. */
  serverToken?: string;
  /** Whether somebody may be present in a channel that the channels of their identity do not name. A function
   * (identity, channel) → boolean, or a promise of it. Default: none. */
  mayEnter?: MayEnter;
  /** Whether somebody may subscribe to a channel; null is not signed in. A function (identity, channel) → boolean, or
   * a promise of it. Default: whoever is signed in may. */
  maySubscribe?: MayUse;
  /** Whether somebody may publish on a channel; null is not signed in. A function (identity, channel) → boolean, or a
   * promise of it. Default: whoever is signed in may. */
  mayPublish?: MayUse;
}

export interface JwtConfig {
  /** The secret of HS256 tokens. A text of at least 32 characters. Default: FAYE_ONLINE_SECRET. */
  secret?: string;
  /** The issuer's public key. A PEM text that begins with -----BEGIN PUBLIC KEY-----. Default: none. */
  publicKey?: string;
  /** The issuer's key set. An https:// or http:// URL, or a JSON Web Key Set object. Default: none. */
  jwks?: string | JSONWebKeySet;
  /**
   * Signatures that count; none is never one. A list of HS256, HS384, HS512 (with a secret) or RS256, RS384, RS512,
   * PS256, PS384, PS512, ES256, ES384, ES512, EdDSA (with a publicKey or jwks). Default: HS256 with a secret, RS256,
   * PS256, ES256 and EdDSA otherwise.
   */
  algorithms?: string[];
  /** The iss that a token must have. A text. Default: any. */
  issuer?: string;
  /** The aud that a token must have, or one of them. A text, or a list of texts. Default: any. */
  audience?: string | string[];
  /** How far the issuer's clock may be off. A number of seconds from 0 to 3600. Default: 5. */
  clockTolerance?: number;
}

export type RedisClient = Redis | Cluster;
export type RedisConfig = RedisSource | RedisOptions;

export interface RedisOptions {
  /** The same as `redis` as a text. A redis:// or rediss:// URL. Default: none. */
  url?: string;
  /** Instead of url: the client of presence. An ioredis instance, or a function that returns one. Default: none. */
  client?: RedisClient | (() => RedisClient);
  /** Beside client: where faye-redis connects to. A redis:// or rediss:// URL. Default: read from a plain ioredis
   * instance. */
  engineUrl?: string;
}

export type ExtensionList = readonly (Extension | FayeExtension)[];
export type ExtensionOrder = (ours: Extension[]) => (Extension | FayeExtension)[];
export type ExtensionsConfig = ExtensionList | ExtensionOrder;

export type MayEnter = (identity: Identity, channel: string) => boolean | Promise<boolean>;
export type MayUse = (identity: Identity | null, channel: string) => boolean | Promise<boolean>;
export type ValidMessage = (
  message: Message,
  request: Request,
) => boolean | string | Promise<boolean | string>;

const ENGINES = ['memory', 'faye-redis'] as const;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type EngineName = (typeof ENGINES)[number];
export type LogLevel = (typeof LOG_LEVELS)[number];

// ------------------------------------------------------------------------------------------- what the server is given

/** A `Config` with its defaults and the environment. What is optional here has no default. */
export interface ResolvedConfig {
  port: number;
  host: string;
  mount: string;
  timeout: number;
  ping: number;
  engine: EngineName;
  redis: ResolvedRedis | null;
  namespace: string;
  gc: number;
  leaveDelay: number;
  windows: Required<WindowsConfig>;
  limits: Required<LimitsConfig>;
  channelPattern?: RegExp;
  relay: string[];
  extensions: ExtensionsConfig;
  authentication: ResolvedAuthentication;
  validMessage?: ValidMessage;
  demo: boolean;
  logLevel: LogLevel;
  /** Whether NODE_ENV is `production`. */
  production: boolean;
  /** Sentences for the operator, to be shown at the start. */
  warnings: string[];
}

export interface ResolvedRedis {
  source: RedisSource;
  /** Where faye-redis connects to; null where it is not known and not needed, as the engine is the user's own. */
  engineUrl: string | null;
}

export type ResolvedAuthentication = Permissions & Proof;
export type Permissions = Pick<
  AuthenticationConfig,
  'serverToken' | 'mayEnter' | 'maySubscribe' | 'mayPublish'
>;
export type Proof = { way: 'jwt'; jwt: ResolvedJwt } | { way: 'verify'; verify: Verify } | { way: 'trust' };

/** Exactly one of secret, publicKey and jwks. */
export interface ResolvedJwt extends JwtConfig {
  algorithms: string[];
  clockTolerance: number;
}

/** Names all that is wrong with a configuration, and no secret. `code` is `CONFIG`; the message has a line for each. */
export class ConfigError extends Error {
  readonly code = 'CONFIG';
  override readonly name = 'ConfigError';
  constructor(
    readonly problems: string[],
    options?: ErrorOptions,
  ) {
    super(problems.join('\n'), options);
  }
}

// ------------------------------------------------------------------------------------------------- the declarations

interface Declaration {
  doc: string;
  /** What is expected, unit included: `a number of seconds`. */
  type: string;
  /** `from 1 to 300` */
  limits?: string;
  /** Only where it isn't the schema's own: a default that depends, or none. */
  default?: string;
  /** Never shown in a message. Of a URL, the scheme is. */
  secret?: true | 'url';
}

type Schema = z.core.$ZodType;
type Judge<T> = (value: unknown) => value is T;

const declared = z.registry<Declaration>();

function ranged(type: string, min: number, max: number, fallback: number, doc: string) {
  const schema = z.number().min(min).max(max);
  return schema.register(declared, { doc, type, limits: `from ${min} to ${max}` }).default(fallback);
}

function whole(unit: string, min: number, max: number, fallback: number, doc: string) {
  const type = unit ? `a whole number of ${unit}` : 'a whole number';
  const schema = z.int().min(min).max(max);
  return schema.register(declared, { doc, type, limits: `from ${min} to ${max}` }).default(fallback);
}

function group<S extends z.core.$ZodLooseShape>(shape: S, doc: string, secret?: true, fallback?: string) {
  return z
    .strictObject(shape)
    .register(declared, { doc, type: 'an object', default: fallback ?? '', secret });
}

function callback<F>(type: string, fallback: string, doc: string) {
  const isFunction = (value: unknown): value is F => typeof value === 'function';
  return z
    .custom<F>(isFunction)
    .register(declared, { doc, type: `a function ${type}`, default: fallback })
    .optional();
}

const yesOrNo = (fallback: string, doc: string) =>
  z.boolean().register(declared, { doc, type: 'true or false', default: fallback }).optional();

const isRedisUrl = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return (url?.protocol === 'redis:' || url?.protocol === 'rediss:') && url.hostname !== '';
};

const redisUrl = (fallback: string, doc: string) =>
  z.string().refine(isRedisUrl).register(declared, {
    doc,
    type: 'a redis:// or rediss:// URL',
    default: fallback,
    secret: 'url',
  });

const OWN_PAGES = new Set(['/faye-online', '/healthz', '/readyz']);
const MOUNT = /^(\/[a-zA-Z0-9_~-][a-zA-Z0-9_.~-]*)+$/;

const HMAC = ['HS256', 'HS384', 'HS512'];
const KEY_PAIR = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const KEY_PAIR_DEFAULT = ['RS256', 'PS256', 'ES256', 'EdDSA'];

/** By what it can do: it may be of another copy of ioredis than ours. */
const isClient: Judge<RedisClient> = (value): value is RedisClient =>
  typeof value === 'object' &&
  value !== null &&
  'defineCommand' in value &&
  typeof value.defineCommand === 'function' &&
  'duplicate' in value &&
  typeof value.duplicate === 'function' &&
  'options' in value;

const isFactory: Judge<() => RedisClient> = (value): value is () => RedisClient =>
  typeof value === 'function';

const isClientOrFactory: Judge<RedisClient | (() => RedisClient)> = (value) =>
  isClient(value) || isFactory(value);

const isExtension: Judge<Extension | FayeExtension> = (value): value is Extension | FayeExtension => {
  if (typeof value !== 'object' || value === null) return false;
  const { incoming, outgoing } = value as { incoming?: unknown; outgoing?: unknown };
  const each = [incoming, outgoing].filter((step) => step !== undefined);
  return each.length > 0 && each.every((step) => typeof step === 'function');
};

const isExtensionOrder: Judge<ExtensionOrder> = (value): value is ExtensionOrder =>
  typeof value === 'function';

/** A RegExp with g or y remembers where it stopped, so that every second test of the same name would fail. */
const isPattern: Judge<RegExp> = (value): value is RegExp =>
  types.isRegExp(value) && !/[gy]/.test(value.flags);

/** Not what createPublicKey makes of a private key or a certificate: they don't belong here. */
const isPublicKey = (text: string): boolean => {
  if (!text.trimStart().startsWith('-----BEGIN PUBLIC KEY-----')) return false;
  try {
    createPublicKey(text);
    return true;
  } catch {
    return false;
  }
};

const isWebUrl = (text: string): boolean =>
  URL.canParse(text) && ['https:', 'http:'].includes(new URL(text).protocol);

const isKeySet: Judge<JSONWebKeySet> = (value): value is JSONWebKeySet =>
  typeof value === 'object' &&
  value !== null &&
  'keys' in value &&
  Array.isArray(value.keys) &&
  value.keys.length > 0 &&
  value.keys.every((key: unknown) => typeof key === 'object' && key !== null && 'kty' in key);

const port = whole('', 0, 65535, 9292, 'TCP port to listen on; 0 takes any that is free.');

const host = z.string().min(1).max(255).regex(/^\S+$/).register(declared, {
  doc: 'Address to listen on; 0.0.0.0 is every IPv4 address of the machine, :: every address.',
  type: 'a host name or IP address',
  limits: 'of 1 to 255 characters',
  default: '127.0.0.1 where the browser is trusted, 0.0.0.0 otherwise',
});

const mount = z
  .string()
  .max(255)
  .regex(MOUNT)
  .refine((path) => !OWN_PAGES.has(path))
  .register(declared, {
    doc: "Path of the Bayeux endpoint; Faye's client script is at this path + /client.js.",
    type: 'a path',
    limits:
      "that starts with / and does not end with it, without wildcards, at most 255 characters, none of the server's own pages",
  })
  .default('/faye');

const engine = z.enum(ENGINES).register(declared, {
  doc: 'What carries messages between clients: one process alone, or all nodes through Redis.',
  type: 'one of memory, faye-redis',
  default: 'faye-redis where Redis is configured, memory otherwise',
});

/** Of the object form: url alone, or client with or without engineUrl. */
const isOneSource = ({ url, client, engineUrl }: RedisOptions): boolean =>
  url === undefined ? client !== undefined : client === undefined && engineUrl === undefined;

const redis = z
  .union([
    z.string().refine(isRedisUrl),
    z.custom<RedisClient | (() => RedisClient)>(isClientOrFactory),
    z
      .strictObject({
        url: redisUrl('none', 'The same as `redis` as a text.').optional(),
        client: z
          .custom<RedisClient | (() => RedisClient)>(isClientOrFactory)
          .register(declared, {
            doc: 'Instead of url: the client of presence.',
            type: 'an ioredis instance, or a function that returns one',
            default: 'none',
            secret: 'url',
          })
          .optional(),
        engineUrl: redisUrl(
          'read from a plain ioredis instance',
          'Beside client: where faye-redis connects to.',
        ).optional(),
      })
      .refine(isOneSource, { when: ({ issues }) => issues.length === 0 }),
  ])
  .register(declared, {
    doc: 'Redis, for more than one node. faye-redis connects by URL alone: that of an ioredis instance is read from its options, and a Cluster, Sentinel or factory takes an `engineUrl` beside it.',
    type: 'a redis:// or rediss:// URL, an ioredis instance, a function that returns one, { url } or { client, engineUrl }',
    default: 'none, all is in memory',
    secret: 'url',
  });

const windows = group(
  {
    base: ranged('a number of milliseconds', 0, 10000, 50, 'The window of an empty channel.'),
    perUser: ranged('a number of milliseconds', 0, 100, 0.2, 'What each user in the channel adds.'),
    max: ranged('a number of milliseconds', 0, 60000, 1500, 'The longest window.'),
  },
  'How long changes of a channel are gathered before they are announced: base + perUser × users, at most max.',
);

const limits = group(
  {
    channelLength: whole('characters', 1, 255, 255, 'Longest channel name.'),
    uidLength: whole('characters', 1, 128, 128, 'Longest uid.'),
    unameLength: whole('characters', 1, 255, 255, 'Longest uname.'),
    identityBytes: whole('bytes', 64, 65536, 4096, 'Largest identity, as JSON.'),
    userListLimit: whole(
      'users',
      1,
      10000,
      1000,
      'Longest user_list; a longer one is cut and says truncated, its count stays exact.',
    ),
  },
  'How long names, identities and lists may be.',
);

/** `ext` is among them because it carries `ext.auth`, the publisher's token. */
const NOT_RELAYED = ['channel', 'clientId', 'id', 'data', 'ext', 'auth', 'advice', 'error', 'successful'];
const RELAYED = `other than ${NOT_RELAYED.slice(0, -1).join(', ')} and ${NOT_RELAYED.at(-1)}`;

const relay = z
  .array(
    z
      .string()
      .min(1)
      .refine((field) => !NOT_RELAYED.includes(field))
      .register(declared, { doc: '', type: 'the name of a message field', limits: RELAYED }),
  )
  .register(declared, {
    doc: 'Top-level fields of a publish that subscribers get beside channel, data and id.',
    type: 'a list of names of message fields',
    limits: RELAYED,
    default: 'none',
  });

const extensions = z
  .union([
    z.array(
      z.custom<Extension | FayeExtension>(isExtension).register(declared, {
        doc: '',
        type: 'an object with an incoming or outgoing function',
      }),
    ),
    z.custom<ExtensionOrder>(isExtensionOrder),
  ])
  .register(declared, {
    doc: 'Faye extensions of your own, run after ours in this order; a function is given ours and returns all of them in the order that they run.',
    type: 'a list of objects with an incoming or outgoing function, or a function that returns one',
    default: 'none',
  });

const channelPattern = z.custom<RegExp>(isPattern).register(declared, {
  doc: 'What room and time channels must match beside the Bayeux grammar; faye-online had /^[0-9a-z/]+$/i.',
  type: 'a RegExp without the flags g and y',
  default: 'none',
});

const secret = z.string().min(32).register(declared, {
  doc: 'The secret of HS256 tokens.',
  type: 'a text of at least 32 characters',
  default: 'FAYE_ONLINE_SECRET',
  secret: true,
});

const serverToken = z.string().min(16).register(declared, {
  doc: 'What a server of yours sends to publish by one HTTP POST, without a handshake.',
  type: 'a text of at least 16 characters',
  default: 'none, such a publish is refused',
  secret: true,
});

const algorithm = z.enum([...HMAC, ...KEY_PAIR]).register(declared, {
  doc: '',
  type: `one of ${[...HMAC, ...KEY_PAIR].join(', ')}`,
});

const jwt = group(
  {
    secret: secret.optional(),
    publicKey: z
      .string()
      .refine(isPublicKey)
      .register(declared, {
        doc: "The issuer's public key.",
        type: 'a PEM text that begins with -----BEGIN PUBLIC KEY-----',
        default: 'none',
        secret: true,
      })
      .optional(),
    jwks: z
      .union([z.string().refine(isWebUrl), z.custom<JSONWebKeySet>(isKeySet)])
      .register(declared, {
        doc: "The issuer's key set.",
        type: 'an https:// or http:// URL, or a JSON Web Key Set object',
        default: 'none',
        secret: 'url',
      })
      .optional(),
    algorithms: z
      .array(algorithm)
      .min(1)
      .register(declared, {
        doc: 'Signatures that count; none is never one.',
        type: `a list of ${HMAC.join(', ')} (with a secret) or ${KEY_PAIR.join(', ')} (with a publicKey or jwks)`,
        default: 'HS256 with a secret, RS256, PS256, ES256 and EdDSA otherwise',
      })
      .optional(),
    issuer: z
      .string()
      .min(1)
      .register(declared, { doc: 'The iss that a token must have.', type: 'a text', default: 'any' })
      .optional(),
    audience: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .register(declared, {
        doc: 'The aud that a token must have, or one of them.',
        type: 'a text, or a list of texts',
        default: 'any',
      })
      .optional(),
    clockTolerance: ranged('a number of seconds', 0, 3600, 5, "How far the issuer's clock may be off."),
  },
  'Proof by JSON Web Token in auth.token; exactly one of secret, publicKey and jwks.',
  true,
  'by FAYE_ONLINE_SECRET, where that is set',
);

const MAY = '(identity, channel) → boolean, or a promise of it';
const SIGNED_IN = 'whoever is signed in may';

const authentication = group(
  {
    jwt: jwt.optional(),
    verify: callback<Verify>(
      '(message, request) → identity, null or text, or a promise of it',
      'none',
      'Proof by a function of your own; null is not signed in, a text refuses and says why.',
    ),
    trust: yesOrNo(
      'true where nothing else is configured and NODE_ENV is not production',
      'Believes what the browser says in auth.current_user, as the gem faye-online did.',
    ),
    serverToken: serverToken.optional(),
    mayEnter: callback<MayEnter>(
      MAY,
      'none',
      'Whether somebody may be present in a channel that the channels of their identity do not name.',
    ),
    maySubscribe: callback<MayUse>(
      MAY,
      SIGNED_IN,
      'Whether somebody may subscribe to a channel; null is not signed in.',
    ),
    mayPublish: callback<MayUse>(
      MAY,
      SIGNED_IN,
      'Whether somebody may publish on a channel; null is not signed in.',
    ),
  },
  'Who somebody is, by exactly one of jwt, verify and trust, and what they may do.',
  true,
);

const logLevel = z.enum(LOG_LEVELS).register(declared, {
  doc: 'Least level that is logged; info has one line for each who comes or goes.',
  type: `one of ${LOG_LEVELS.join(', ')}`,
});

const schema = z.strictObject({
  port,
  host: host.optional(),
  mount,
  timeout: ranged(
    'a number of seconds',
    1,
    300,
    10,
    'How long a poll is held; a client that is silent for twice this is gone.',
  ),
  ping: ranged('a number of seconds', 1, 300, 30, 'Time between two pings of a WebSocket.'),
  engine: engine.optional(),
  redis: redis.optional(),
  namespace: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,64}$/)
    .register(declared, {
      doc: 'First part of every key in Redis; nodes with the same namespace are one server.',
      type: 'a text',
      limits: 'of 1 to 64 of the characters a-z, A-Z, 0-9, _ and -',
    })
    .default('faye'),
  gc: ranged('a number of seconds', 1, 3600, 5, 'How often the reaper looks for what a crash left behind.'),
  leaveDelay: ranged(
    'a number of seconds',
    0,
    60,
    3,
    'How long after before_leave a client without a connection is ended; a reload within it does not show.',
  ),
  windows: windows.prefault({}),
  limits: limits.prefault({}),
  channelPattern: channelPattern.optional(),
  relay: relay.default([]),
  extensions: extensions.default([]),
  authentication: authentication.prefault({}),
  validMessage: callback<ValidMessage>(
    '(message, request) → boolean or text, or a promise of it',
    'none',
    'Asked about every message of a browser; false or a text (the reason) refuses it.',
  ),
  demo: yesOrNo(
    'true where the browser is trusted and NODE_ENV is not production',
    'The page at / to try it with.',
  ),
  logLevel: logLevel.default('info'),
});

const asNumber = (text: unknown): unknown => (/^\d+$/.test(String(text)) ? Number(text) : text);

/** A misspelt `production` would be a server that believes everybody. */
const isEnvironmentName = (text: string): boolean =>
  text === 'production' || (!close(text, 'production') && !/^prod/i.test(text.trim()));

const environmentSchema = z.object({
  PORT: z.preprocess(asNumber, port).optional(),
  HOST: host.optional(),
  REDIS_URL: redisUrl('', '').optional(),
  NODE_ENV: z
    .string()
    .refine(isEnvironmentName)
    .register(declared, { doc: '', type: 'production, or a name that is not like it' })
    .optional(),
  LOG_LEVEL: logLevel.optional(),
  FAYE_ONLINE_SECRET: secret.optional(),
  FAYE_ONLINE_SERVER_TOKEN: serverToken.optional(),
});

type Variables = z.output<typeof environmentSchema>;
type Values = z.output<typeof schema>;

/** What each variable of the environment does. */
export const ENVIRONMENT: Readonly<Record<keyof Variables, string>> = {
  PORT: 'Option `port`.',
  HOST: 'Option `host`.',
  REDIS_URL: 'Option `redis`, as a redis:// or rediss:// URL.',
  NODE_ENV:
    '`production`: the browser is not believed unless the configuration says so, and there is no page at `/`.',
  LOG_LEVEL: 'Option `logLevel`.',
  FAYE_ONLINE_SECRET:
    'Option `authentication.jwt.secret`. It wins over `trust`; with `verify`, `publicKey` or `jwks` it is not used. At least 32 characters.',
  FAYE_ONLINE_SERVER_TOKEN: 'Option `authentication.serverToken`. At least 16 characters.',
};

// ---------------------------------------------------------------------------------- what the documentation is made of

/** One row of the table in docs/configuration.md. */
export interface OptionRow {
  /** `authentication.jwt.secret` */
  path: string;
  type: string;
  limits: string;
  default: string;
  doc: string;
}

/** Every option in the order of its declaration, each object before what is in it. */
export function optionRows(): OptionRow[] {
  return Object.entries(childrenOf(schema)).flatMap(([key, child]) => rowsOf(child, key));
}

function rowsOf(node: Schema, path: string): OptionRow[] {
  const { doc, type, limits = '', default: fallback } = declarationOf(node) ?? EXPECTS_OBJECT;
  const children = Object.entries(childrenOf(node)).flatMap(([key, child]) =>
    rowsOf(child, `${path}.${key}`),
  );
  return [{ path, type, limits, default: fallback ?? defaultOf(node), doc }, ...children];
}

function defaultOf(node: Schema): string {
  return node instanceof z.ZodDefault ? String(node.def.defaultValue) : '';
}

const EXPECTS_OBJECT: Declaration = { doc: '', type: 'an object' };

const declarationOf = (node: Schema): Declaration | undefined => declared.get(bare(node));

const expectation = ({ type, limits }: Declaration): string => (limits ? `${type} ${limits}` : type);

/** The schema within `optional`, `default` and the like, which is the one that is declared. */
function bare(node: Schema): Schema {
  if (node instanceof z.ZodOptional || node instanceof z.ZodDefault || node instanceof z.ZodPrefault)
    return bare(node.unwrap());
  return node instanceof z.ZodPipe ? bare(node.out) : node;
}

function childrenOf(node: Schema): Readonly<Record<string, Schema>> {
  const within = bare(node);
  if (within instanceof z.ZodObject) return within.shape;
  if (within instanceof z.ZodUnion) return Object.assign({}, ...within.options.map(childrenOf));
  return {};
}

function elementOf(node: Schema): Schema | undefined {
  const within = bare(node);
  if (within instanceof z.ZodArray) return within.element;
  if (within instanceof z.ZodUnion) return within.options.map(elementOf).find(Boolean);
  return undefined;
}

// ------------------------------------------------------------------------------------------------- what is wrong

type Path = readonly PropertyKey[];
type Issue = z.core.$ZodIssue;

interface Input {
  /** `Option`, or `Environment variable`. */
  kind: string;
  schema: z.ZodObject;
  value: object;
}

/** Says in our own words what zod found. */
function describeIssue(input: Input, issue: Issue, above: Path = []): string[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownOption(input.schema, path, key));
  if (issue.code === 'invalid_union') {
    const within = issue.errors
      .flat()
      .filter((each) => each.path.length > 0 || each.code === 'unrecognized_keys');
    if (within.length > 0) return within.flatMap((each) => describeIssue(input, each, path));
  }
  const declaration = declarationAt(input.schema, path);
  const value = path.reduce<unknown>(
    (from, key) => (from as Record<PropertyKey, unknown>)?.[key],
    input.value,
  );
  return [
    wrong(`${input.kind} \`${written(path)}\``, expectation(declaration), shown(value, declaration.secret)),
  ];
}

const wrong = (what: string, expected: string, got: string): string =>
  `${what}: expected ${expected}, got ${got}`;

/** The declaration of what is at the path, or of the nearest thing around it that has one. */
function declarationAt(root: Schema, path: Path): Declaration {
  let node: Schema | undefined = root;
  let nearest = EXPECTS_OBJECT;
  for (const key of path) {
    node = node && (typeof key === 'number' ? elementOf(node) : childrenOf(node)[String(key)]);
    nearest = (node && declarationOf(node)) ?? nearest;
  }
  return nearest;
}

const written = (path: Path): string =>
  path.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at ? '.' : ''}${String(key)}`)).join('');

function unknownOption(root: Schema, path: Path, key: string): string {
  const around = path.reduce<Schema>((node, step) => childrenOf(node)[String(step)] ?? node, root);
  const known = Object.keys(childrenOf(around));
  const near = known.find((name) => close(name, key));
  const elsewhere = optionRows().find((row) => row.path.split('.').at(-1) === key)?.path;
  const meant = near === undefined ? elsewhere : written([...path, near]);
  const hint = meant ? `did you mean \`${meant}\`?` : `expected one of ${known.join(', ')}`;
  return `Unknown option \`${written([...path, key])}\`: ${hint}`;
}

/** Whether one of them is likely the other misspelt. */
function close(a: string, b: string): boolean {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  return distance(x, y) <= Math.max(1, Math.floor(Math.min(x.length, y.length) / 4));
}

/** Letters to add, drop, change or swap with their neighbour to make one of the other. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      const changed = at(i - 1, j - 1) + Number(a[i - 1] !== b[j - 1]);
      rows[i]?.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, changed, swapped));
    }
  }
  return at(a.length, b.length);
}

const LONGEST_SHOWN = 60;

/** What came, short, and of a secret no more than what kind of thing it is. */
function shown(value: unknown, secret?: true | 'url'): string {
  if (typeof value === 'string')
    return secret ? hidden(value, secret) : JSON.stringify(cut(hidePassword(value)));
  if (typeof value === 'function') return 'a function';
  if (value === undefined) return 'nothing';
  if (typeof value !== 'object' || value === null) return secret ? aKindOf(value) : String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (types.isRegExp(value)) return String(value);
  const keys = isClient(value) ? [] : Object.keys(value);
  return keys.length > 0 ? `an object with ${cut(keys.join(', '))}` : 'an object';
}

const aKindOf = (value: unknown): string => (value === null ? 'null' : `a ${typeof value}`);

function hidden(text: string, secret: true | 'url'): string {
  const scheme = secret === 'url' ? /^[a-z]+:\/\//i.exec(text)?.[0] : undefined;
  return `a text of ${text.length} character${text.length === 1 ? '' : 's'}${scheme ? ` that begins with ${scheme}` : ''}`;
}

const cut = (text: string): string =>
  text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;

/** A text without the passwords of the URLs in it. */
export const hidePassword = (text: string): string =>
  text.replace(/(:\/\/[^/@\s]*:)[^/\s]*@/g, '$1***@').replace(/([?&]password=)[^&\s]*/gi, '$1***');

// ------------------------------------------------------------------------------------------------- how it is resolved

/**
 * Checks the configuration and the environment, and fills in the defaults. An empty variable counts as not set.
 * Throws a `ConfigError` that names all that is wrong.
 */
export function resolveConfig(input: Config, env: NodeJS.ProcessEnv = process.env): ResolvedConfig {
  return resolve(input, env, { options: schema, variables: environmentSchema, engineIsOurs: true });
}

/**
 * The same for presence on an adapter that the user made, which has its own port, mount and engine: their options are
 * unknown here, PORT, HOST and REDIS_URL are not read, and Redis needs no URL.
 */
export function resolvePresence(input: PresenceConfig, env: NodeJS.ProcessEnv = process.env): ResolvedConfig {
  return resolve(input, env, {
    options: schema.pick(PRESENCE_OPTIONS),
    variables: environmentSchema.pick(PRESENCE_VARIABLES),
    engineIsOurs: false,
  });
}

const PRESENCE_OPTIONS = {
  authentication: true,
  channelPattern: true,
  extensions: true,
  gc: true,
  leaveDelay: true,
  limits: true,
  logLevel: true,
  namespace: true,
  redis: true,
  relay: true,
  validMessage: true,
  windows: true,
} as const;

const PRESENCE_VARIABLES = {
  NODE_ENV: true,
  LOG_LEVEL: true,
  FAYE_ONLINE_SECRET: true,
  FAYE_ONLINE_SERVER_TOKEN: true,
} as const;

/** The options that are about presence, and not about HTTP and the engine. */
export type PresenceConfig = Pick<Config, keyof typeof PRESENCE_OPTIONS>;

/** What may be said, and where. */
interface Scope {
  options: z.ZodObject;
  variables: z.ZodObject;
  /** Whether we make the engine, which then has to be told where Redis is. */
  engineIsOurs: boolean;
}

function resolve(input: Config, env: NodeJS.ProcessEnv, scope: Scope): ResolvedConfig {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw new ConfigError([wrong('The configuration', 'an object', shown(input, true))]);
  const file = check('Option', scope.options, input);
  const variables = check('Environment variable', scope.variables, readable(scope.variables, env));
  const set = environmentSchema.parse(variables.valid);
  const found: Found = {
    file: schema.parse(file.valid),
    set,
    refused: new Set([...file.refused, ...variables.refused]),
    engineIsOurs: scope.engineIsOurs,
    production: set.NODE_ENV === 'production',
    problems: [...file.problems, ...variables.problems],
    warnings: [],
  };
  return together(found, resolveRedis(found), resolveProof(found));
}

/** What the file and the environment say, so far as it is valid, and what there is to say about it. */
interface Found {
  readonly file: Values;
  readonly set: Variables;
  /** Options and variables that are not valid: nothing more is asked about them. */
  readonly refused: ReadonlySet<string>;
  readonly engineIsOurs: boolean;
  readonly production: boolean;
  readonly problems: string[];
  readonly warnings: string[];
}

interface Checked {
  /** What is left when what was refused is taken away. */
  valid: Record<string, unknown>;
  refused: string[];
  problems: string[];
}

function check(kind: string, allowed: z.ZodObject, value: object): Checked {
  const issues = allowed.safeParse(value).error?.issues ?? [];
  const refused = issues.map((issue) => String(issue.path[0]));
  const valid = Object.entries(value).filter(([key]) => key in allowed.shape && !refused.includes(key));
  return {
    valid: Object.fromEntries(valid),
    problems: [...new Set(issues.flatMap((issue) => describeIssue({ kind, schema: allowed, value }, issue)))],
    refused,
  };
}

/** Those variables that are ours and not empty. */
function readable({ shape }: z.ZodObject, env: NodeJS.ProcessEnv): Record<string, string> {
  const set = Object.keys(shape).map((name) => [name, env[name]] as const);
  return Object.fromEntries(set.filter((each): each is [string, string] => Boolean(each[1])));
}

function together(found: Found, redis: ResolvedRedis | null, proof: Proof | undefined): ResolvedConfig {
  const { file, set, production, problems, warnings } = found;
  if (problems.length > 0 || !proof) throw new ConfigError(problems);
  const trusting = proof.way === 'trust';
  const { mayEnter, maySubscribe, mayPublish, serverToken } = file.authentication;
  return {
    ...file,
    port: set.PORT ?? file.port,
    host: set.HOST ?? file.host ?? (trusting ? '127.0.0.1' : '0.0.0.0'),
    engine: redis ? 'faye-redis' : 'memory',
    redis,
    authentication: {
      ...proof,
      mayEnter,
      maySubscribe,
      mayPublish,
      serverToken: set.FAYE_ONLINE_SERVER_TOKEN ?? serverToken,
    },
    demo: file.demo ?? (trusting && !production),
    logLevel: set.LOG_LEVEL ?? file.logLevel,
    production,
    warnings,
  };
}

// Redis and the engine

function resolveRedis(found: Found): ResolvedRedis | null {
  const { file, set, refused, problems, warnings } = found;
  if (['redis', 'engine', 'REDIS_URL'].some((name) => refused.has(name))) return null;
  if (file.redis !== undefined && set.REDIS_URL)
    warnings.push('REDIS_URL is used instead of the option `redis`.');
  const configured = set.REDIS_URL ?? file.redis;
  const engineProblem = enginesProblem(file.engine, configured !== undefined);
  if (engineProblem) problems.push(engineProblem);
  if (engineProblem || configured === undefined) return null;
  return withEngineUrl(configured, found);
}

function enginesProblem(engine: EngineName | undefined, hasRedis: boolean): string | undefined {
  if (engine === 'faye-redis' && !hasRedis)
    return `${wrong('Option `engine`', 'memory, as no Redis is configured', shown(engine))}: faye-redis needs a Redis URL (option \`redis\`, or REDIS_URL)`;
  if (engine === 'memory' && hasRedis)
    return `${wrong('Option `engine`', 'faye-redis, as Redis is configured', shown(engine))}: presence in Redis needs an engine that all nodes share`;
  return undefined;
}

function withEngineUrl(configured: RedisConfig, { engineIsOurs, problems }: Found): ResolvedRedis | null {
  const { source, engineUrl } = partsOf(configured);
  const url = engineUrl ?? urlOf(source);
  if (url || !engineIsOurs) return { source, engineUrl: url ?? null };
  const expected = '{ client, engineUrl }, as faye-redis takes only a redis:// or rediss:// URL';
  problems.push(wrong('Option `redis`', expected, `${kindOf(source)} without an engineUrl`));
  return null;
}

function partsOf(configured: RedisConfig): { source: RedisSource; engineUrl?: string } {
  if (typeof configured !== 'object' || isClient(configured)) return { source: configured };
  const { url, client, engineUrl } = configured;
  return { source: url ?? client ?? '', engineUrl };
}

function urlOf(source: RedisSource): string | undefined {
  if (typeof source === 'string') return source;
  return isClient(source) && isPlain(source) ? urlOfClient(source) : undefined;
}

/** Neither Cluster, Sentinel, socket file nor TLS with certificates of its own: what a URL can say. */
function isPlain(client: RedisClient): client is Redis {
  if (client.isCluster) return false;
  const { sentinels, path, tls } = (client as Redis).options;
  const plainTls = typeof tls !== 'object' || tls === null || Object.keys(tls).length === 0;
  return !sentinels?.length && !path && plainTls;
}

function urlOfClient({ options }: Redis): string {
  const { host = 'localhost', port = 6379, db = 0, username, password, tls } = options;
  const user = password ? `${encodeURIComponent(username ?? '')}:${encodeURIComponent(password)}@` : '';
  const name = host.includes(':') ? `[${host}]` : host;
  return `${tls ? 'rediss' : 'redis'}://${user}${name}:${port}/${db}`;
}

function kindOf(source: RedisSource): string {
  if (!isClient(source)) return shown(source, 'url');
  if (source.isCluster) return 'a Cluster';
  const { sentinels, path } = (source as Redis).options;
  if (sentinels?.length) return 'an ioredis instance with Sentinels';
  return path ? 'an ioredis instance on a socket file' : 'an ioredis instance with TLS settings of its own';
}

// Authentication

const BELIEVED =
  'The browser is believed: anybody can say to be anybody. Set FAYE_ONLINE_SECRET, or authentication.jwt or authentication.verify in faye.config.ts, before others can reach this server.';

const WAYS =
  'set FAYE_ONLINE_SECRET (at least 32 characters), or authentication.jwt or authentication.verify in faye.config.ts; authentication.trust: true believes whatever a browser says, if that is really meant';

function resolveProof(found: Found): Proof | undefined {
  const { file, set, refused, production, problems, warnings } = found;
  if (refused.has('authentication') || refused.has('FAYE_ONLINE_SECRET')) return undefined;
  const { jwt, verify, trust } = file.authentication;
  const ways = given({ jwt, verify, trust: trust || undefined });
  if (ways.length > 1) {
    problems.push(
      wrong('Option `authentication`', 'exactly one of jwt, verify and trust', ways.join(' and ')),
    );
    return undefined;
  }
  if (verify) return byFunction(verify, found);
  if (jwt || set.FAYE_ONLINE_SECRET) return byToken(found);
  if (trust ?? !production) {
    warnings.push(BELIEVED);
    return { way: 'trust' };
  }
  const why = production ? ', as NODE_ENV is production' : '';
  problems.push(
    `${wrong('Option `authentication`', `a way to prove who somebody is${why}`, 'none')}: ${WAYS}`,
  );
  return undefined;
}

/** The function may well use the secret itself, so it is not overruled by it. */
function byFunction(verify: Verify, { set, warnings }: Found): Proof {
  if (set.FAYE_ONLINE_SECRET) warnings.push(unusedSecret('authentication.verify'));
  return { way: 'verify', verify };
}

function byToken({ file, set, problems, warnings }: Found): Proof | undefined {
  const configured = file.authentication.jwt ?? jwt.parse({});
  if (file.authentication.trust)
    warnings.push('FAYE_ONLINE_SECRET wins over authentication.trust: who somebody is takes a token.');
  const ownKey = given({ publicKey: configured.publicKey, jwks: configured.jwks })[0];
  if (ownKey && set.FAYE_ONLINE_SECRET) warnings.push(unusedSecret(`authentication.jwt.${ownKey}`));
  const secret = (ownKey ? undefined : set.FAYE_ONLINE_SECRET) ?? configured.secret;
  const resolved = withAlgorithms({ ...configured, secret });
  const wrongs = tokensProblems(resolved);
  problems.push(...wrongs);
  return wrongs.length > 0 ? undefined : { way: 'jwt', jwt: resolved };
}

const unusedSecret = (by: string): string => `FAYE_ONLINE_SECRET is not used: ${by} says who somebody is.`;

function withAlgorithms(configured: JwtConfig & { clockTolerance: number }): ResolvedJwt {
  const fallback = configured.secret === undefined ? KEY_PAIR_DEFAULT : ['HS256'];
  return { ...configured, algorithms: configured.algorithms ?? fallback };
}

/** A public key taken for the secret of an HS256 token would let anybody sign: the kinds are not mixed. */
function tokensProblems({ secret, publicKey, jwks, algorithms }: ResolvedJwt): string[] {
  const keys = given({ secret, publicKey, jwks });
  if (keys.length !== 1)
    return [
      wrong(
        'Option `authentication.jwt`',
        'exactly one of secret, publicKey and jwks',
        keys.join(' and ') || 'none',
      ),
    ];
  const fitting = keys[0] === 'secret' ? HMAC : KEY_PAIR;
  const odd = algorithms.filter((algorithm) => !fitting.includes(algorithm));
  const what = 'Option `authentication.jwt.algorithms`';
  return odd.map((algorithm) => wrong(what, `some of ${fitting.join(', ')} with a ${keys[0]}`, algorithm));
}

const given = (values: Readonly<Record<string, unknown>>): string[] =>
  Object.keys(values).filter((name) => values[name] !== undefined);
