/** What is to be done now and then, and may be done by all nodes. */
import type { Batches } from './batches.js';
import type { OpenDatabase } from './database.js';
import { Every } from './every.js';
import { loseStays, loseStaysOfTheDead, SIGN_OF_LIFE, signOfLife } from './nodes.js';
import { forgetWritten, removeOlder } from './retention.js';
import { soleOwnerAt } from './sole-owner.js';

/** Milliseconds between two looks at what others have left. */
const LOOK = 10_000;
/** Milliseconds between two looks for what is too old. */
const TIDY = 60_000;

export interface ChoresOptions {
  node: string;
  batches: Batches;
  epochs: () => readonly string[];
  /** Whether other nodes share the presence store. Default: false. */
  shared?: boolean | undefined;
  /** Milliseconds that log rows and stays are kept; undefined is for ever. */
  keep?: number | undefined;
}

export class Chores {
  private readonly signs = new Every(SIGN_OF_LIFE);
  private readonly looks = new Every(LOOK);
  private readonly tidying = new Every(TIDY);

  private hasLooked = false;

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
    if (!this.hasLooked) await this.loseWhatACrashLeft(database);
    await loseStaysOfTheDead(database, epochs(), Date.now());
    this.hasLooked = true;
  }

  /** At the start: stays that others had begun in an embedded database that nobody else has open. Nobody else is alive. */
  private async loseWhatACrashLeft(database: OpenDatabase): Promise<void> {
    const { shared, epochs } = this.options;
    const silentSince = shared ? undefined : await soleOwnerAt(database);
    if (silentSince !== undefined) await loseStays(database, { epochs: epochs(), of: { silentSince } });
  }

  /** A step of each, after the take-over: nothing is left that could come again. */
  private async tidy(database: OpenDatabase): Promise<void> {
    const { keep } = this.options;
    const removed = keep === undefined ? 0 : await removeOlder(database, Date.now() - keep);
    const forgotten = await forgetWritten(database, Date.now());
    if (removed + forgotten > 0) this.tidying.again();
  }
}
