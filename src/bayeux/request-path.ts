import type { IncomingMessage } from 'node:http';

/**
 * The path that a request asks for. Never throws, unlike `new URL`, which Faye asks about each request of its server:
 * `GET //` ends a plain Faye process.
 */
export function pathOf({ url = '/' }: IncomingMessage): string {
  const target = url.startsWith('/') || !URL.canParse(url) ? url : new URL(url).pathname;
  return target.split(/[?#]/, 1)[0] ?? '/';
}

export function queryOf({ url = '/' }: IncomingMessage): URLSearchParams {
  const start = url.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : url.slice(start + 1));
}
