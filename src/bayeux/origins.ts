/**
 * Which pages may speak to the server. Browsers name a page's origin in each cross-origin request and with each
 * WebSocket; programs name none, and are let through: they could say anything.
 */
import type { IncomingMessage } from 'node:http';
import type { OccasionalLog } from '../occasional-log.js';

export interface OriginsOptions {
  /** Any page. For development. */
  any: boolean;
  /**
   * `scheme://host[:port]` of the pages beside the server's own. A host that begins with `*.` stands for all of its
   * subdomains, and `*` alone for any host.
   */
  allowed: readonly string[];
}

/** Characters of an origin in the log. */
const LONGEST = 255;
const NOT_ALLOWED = 'a page of an origin that the option `origins` does not name was refused';

/** What stands around the wildcard of an allowed origin: `https://*.example.com:8443`. */
interface Pattern {
  before: string;
  after: string;
}

export class Origins {
  private readonly allowed: ReadonlySet<string>;
  private readonly patterns: readonly Pattern[];

  constructor(
    private readonly options: OriginsOptions,
    private readonly log: OccasionalLog,
  ) {
    this.allowed = new Set(options.allowed);
    this.patterns = options.allowed.flatMap((origin) => {
      const [before, after] = origin.split('*');
      return before === undefined || after === undefined ? [] : [{ before, after }];
    });
  }

  /** As `allows`, with a line in the log for a page that is refused. */
  admits(request: IncomingMessage): boolean {
    const isAllowed = this.allows(request);
    if (!isAllowed) this.log.warn(NOT_ALLOWED, { origin: request.headers.origin?.slice(0, LONGEST) });
    return isAllowed;
  }

  allows({ headers }: IncomingMessage): boolean {
    const { origin } = headers;
    // HTTP/2 has this in the place of Host; HTTP/1 can't have a header of that name.
    const host = headers[':authority'] ?? headers.host;
    if (origin === undefined || this.options.any || this.isAllowed(origin)) return true;
    // A page of the server's own, whatever stands between that speaks TLS for it.
    return isWebOrigin(origin) && new URL(origin).host === host;
  }

  private isAllowed(origin: string): boolean {
    if (origin.includes('*')) return false;
    return this.allowed.has(origin) || this.patterns.some((pattern) => fits(origin, pattern));
  }

  /**
   * What lets the page read the answer, with its cookies: Faye's client sends every cross-origin request with them.
   * Empty for a page that may not, and for a request that names no origin.
   */
  headers(request: IncomingMessage): Record<string, string> {
    const { origin } = request.headers;
    if (origin === undefined || !this.allows(request)) return {};
    return {
      'Access-Control-Allow-Origin': origin,
      'Access-Control-Allow-Credentials': 'true',
      Vary: 'Origin',
    };
  }
}

/** Whether what stands for the wildcard is part of a host, and nothing else: no port, and no path. */
function fits(origin: string, { before, after }: Pattern): boolean {
  if (!origin.startsWith(before) || !origin.endsWith(after)) return false;
  return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(origin.slice(before.length, origin.length - after.length));
}

/** As a browser writes the origin of a web page: no extension's, and nothing beside scheme, host and port. */
function isWebOrigin(text: string): boolean {
  if (!/^https?:/.test(text) || !URL.canParse(text)) return false;
  return new URL(text).origin === text;
}
