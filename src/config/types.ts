/** What an operator may write: the docstrings say what declarations/ declares, and a spec compares them. */
import type { Cluster, Redis } from 'ioredis';
import type { JSONWebKeySet } from 'jose';
import type { Verify } from '../authentication/custom.js';
import type { Extension, FayeExtension, Message, Request } from '../bayeux/extension.js';
import type { Identity } from '../presence/identity.js';

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
   * How long an HTTP connection is kept open between two requests, as Node's server.keepAliveTimeout. Behind a load
   * balancer that keeps its connections to the server, make it longer than the balancer does. A number of seconds from 1
   * to 3600. Default: 5.
   */
  keepAliveTimeout?: number;
  /**
   * Whose pages may speak to the server beside those of its own origin; a request without an Origin is not held back.
   * Apps and extensions have schemes of their own: capacitor://localhost, chrome-extension://<id>. A list of
   * scheme://host[:port] without a path, or https://*.host for subdomains, or '*' for any. Default: none where NODE_ENV
   * is production, any otherwise.
   */
  origins?: string[] | '*';
  /**
   * JSON-P and callback-polling: GET requests without an Origin, which any page can send. A stock Faye client on a page
   * of another origin needs it for its handshake, with the token in the URL; faye-online's client does not. True or
   * false. Default: false.
   */
  jsonp?: boolean;
  /**
   * permessage-deflate on WebSockets; costs memory for each socket and CPU for each message to each, as a compressed
   * frame is not shared. True or false. Default: false.
   */
  compression?: boolean;
  /**
   * How many stand in front of the server: the client's address is that entry of X-Forwarded-For, counted from its
   * end, and with 0 the connection's own. With too few all clients count as one address, with too many a client can
   * choose its own. A whole number of proxies from 0 to 10. Default: 0.
   */
  trustProxy?: number;
  /**
   * What carries messages between clients: ours, in one process or through Redis in many; Faye's own, in one process
   * alone; or that of the npm package faye-redis. One of
   * faye-online, faye-memory, faye-redis. Default: faye-online.
   */
  engine?: EngineName;
  /**
   * Redis 7.0 or newer, or Valkey, for more than one node. Of an ioredis instance, by Sentinel and Cluster too, we open
   * connections like it; what a function returns is used as it is. A redis:// or rediss:// URL, an ioredis Redis or
   * Cluster, a function that returns one, { url } or { client, partitions, engineUrl }. Default: none, all is in memory.
   */
  redis?: RedisConfig;
  /** What is remembered in SQL: the login log, online time, who is online. An object. */
  records?: RecordsConfig;
  /** First part of every key in Redis; nodes with the same namespace, database and `keyPrefix` are one server. A text of
   * 1 to 64 of the characters a-z, A-Z, 0-9, _ and -. Default: faye. */
  namespace?: string;
  /** How often the reaper looks for what a crash left behind. A number of seconds from 1 to 3600. Default: 5. */
  gc?: number;
  /**
   * How long a client has to come back after its WebSocket has closed, with the engine faye-online; npm's client takes
   * 5. A number of seconds from 0.5 to 300. Default: 8.
   */
  grace?: number;
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
  /**
   * How long names, identities and lists may be, and how much one message, client or address may take. An object.
   */
  limits?: LimitsConfig;
  /**
   * How fast one client or address may speak; what is beyond is refused with 429 and counted. No honest page meets
   * them. An object.
   */
  rates?: RatesConfig;
  /**
   * What room and time channels must match beside the Bayeux grammar; faye-online had /^[0-9a-z/]+$/i. A RegExp
   * without the flags g and y. Default: none.
   */
  channelPattern?: RegExp;
  /**
   * Top-level fields of a publish that subscribers get beside channel, data and id; ext without ext.auth. What the
   * app's own extensions add is relayed in any case. A list of names of message fields other than channel, clientId, id,
   * data, auth, advice, error and successful. Default: none.
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
   * How long after its token's exp a client stays in what it entered with it. A number of seconds from 0 to 3600.
   * Default: 60.
   */
  expiryGrace?: number;
  /**
   * Asked about every message of a browser; false refuses it, and `throw new Refused(reason)` says why. A function
   * (message, request) → boolean, or a promise of it. Default: none.
   */
  validMessage?: ValidMessage;
  /**
   * What opens /api/ and /metrics, as `Authorization: Bearer …`. Set it behind a proxy on the same machine. A text of at
   * least 16 characters. Default: none, programs on the same machine may read /metrics, and there is no /api/.
   */
  adminToken?: string;
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
  /** Longest channel name; that of a room or time channel is 15 shorter, for the names of its lists. A whole number of
   * characters from 17 to 255. Default: 255. */
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
  /** Largest message; a larger one is refused. A WebSocket frame or HTTP body may have four times as many, or 1 MiB more
   * if that is less; a larger one closes its connection. A whole number of bytes from 1024 to 16777216. Default: 65536. */
  messageBytes?: number;
  /** Most messages in one array. A whole number of messages from 1 to 1000. Default: 100. */
  batchLength?: number;
  /** Most subscriptions of one client. A whole number of subscriptions from 1 to 10000. Default: 100. */
  subscriptions?: number;
  /** Most messages that wait for a polling client, with the engine faye-online; the oldest are dropped. A whole number
   * of messages from 1 to 100000. Default: 1000. */
  waitingMessages?: number;
  /** Most bytes that wait for a polling client, with the engine faye-online. A whole number of bytes from 1024 to
   * 104857600. Default: 1048576. */
  waitingBytes?: number;
  /** Most that may wait to be sent to one client; with more it is disconnected. A whole number of bytes from 65536
   * to 104857600. Default: 1048576. */
  unsentBytes?: number;
  /** Most clients of one address, on one node. A whole number of clients from 1 to 1000000. Default: 5000. */
  clientsPerAddress?: number;
}

export interface RatesConfig {
  /** Messages of one client, counted over 10 s. A number a second from 1 to 1000000. Default: 100. */
  messagesPerClient?: number;
  /** Messages of one address, counted over 10 s. A number a second from 1 to 1000000. Default: 5000. */
  messagesPerAddress?: number;
  /** Handshakes of one address, counted over 10 s. A number a second from 1 to 1000000. Default: 200. */
  handshakesPerAddress?: number;
}

export interface AuthenticationConfig {
  /** Proof by JSON Web Token in auth.token; exactly one of secret, publicKey and jwks. An object. Default: by
   * FAYE_ONLINE_SECRET, where that is set. */
  jwt?: JwtConfig;
  /** Proof by a function of your own; null is not signed in, false refuses, and `throw new Refused(reason)` says why. A
   * function (message, request) → identity, null or false, or a promise of it. Default: none. */
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
  /**
   * How far the issuer's clock may be off. A token counts for so long after its exp, and expiryGrace begins then. A number
   * of seconds from 0 to 3600. Default: 5.
   */
  clockTolerance?: number;
}

export interface RecordsConfig {
  /**
   * The database; none records nothing. A database URL (sqlite:<file>, mysql://<user>:<password>@<host>/<database> or
   * postgres://<the same>), or none. Default: sqlite:./data/faye-online.db in one process, none with Redis and with
   * attachPresence.
   */
  url?: string;
  /**
   * How long rows of the login log and stays are kept that ended; sums of online time stay. A number of days from 1 to
   * 36500. Default: for ever.
   */
  keep?: number;
  /**
   * Keeps a hash in place of each clientId, which is a secret while its client lives. The same on all nodes, and from
   * the first start on. True or false. Default: false.
   */
  hashClientIds?: boolean;
  /**
   * To take over a database of the gem faye-online: where its server ran, as it wrote local times. An IANA time zone such
   * as Europe/Berlin. Default: none, such a database is not touched.
   */
  timeZone?: string;
  /**
   * Of the login log of such a database, where that is another: Rails writes UTC unless it is told otherwise. An IANA time
   * zone such as Europe/Berlin. Default: timeZone.
   */
  logTimeZone?: string;
  /** Makes views in the shape of the gem's tables, for pages that read those. True or false. Default: false. */
  oldViews?: boolean;
  /**
   * Most that wait while the database is away, of each partition; beyond it the oldest are dropped, and that is said. A
   * whole number of entries from 100 to 100000000. Default: 1000000.
   */
  journalBound?: number;
}

export type RedisClient = Redis | Cluster;
export type RedisSource = string | RedisClient | (() => RedisClient);
export type RedisConfig = RedisSource | RedisOptions;

export interface RedisOptions {
  /** The same as `redis` as a text. A redis:// or rediss:// URL. Default: none. */
  url?: string;
  /** Instead of url. An ioredis Redis or Cluster, or a function that returns one. Default: none. */
  client?: RedisClient | (() => RedisClient);
  /**
   * Beside client: among how many parts channels and clients are divided with Redis Cluster, each on one master. The first
   * node writes it down, and a node that has another number is refused. A whole number of partitions from 1 to 256.
   * Default: 16.
   */
  partitions?: number;
  /**
   * Beside client, with the engine faye-redis: where that connects to, as it takes no client. A redis:// or rediss:// URL.
   * Default: read from a plain ioredis instance.
   */
  engineUrl?: string;
}

export type ExtensionList = readonly (Extension | FayeExtension)[];
export type ExtensionOrder = (ours: Extension[]) => (Extension | FayeExtension)[];
export type ExtensionsConfig = ExtensionList | ExtensionOrder;

export type MayEnter = (identity: Identity, channel: string) => boolean | Promise<boolean>;
export type MayUse = (identity: Identity | null, channel: string) => boolean | Promise<boolean>;
export type ValidMessage = (message: Message, request: Request) => boolean | Promise<boolean>;

export const ENGINES = ['faye-online', 'faye-memory', 'faye-redis'] as const;
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type EngineName = (typeof ENGINES)[number];
export type LogLevel = (typeof LOG_LEVELS)[number];
