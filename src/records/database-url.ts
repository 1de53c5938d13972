/** Where records are kept, as `DATABASE_URL` says it. */

export type Kind = 'sqlite' | 'mysql' | 'postgres';

export type Place = { kind: 'sqlite'; file: string } | { kind: 'mysql' | 'postgres'; url: string };

export const DEFAULT_URL = 'sqlite:./data/faye-online.db';

const EXPECTED = 'sqlite:<file>, mysql://<user>:<password>@<host>/<database> or postgres://<the same>';

const SERVERS: Record<string, 'mysql' | 'postgres'> = {
  'mysql:': 'mysql',
  // As Rails has it, where the gem is.
  'mysql2:': 'mysql',
  'mariadb:': 'mysql',
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
};

/** Throws where the URL is none of ours. The message shows no more than its scheme: the rest may hold a password. */
export function placeOf(url: string): Place {
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0].toLowerCase();
  if (scheme === 'sqlite:') return { kind: 'sqlite', file: fileOf(url) };
  const kind = SERVERS[scheme ?? ''];
  if (!kind) throw unexpected(scheme ? `one that begins with "${scheme}"` : 'one without a scheme');
  return { kind, url: parsed(url, kind) };
}

export function isDatabaseUrl(url: string): boolean {
  try {
    placeOf(url);
    return true;
  } catch {
    return false;
  }
}

/** `sqlite:a.db` and `sqlite:///srv/a.db` alike; `sqlite::memory:` is kept nowhere. */
function fileOf(url: string): string {
  const file = url.slice('sqlite:'.length).replace(/^\/\/(?=.)/, '');
  if (file === '' || file.endsWith('/')) throw unexpected('one that names no file');
  return file;
}

function parsed(url: string, kind: string): string {
  if (!URL.canParse(url)) throw unexpected('one that can not be read');
  const { hostname, pathname, searchParams, hash } = new URL(url);
  // Else a part of it would be the path, the query or the fragment, and what is before it the host.
  const isSplit =
    /[@/]/.test(pathname.slice(1)) || hash !== '' || /[^\w&]/.test([...searchParams.keys()].join('&'));
  if (isSplit) throw unexpected('one whose password, or database, is not percent-encoded');
  if (hostname === '' && !searchParams.has('host')) throw unexpected('one without a host');
  if (pathname.length < 2) throw unexpected('one without a database');
  return url.replace(/^[^:]*:/, `${kind}:`);
}

const unexpected = (got: string): Error =>
  new Error(`Expected \`DATABASE_URL\` to be ${EXPECTED}, got ${got}`);

/** For people and logs: without name and password. */
export function describePlace(place: Place): string {
  if (place.kind === 'sqlite') return `SQLite in ${place.file}`;
  const { host, pathname } = new URL(place.url);
  const name = place.kind === 'mysql' ? 'MySQL' : 'PostgreSQL';
  return `${name} at ${host}, database ${decodeURIComponent(pathname.slice(1))}`;
}
