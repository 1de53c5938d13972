/** Moments as people write them: ISO 8601, and in UTC unless they say otherwise. */
import { InvalidQueryError } from '../errors.js';

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:?\d\d)?)?$/i;

/** Milliseconds since 1970. Throws `InvalidQueryError` for what is no moment; `name` is what it is to be. */
export function momentOf(text: string, name: string): number {
  const [, date = '', time = '00:00', zone = 'Z'] = ISO.exec(text) ?? [];
  const moment = Date.parse(`${date}T${time}${zone}`);
  if (Number.isNaN(moment) || !isDate(date))
    throw new InvalidQueryError(
      `Expected \`${name}\` to be a time such as 2026-01-31 or 2026-01-31T12:00:00Z, got ${JSON.stringify(text)}`,
    );
  return moment;
}

/** The 30th of February is none, and would be taken for the 2nd of March. */
const isDate = (date: string): boolean => {
  const midnight = new Date(`${date}T00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(date);
};
