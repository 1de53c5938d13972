/**
 * One entry that the database can't store stops none of those after it: it is found, logged, counted, and left out.
 *
 * Only what the database itself calls an error of the data is one. After any other error, such as a database that is away, full
 * or read-only, all entries wait.
 */
import type { Logger } from 'pino';
import type { JournalEntry } from '../presence/journal.js';
import { loggable } from './loggable.js';
import type { Held, Writer } from './writer.js';

/** Of SQLSTATE: data exceptions, and violated constraints. */
const DATA_STATE = /^2[23]\w{3}$/;
const SQLITE_DATA_CODE = /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH)/;
/** "Incorrect string value", which has no class of its own in MySQL. */
const ER_TRUNCATED_WRONG_VALUE_FOR_FIELD = 1366;

type Item = JournalEntry | Held;

export class SetAside {
  private items = 0;
  /** A batch that is written again has the same objects; nothing is logged twice. */
  private readonly known = new WeakSet<Item>();

  constructor(private readonly log: Logger) {}

  /** How many were set aside since this was made. */
  get count(): number {
    return this.items;
  }

  /** Writes what can be stored. */
  around(writer: Writer): Pick<Writer, 'write' | 'resume'> {
    return {
      write: (entries) => this.write(entries, (some) => writer.write(some)),
      resume: async (held) => {
        await this.write(held, async (some) => {
          await writer.resume(some);
          return some.length;
        });
      },
    };
  }

  /** Halves what fails until it is one. Returns how many were written. */
  private async write<T extends Item>(
    all: readonly T[],
    write: (some: readonly T[]) => Promise<number>,
  ): Promise<number> {
    try {
      return await write(all);
    } catch (error) {
      if (!isOfData(error)) throw error;
      const [one] = all;
      if (one && all.length === 1) {
        this.add(one, error);
        return 0;
      }
      const half = Math.ceil(all.length / 2);
      const first = await this.write(all.slice(0, half), write);
      return first + (await this.write(all.slice(half), write));
    }
  }

  private add(item: Item, error: unknown): void {
    if (this.known.has(item)) return;
    this.known.add(item);
    this.items += 1;
    // The clientId is a secret.
    const { clientId: _clientId, ...entry } = item;
    this.log.error({ err: loggable(error), entry }, 'Records: an entry can not be stored, and is set aside');
  }
}

function isOfData(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = '', sqlState = code, errno } = error as Error & Partial<Codes>;
  return (
    DATA_STATE.test(sqlState) || SQLITE_DATA_CODE.test(code) || errno === ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
  );
}

interface Codes {
  /** Of PostgreSQL the SQLSTATE, of the others a name. */
  code: string;
  /** Of MySQL. */
  sqlState: string;
  errno: number;
}
