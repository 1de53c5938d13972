/** What came, as it is shown: short, and without secrets. */
import { types } from 'node:util';
import { isClient, isCluster } from './redis-client.js';

export const wrong = (what: string, expected: string, got: string): string =>
  `${what}: expected ${expected}, got ${got}`;

const LONGEST_SHOWN = 60;

/** What came, short, and of a secret no more than what kind of thing it is. */
export function shown(value: unknown, secret?: true | 'url'): string {
  if (typeof value === 'string')
    return secret ? hidden(value, secret) : JSON.stringify(cut(hidePassword(value)));
  if (typeof value === 'function') return 'a function';
  if (value === undefined) return 'nothing';
  if (typeof value !== 'object' || value === null) return secret ? aKindOf(value) : String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (types.isRegExp(value)) return String(value);
  if (isCluster(value)) return 'a Cluster';
  const keys = isClient(value) ? [] : Object.keys(value);
  return keys.length > 0 ? `an object with ${cut(keys.join(', '))}` : 'an object';
}

const aKindOf = (value: unknown): string => (value === null ? 'null' : `a ${typeof value}`);

function hidden(text: string, secret: true | 'url'): string {
  const scheme = secret === 'url' ? /^[a-z]+:\/\//i.exec(text)?.[0] : undefined;
  return `a text of ${text.length} character${text.length === 1 ? '' : 's'}${scheme ? ` that begins with ${scheme}` : ''}`;
}

const cut = (text: string): string =>
  text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;

/** A text without the passwords of the URLs in it. */
export const hidePassword = (text: string): string =>
  text.replace(/(:\/\/[^/@\s]*:)[^/\s]*@/g, '$1***@').replace(/([?&]password=)[^&\s]*/gi, '$1***');
