/** How it is resolved which pages may speak to the server. */
import type { Found } from './found.js';
import { originOf } from './origin.js';
import type { ResolvedOrigins } from './resolved.js';

const ANY =
  'Pages of any origin may speak to this server, as NODE_ENV is not production. Set origins in faye.config.ts before others can reach this server.';

export function resolveOrigins({ file, production, warnings }: Found): ResolvedOrigins {
  const { origins } = file;
  if (origins === undefined && !production) warnings.push(ANY);
  if (origins === '*' || (origins === undefined && !production)) return { any: true, allowed: [] };
  return { any: false, allowed: [...new Set((origins ?? []).flatMap((origin) => originOf(origin) ?? []))] };
}
