/** What happened in a round, line by line, for a person to read. */
import type { VirtualTime } from './virtual-time.js';

const MAX_LINES = 4_000;

export class Trace {
  readonly lines: string[] = [];

  constructor(private readonly time: VirtualTime) {}

  add(what: string): void {
    if (this.lines.length < MAX_LINES) this.lines.push(`${(this.time.now / 1_000).toFixed(3)} ${what}`);
  }
}
