/**
 * Which pages may speak to the server. Browsers name a page's origin in each cross-origin request and with each
 * WebSocket; programs name none, and are let through: they could say anything.
 */
import type { IncomingMessage } from 'node:http';

export interface OriginsOptions {
  /** Any page. For development. */
  any: boolean;
  /** `scheme://host[:port]` of the pages beside the server's own. */
  allowed: readonly string[];
}

export class Origins {
  private readonly allowed: ReadonlySet<string>;

  constructor(private readonly options: OriginsOptions) {
    this.allowed = new Set(options.allowed);
  }

  allows({ headers }: IncomingMessage): boolean {
    const { origin } = headers;
    // HTTP/2 has this in the place of Host; HTTP/1 can't have a header of that name.
    const host = headers[':authority'] ?? headers.host;
    if (origin === undefined || this.options.any || this.allowed.has(origin)) return true;
    // A page of the server's own, whatever stands between that speaks TLS for it.
    return isWebOrigin(origin) && new URL(origin).host === host;
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

/** As a browser writes the origin of a web page: no extension's, and nothing beside scheme, host and port. */
function isWebOrigin(text: string): boolean {
  if (!/^https?:/.test(text) || !URL.canParse(text)) return false;
  return new URL(text).origin === text;
}
