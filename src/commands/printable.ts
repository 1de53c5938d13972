/**
 * What users have chosen, such as names and channels, for a terminal: it may hold sequences that move the cursor, write the
 * clipboard, change the title, or turn the direction of text, so that a line reads as another.
 */

/**
 * Control characters, invisible ones that format or change the direction, separators of lines, and halves of pairs. Joiners (U+200C
 * and U+200D) stay: emoji and some languages need them.
 */
const UNPRINTABLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** As JSON escapes them: `\u001b`, and of those beyond four digits both halves. */
export const printable = (text: string): string =>
  text.replace(UNPRINTABLE, (character) =>
    Array.from({ length: character.length }, (_, index) => escaped(character.charCodeAt(index))).join(''),
  );

const escaped = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;

/** The same of text whose lines are ours. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

/** A report with all of its texts printable. */
export function printableReport<T>(report: T): T {
  if (typeof report === 'string') return printable(report) as T;
  if (Array.isArray(report)) return report.map(printableReport) as T;
  if (typeof report !== 'object' || report === null) return report;
  return Object.fromEntries(Object.entries(report).map(([key, value]) => [key, printableReport(value)])) as T;
}
