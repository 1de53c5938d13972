/**
 * Whom a node held each time that Redis had lost its data, until it is written down.
 *
 * What the journal had yet to tell went with the data. So a node tells whom it holds, as it was at that moment: one that
 * goes later is told of by the journal again. What the node is down for in the database, and no node has told of, ended
 * as the data was lost; that is written a while later, since a stay may be down for a node that read of it, and be held
 * by another which has yet to tell.
 */
import type { OpenDatabase } from './database.js';
import { loseStays } from './nodes.js';
import type { Held, Writer } from './writer.js';

export interface Resumption {
  /** All that the node holds of what was lost. */
  held: readonly Held[];
  /** The epochs that go on; none where they are not known. */
  epochs: readonly string[];
  /** When the loss was seen, in milliseconds since 1970; undefined where nothing was lost. */
  lostAt?: number;
}

/** Milliseconds that other nodes have to tell whom they hold. */
const PATIENCE = 15_000;

interface Loss {
  epochs: readonly string[];
  lostAt: number;
  /** By `performance.now()`; undefined until all that is held is written. */
  due?: number;
}

export class Resumptions {
  /** Each once: what could not be said again in presence comes here again, too. */
  private readonly untold = new Map<string, Held>();
  private readonly losses: Loss[] = [];

  constructor(
    private readonly node: string,
    private readonly patience: number = PATIENCE,
  ) {}

  add({ held, epochs, lostAt }: Resumption): void {
    for (const one of held) {
      const key = `${one.epoch} ${one.channel} ${one.clientId}`;
      if (!this.untold.has(key)) this.untold.set(key, one);
    }
    const last = this.losses.at(-1);
    const isRepeat = last && String(last.epochs) === String(epochs);
    if (lostAt !== undefined && !isRepeat) this.losses.push({ epochs, lostAt });
  }

  /** May be called again where it rejects. `epochs`: those that go on by now; none where they are not known. */
  async write(
    database: OpenDatabase,
    writer: Pick<Writer, 'resume'>,
    epochs: readonly string[],
  ): Promise<void> {
    const told = [...this.untold];
    await writer.resume(told.map(([, held]) => held));
    for (const [key] of told) this.untold.delete(key);
    for (const loss of this.losses) loss.due ??= performance.now() + this.patience;
    if (epochs.length > 0) await this.lose(database, epochs);
  }

  private async lose(database: OpenDatabase, epochs: readonly string[]): Promise<void> {
    const { node } = this;
    for (let next = this.losses[0]; next && isDue(next); next = this.losses[0]) {
      // Those of a later loss are that one's concern.
      const goOn = [...new Set([...next.epochs, ...epochs])];
      await loseStays(database, { epochs: goOn, of: { node, at: next.lostAt } });
      this.losses.shift();
    }
  }
}

const isDue = ({ due }: Loss): boolean => due !== undefined && due <= performance.now();
