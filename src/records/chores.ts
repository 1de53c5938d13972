/** What is to be done now and then, and may be done by all nodes. */
import type { Batches } from './batches.js';
import type { OpenDatabase } from './database.js';
import { Every } from './every.js';
import { loseStaysOfTheDead, SIGN_OF_LIFE, signOfLife } from './nodes.js';
import { forgetWritten, removeOlder } from './retention.js';

/** Milliseconds between two looks at what others have left. */
const LOOK = 10_000;
/** Milliseconds between two looks for what is too old. */
const TIDY = 60_000;

export interface ChoresOptions {
  node: string;
  batches: Batches;
  epochs: () => readonly string[];
  /** Milliseconds that log rows and stays are kept; undefined is for ever. */
  keep?: number | undefined;
}

export class Chores {
  private readonly signs = new Every(SIGN_OF_LIFE);
  private readonly looks = new Every(LOOK);
  private readonly tidying = new Every(TIDY);

  constructor(private readonly options: ChoresOptions) {}

  /** Those whose time it is. */
  async do(database: OpenDatabase): Promise<void> {
    await this.signs.when(() => signOfLife(database, this.options.node, Date.now()));
    await this.looks.when(() => this.lookAround(database));
    await this.tidying.when(() => this.tidy(database));
  }

  private async lookAround(database: OpenDatabase): Promise<void> {
    const { batches, epochs } = this.options;
    await batches.takeOver(database);
    await loseStaysOfTheDead(database, epochs(), Date.now());
  }

  /** A step of each, after the take-over: nothing is left that could come again. */
  private async tidy(database: OpenDatabase): Promise<void> {
    const { keep } = this.options;
    const removed = keep === undefined ? 0 : await removeOlder(database, Date.now() - keep);
    const forgotten = await forgetWritten(database, Date.now());
    if (removed + forgotten > 0) this.tidying.again();
  }
}
