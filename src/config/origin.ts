/** How an origin is written in the option `origins`. */

/** A host, or a wildcard for one or more labels in front of it. A path or a password would never match. */
const WEB = /^https?:\/\/(?:\*\.)?[^/\\?#@*\s]+$/i;
/** Apps and extensions. Firefox gives an extension another host in each browser: `moz-extension://*`. */
const APP = /^([a-z][a-z0-9+.-]*):\/\/(?:\*|[^/\\?#@*\s]+)$/i;
/** Schemes of no page, or of pages that name the origin `null`, as any sandboxed frame does. */
const NO_APP = new Set(['http', 'https', 'ws', 'wss', 'ftp', 'file', 'data', 'blob', 'about', 'javascript']);
/** `https://*.com` would let in whoever has a domain. */
const WIDEST = /^\*\.(?:localhost|[^.]+(?:\.[^.]+)+)$/;

/**
 * The origin as browsers write it, in lower case and without the default port of its scheme, with its wildcard. Undefined
 * for a text that can match no origin, or too many.
 */
export function originOf(text: string): string | undefined {
  return WEB.test(text) ? webOrigin(text) : appOrigin(text);
}

function webOrigin(text: string): string | undefined {
  const [, scheme, wildcard = '', rest] = /^(.*?:\/\/)(\*\.)?(.*)$/.exec(text) ?? [];
  const sample = `${scheme}${wildcard && 'x.'}${rest}`;
  if (!URL.canParse(sample)) return undefined;
  const { protocol, hostname, port } = new URL(sample);
  const host = wildcard ? hostname.replace('x.', '*.') : hostname;
  if (wildcard && !WIDEST.test(host)) return undefined;
  return `${protocol}//${host}${port && `:${port}`}`;
}

function appOrigin(text: string): string | undefined {
  const scheme = APP.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined || NO_APP.has(scheme) || !URL.canParse(text)) return undefined;
  return scheme + text.slice(scheme.length);
}
