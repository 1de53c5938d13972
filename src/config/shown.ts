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
  const hint = HINTS.find(([schemes]) => schemes.test(scheme ?? ''))?.[1] ?? '';
  return `a text of ${text.length} character${text.length === 1 ? '' : 's'}${scheme ? ` that begins with ${scheme}` : ''}${hint}`;
}

const ENCODED = "a password's /, ?, #, @ and % are percent-encoded, as %2F, %3F, %23, %40 and %25";

/** What may be wrong behind a scheme that is right. */
const HINTS: [schemes: RegExp, hint: string][] = [
  [/^rediss?:/i, `: its path is the number of a database or empty, and ${ENCODED}`],
  [/^(mysql2?|mariadb|postgres(ql)?):/i, `: its path is the name of a database, and ${ENCODED}`],
];

const cut = (text: string): string =>
  text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;

/**
 * A text without the passwords of the URLs in it. Up to the last `@` of a word, since one that is not percent-encoded may have
 * any character.
 */
export const hidePassword = (text: string): string =>
  text.replace(/(:\/\/[^:@\s]*:)\S*@/g, '$1***@').replace(/([?&]\w*password=)[^&\s]*/gi, '$1***');
