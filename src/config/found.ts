/** What the steps of resolving share. */
import type { Variables } from './declarations/environment.js';
import type { Values } from './declarations/schema.js';

/** What the file and the environment say, so far as it is valid, and what there is to say about it. */
export interface Found {
  readonly file: Values;
  readonly set: Variables;
  /** Options and variables that are not valid: nothing more is asked about them. */
  readonly refused: ReadonlySet<string>;
  readonly engineIsOurs: boolean;
  readonly production: boolean;
  /** What there is to say of variables that look like ours and are not: a warning, or the reason of another problem. */
  readonly unknown: readonly string[];
  readonly problems: string[];
  readonly warnings: string[];
}
