/** Prints what a command has found: as JSON for programs, or for people. */
import { printableLines, printableReport } from './printable.js';

export function print<T>({ json }: { json?: true }, report: T, forPeople: (report: T) => string): void {
  // JSON has no control characters of its own but the ends of lines, and leaves some as they are.
  const text = json ? printableLines(JSON.stringify(report, null, 2)) : forPeople(printableReport(report));
  console.log(text);
}
