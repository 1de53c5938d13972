/**
 * Which lists a client that polls has been told last, so that a node it goes to does not tell it the same again: a poll that
 * is answered at once on each node in turn, by what its client knows, would never end.
 *
 * What a poll is answered with counts once that answer has gone out, and until a poll is given up. What goes out by a stream
 * does not: it may be lost with it, and a client comes to a new stream once.
 */
import type { Published } from './backplane.js';

/** By channel: the edition. */
export type Editions = Readonly<Record<string, string>>;

export class Told {
  /** What the answer under way carries. */
  private underWay = new Map<string, string>();

  constructor(private readonly known = new Map<string, string>()) {}

  /** As another node has told it. */
  static from(editions: Editions): Told {
    return new Told(new Map(Object.entries(editions)));
  }

  get editions(): Editions {
    return Object.fromEntries(this.known);
  }

  knows(channel: string, edition: string | undefined): boolean {
    return edition !== undefined && this.known.get(channel) === edition;
  }

  answering(messages: readonly Published[]): void {
    for (const { channel, edition } of messages) {
      if (edition !== undefined) this.underWay.set(channel, edition);
    }
  }

  /** The answer has gone out. */
  answered(): void {
    for (const [channel, edition] of this.underWay) this.known.set(channel, edition);
    this.underWay.clear();
  }

  /** The answer may be lost, and who knows what before it. */
  givenUp(): void {
    this.known.clear();
    this.underWay.clear();
  }

  forget(channel: string): void {
    this.known.delete(channel);
    this.underWay.delete(channel);
  }
}
