/** What the server is given. */
import type { Verify } from '../authentication/custom.js';
import type { TimeZones } from '../records/take-over/take-over.js';
import type { RedisSource } from '../redis/connection.js';
import type {
  AuthenticationConfig,
  EngineName,
  ExtensionsConfig,
  JwtConfig,
  LimitsConfig,
  LogLevel,
  RatesConfig,
  ValidMessage,
  WindowsConfig,
} from './types.js';

/** A `Config` with its defaults and the environment. What is optional here has no default. */
export interface ResolvedConfig {
  port: number;
  host: string;
  mount: string;
  timeout: number;
  ping: number;
  /** Seconds. */
  keepAliveTimeout: number;
  origins: ResolvedOrigins;
  jsonp: boolean;
  compression: boolean;
  /** Proxies in front: the client's address is this entry of X-Forwarded-For from its end; 0 is the connection's own. */
  trustProxy: number;
  engine: EngineName;
  redis: ResolvedRedis | null;
  /** Null where nothing is recorded. */
  records: ResolvedRecords | null;
  /** Entries that wait to be recorded at most, of each partition. */
  journalBound: number;
  namespace: string;
  gc: number;
  /** Seconds. */
  grace: number;
  leaveDelay: number;
  windows: Required<WindowsConfig>;
  limits: Required<LimitsConfig>;
  /** A second. */
  rates: Required<RatesConfig>;
  channelPattern?: RegExp;
  relay: string[];
  extensions: ExtensionsConfig;
  authentication: ResolvedAuthentication;
  /** Seconds. */
  expiryGrace: number;
  validMessage?: ValidMessage;
  adminToken?: string | undefined;
  demo: boolean;
  logLevel: LogLevel;
  /** Whether NODE_ENV is `production`. */
  production: boolean;
  /** Sentences for the operator, to be shown at the start. */
  warnings: string[];
}

export interface ResolvedOrigins {
  /** Any page may speak to the server; `allowed` is then empty. */
  any: boolean;
  /**
   * Beside the server's own origin, each as browsers write it: `https://example.com`, `http://localhost:8080`,
   * `capacitor://localhost`; or with a wildcard: `https://*.example.com`, `moz-extension://*`.
   */
  allowed: string[];
}

export interface ResolvedRecords {
  url: string;
  /** Milliseconds that log rows and stays are kept; undefined is for ever. */
  keep: number | undefined;
  hashClientIds: boolean;
  migrate: { takeOver: TimeZones | undefined; oldViews: boolean };
}

export interface ResolvedRedis {
  source: RedisSource;
  /** Where faye-redis connects to; null where it is not known, and the engine is another. */
  engineUrl: string | null;
  /** Among how many channels and clients are divided with Redis Cluster. */
  partitions: number;
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
