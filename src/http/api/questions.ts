/** What is asked for, as the parameters of a URL say it; throws `InvalidQueryError` for what can't be meant. */
import { InvalidQueryError } from '../../errors.js';
import { momentOf } from '../../records/moment.js';
import type { LogFilter } from '../../records/records.js';

type Query = Readonly<Record<string, unknown>>;

/** Of each answer, where nothing else is asked for. */
const PAGE = 500;

/** Those named, each at most once, and no other. */
export function parametersOf<N extends string>(
  query: Query,
  names: readonly N[],
): Partial<Record<N, string>> {
  const found: Partial<Record<N, string>> = {};
  for (const [name, value] of Object.entries(query)) {
    const known = names.find((each) => each === name);
    if (known === undefined) throw unexpected(name, names);
    if (typeof value !== 'string') throw new InvalidQueryError(`Expected \`${name}\` once, as a text`);
    found[known] = value;
  }
  return found;
}

const unexpected = (name: string, names: readonly string[]): InvalidQueryError =>
  new InvalidQueryError(`Unknown parameter \`${name}\`: expected ${names.join(', ') || 'none'}`);

export function pageOf<N extends string = never>(query: Query, ...more: N[]) {
  const { limit, after, ...rest } = parametersOf<N | 'limit' | 'after'>(query, [...more, 'limit', 'after']);
  return { ...(rest as Partial<Record<N, string>>), limit: limitOf(limit), after };
}

export function filterOf(query: Query): LogFilter & { user?: string | undefined } {
  const names = ['user', 'channel', 'from', 'to', 'limit', 'before'] as const;
  const { user, channel, from, to, limit, before } = parametersOf(query, names);
  return {
    user,
    channel,
    from: dateOf(from, 'from'),
    to: dateOf(to, 'to'),
    limit: limitOf(limit),
    before,
  };
}

const dateOf = (text: string | undefined, name: string): Date | undefined =>
  text === undefined ? undefined : new Date(momentOf(text, name));

/** What is out of bounds the reports refuse. */
function limitOf(text = String(PAGE)): number {
  if (!/^\d{1,9}$/.test(text))
    throw new InvalidQueryError(`Expected \`limit\` to be a whole number, got ${JSON.stringify(text)}`);
  return Number(text);
}
