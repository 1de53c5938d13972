/** Times that were written down as a clock on the wall showed them, in a time zone that is known. */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Whether it is an IANA name, such as `Europe/Berlin`. */
export function isTimeZone(zone: string): boolean {
  try {
    new LocalTime(zone);
    return true;
  } catch {
    return false;
  }
}

export class LocalTime {
  private readonly format: Intl.DateTimeFormat;
  /** The answer to the last question: rows come by time, and most are of the same quarter of an hour. */
  private last = { quarter: Number.NaN, offset: 0 };

  /** `zone` is an IANA name, such as `Europe/Berlin`. Throws for one that is not. */
  constructor(zone: string) {
    try {
      this.format = new Intl.DateTimeFormat('en-US', {
        timeZone: zone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
    } catch {
      throw new Error(`Expected a time zone such as "Europe/Berlin" or "UTC", got ${JSON.stringify(zone)}`);
    }
  }

  /**
   * Milliseconds since 1970 of `YYYY-MM-DD HH:MM:SS.fff` or `YYYYMMDDHHMMSS`; undefined for what is neither. Of an hour
   * that came twice it is the first, and of one that was left out, the one after.
   */
  parse(text: string): number | undefined {
    const found = /^(\d{4})\D?(\d\d)\D?(\d\d)\D?(\d\d)\D?(\d\d)\D?(\d\d)(\.\d+)?/.exec(text);
    if (!found) return undefined;
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number);
    const wall = Date.UTC(year, month - 1, day, hour, minute, second);
    const back = new Date(wall);
    if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day) return undefined;
    return wall - this.offsetOf(wall) + Math.floor(Number(found[7] ?? 0) * 1000);
  }

  /** By how many milliseconds the wall was ahead of UTC. Offsets change at whole quarters of an hour. */
  private offsetOf(wall: number): number {
    const quarter = Math.floor(wall / (HOUR / 4));
    if (quarter !== this.last.quarter) this.last = { quarter, offset: this.offsetAtWall(wall) };
    return this.last.offset;
  }

  private offsetAtWall(wall: number): number {
    const before = this.offsetAt(wall - DAY);
    const after = this.offsetAt(wall + DAY);
    const fits = [before, after].find((offset) => this.offsetAt(wall - offset) === offset);
    return fits ?? before;
  }

  private offsetAt(moment: number): number {
    const parts = Object.fromEntries(
      this.format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(moment / 1000) * 1000;
  }
}
