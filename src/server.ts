/** A whole server from a config: Faye, presence on it, and the HTTP around them. */
import { once } from 'node:events';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import express, { type Express } from 'express';
import faye, { type NodeAdapter } from 'faye';
import helmet from 'helmet';
import type { Logger } from 'pino';
import type { Whom } from '../extensions/administration.js';
import { type Attached, attach } from './attach.js';
import { type Config, type ResolvedConfig, resolveConfig } from './config/index.js';
import { Counters } from './counters.js';
import { type Engine, engineFor } from './engine-for.js';
import { api } from './http/api/api.js';
import { Connections } from './http/connections.js';
import { health } from './http/health.js';
import { metrics, type Sample } from './http/metrics.js';
import { pages } from './http/pages.js';
import { shareUpgrades } from './http/upgrades.js';
import { createLog } from './log.js';
import type { Presence } from './presence/presence.js';
import type { Records } from './records/records.js';
import { type ServerStatus, statusOf } from './status.js';

/** Milliseconds that clients have to close their sockets before they are cut. */
const DRAIN = 2_000;
/** Milliseconds that stopping may take, but for what is said to Redis; and those that the database gets of it in any case. */
const LONGEST_STOP = 2_500;
const FOR_RECORDS = 500;
/** Milliseconds by which the time for a request's headers is longer than the time that a connection waits for it. */
const HEADERS_MARGIN = 1_000;

/**
 * Makes a server; nothing listens before `start`. Throws `ConfigError` for a config that is wrong.
 *
 * The environment (PORT, HOST, REDIS_URL, DATABASE_URL, NODE_ENV, LOG_LEVEL, FAYE_ONLINE_SECRET, FAYE_ONLINE_SERVER_TOKEN) wins.
 */
export function createServer(config: Config = {}): FayeOnlineServer {
  return new FayeOnlineServer(resolveConfig(config));
}

export class FayeOnlineServer {
  /** Who is where, and the `join` and `leave` events of this node. */
  readonly presence: Presence;
  /** What was recorded: who was where, when, and for how long. Undefined where records are off. */
  readonly records: Records | undefined;
  /** Faye's own adapter: `getClient()` publishes from within the process. */
  readonly bayeux: NodeAdapter;
  /** The Express app around it; routes of yours may be added. */
  readonly app: Express;
  readonly http: Server;
  private readonly attached: Attached;
  private readonly engine: Engine;
  private readonly connections: Connections;
  private readonly tally = new Counters();
  private readonly log: Logger;
  private listening: Promise<unknown> = Promise.resolve();
  private stopped = false;

  constructor(private readonly config: ResolvedConfig) {
    this.log = createLog(config.logLevel, config.production);
    this.engine = engineFor(config, this.tally, this.log);
    const { mount, timeout, ping } = config;
    const { type } = this.engine;
    this.bayeux = new faye.NodeAdapter({ mount, timeout, ping, ...(type && { engine: { type } }) });
    this.attached = attach(this.bayeux, config, this.tally, this.log, this.engine.shared);
    this.presence = this.attached.presence;
    this.records = this.attached.records;
    this.app = this.routes();
    this.http = createHttpServer(this.app);
    keepAlive(this.http, config.keepAliveTimeout * 1_000);
    this.bayeux.attach(this.http);
    shareUpgrades(this.http, this.bayeux);
    this.connections = new Connections(this.http);
  }

  /**
   * Listens. With Redis it does so also while Redis is away; `/readyz` says when it is there. It does not wait for the
   * database, either; `/healthz` says where nothing can be recorded. Rejects once it has been stopped.
   */
  async start(): Promise<{ url: string }> {
    if (this.stopped) throw new Error('This server has been stopped; create another');
    const { host, port } = this.config;
    for (const warning of this.config.warnings) this.log.warn(warning);
    this.attached
      .open()
      .catch((error: unknown) => this.log.error({ err: error }, 'the store could not be opened'));
    this.http.listen(port, host);
    this.listening = once(this.http, 'listening');
    await this.listening;
    return { url: this.url };
  }

  /**
   * Stops accepting, closes its sockets without ending their clients, so that they go to another node, and resolves
   * once all is closed and what there is to record is written: within 3 s, or 5 where there is something yet to be said to
   * other nodes, just after Redis was away. Before `start`, and while it starts, too.
   */
  async stop(): Promise<void> {
    this.stopped = true;
    const end = performance.now() + LONGEST_STOP;
    // Closed between `listen` and listening, it would leave `start` waiting. Why it can't listen, `start` says.
    await Promise.allSettled([this.listening]);
    const closed = once(this.http, 'close');
    this.http.close();
    const drained = this.connections.drain(DRAIN);
    this.attached.bayeux.releaseConnections();
    await drained;
    await closed;
    await this.attached.close(Math.max(end - performance.now(), FOR_RECORDS));
    this.bayeux.close();
    await this.engine.close?.();
  }

  /**
   * Ends a client, or all clients of a user, on whichever node, with the advice not to come back for `awayFor` seconds
   * (default 60). A user is kept out for that long.
   */
  disconnect(whom: Whom, { awayFor = 60 }: { awayFor?: number } = {}): Promise<void> {
    return this.attached.administration.disconnect(whom, awayFor * 1_000);
  }

  /** This node, and with Redis all that live. Rejects where Redis can't be asked. */
  async status(): Promise<ServerStatus> {
    return { ...statusOf(this.attached), nodes: (await this.engine.nodes?.()) ?? [] };
  }

  /** What was refused and who was cut off since the start, by name. */
  get counters(): Record<string, number> {
    return this.tally.all();
  }

  get url(): string {
    const { address, port } = this.http.address() as AddressInfo;
    return `http://${urlHost(address)}:${port}`;
  }

  /** For the person who started it: addresses, store, engine, and how to get the real thing. */
  describe(): string[] {
    const { store, bayeux } = this.attached;
    const { mount, demo, redis, authentication } = this.config;
    return [
      `Bayeux    ${this.url}${mount}`,
      ...(demo ? [`Try it    ${this.url}/`] : []),
      `Health    ${this.url}/healthz`,
      `Store     ${store.status.description}`,
      `Engine    ${bayeux.online.status.description}`,
      `Records   ${this.records?.state.database ?? 'off'}`,
      `Sign-in   ${SIGN_IN[authentication.way]}`,
      ...(redis ? [] : ['For more than one process: set REDIS_URL=redis://…']),
      ...(authentication.way === 'trust'
        ? ['For real users: set FAYE_ONLINE_SECRET=… and NODE_ENV=production']
        : []),
    ];
  }

  private sample(): Sample {
    const { bayeux, presence } = this.attached;
    const { clients, users } = presence.sizes;
    const { size: streams, traffic } = bayeux.transports;
    return {
      clients,
      users,
      channels: bayeux.subscriptions.size,
      streams,
      ...traffic,
      events: this.counters,
      records: this.records?.state,
    };
  }

  private routes(): Express {
    const { store, bayeux } = this.attached;
    const { adminToken } = this.config;
    const app = express();
    app.disable('x-powered-by');
    // Whatever NODE_ENV is: otherwise a route that fails answers with its stack.
    app.set('env', 'production');
    // Not for subdomains: what is there is not ours, and may be HTTP.
    const strictTransportSecurity = { includeSubDomains: false };
    app.use(helmet({ contentSecurityPolicy: CONTENT_SECURITY, strictTransportSecurity }));
    app.use(
      health(() => ({
        store: store.status,
        engine: bayeux.online.status,
        records: this.records?.state,
      })),
    );
    app.use(metrics({ adminToken, sample: () => this.sample() }));
    app.use(api({ adminToken, records: this.records, log: this.log }));
    app.use(pages(this.config));
    return app;
  }
}

/** `timeout`: in ms. A connection that waits for its next request must not be cut as one whose headers take too long. */
function keepAlive(http: Server, timeout: number): void {
  http.keepAliveTimeout = timeout;
  http.headersTimeout = Math.max(http.headersTimeout, timeout + HEADERS_MARGIN);
}

/** The host of a URL by which an address that is listened on can be reached from this machine. */
function urlHost(address: string): string {
  if (['0.0.0.0', '::', '127.0.0.1'].includes(address)) return 'localhost';
  // URLs have no place for the zone of a link-local address.
  return isIPv6(address) ? `[${address.replace(/%.*/, '')}]` : address;
}

/** The demo page has no inline script or style; `'self'` covers its own WebSocket. */
const CONTENT_SECURITY = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'self'"],
    objectSrc: ["'none'"],
  },
};

const SIGN_IN = {
  trust: 'the browser is believed',
  jwt: 'JSON Web Tokens',
  verify: 'a function of the config',
};
