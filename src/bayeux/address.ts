import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

const UNKNOWN = 'unknown';

/**
 * Whose address a request counts for. Behind `proxies` proxies it is that many entries from the end of
 * X-Forwarded-For: each proxy appends whom it heard from, and what stands before that anybody may have written.
 * An IPv6 address counts by its first 64 bits, which is what one household has.
 */
export function addressOf(request: IncomingMessage, proxies: number): string {
  const known = addresses.get(request);
  if (known !== undefined) return known;
  const address = readAddress(request, proxies);
  addresses.set(request, address);
  return address;
}

/** The request of a WebSocket comes with each of its messages. */
const addresses = new WeakMap<IncomingMessage, string>();

function readAddress(request: IncomingMessage, proxies: number): string {
  const own = request.socket.remoteAddress;
  if (proxies === 0) return normal(own);
  const header = request.headers['x-forwarded-for'];
  const heard = (Array.isArray(header) ? header.join(',') : (header ?? ''))
    .split(',')
    .map((part) => part.trim());
  const named = normal(withoutPort(heard.at(-proxies) ?? ''));
  // What can't be read must not make everybody one.
  return named === UNKNOWN ? normal(own) : named;
}

/** Some proxies write `1.2.3.4:5678` and `"[2001:db8::1]:443"`. */
function withoutPort(text: string): string {
  const bare = text.replace(/^"|"$/g, '');
  return /^\[([^\]]*)\](?::\d+)?$/.exec(bare)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(bare)?.[1] ?? bare;
}

function normal(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return UNKNOWN;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const [a, b, c, d] = (parsed as ipaddr.IPv6).parts.map((part) => part.toString(16));
  return `${a}:${b}:${c}:${d}::/64`;
}
