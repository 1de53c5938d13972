/**
 * Which lists a client that polls has been told last, so that a node it goes to does not tell it the same again: a poll that
 * is answered at once on each node in turn, by what its client knows, would never end.
 *
 * What a poll is answered with counts once that answer has gone out, and until a poll is given up, or said again: an answer may
 * get lost on its way. What goes out by a stream does not count: it may be lost with it, and a client comes to a new stream once.
 */
import type { Published } from './backplane.js';

/** What goes on with a client, from node to node. */
export interface Editions {
  /** By channel. */
  readonly lists: Readonly<Record<string, string>>;
  /** The id of the connect whose answer told the last. A client that got no answer says it again, with that id. */
  readonly by?: string | undefined;
}

export class Told {
  /** What the answer under way carries. */
  private readonly underWay = new Map<string, string>();
  private readonly known: Map<string, string>;
  private connectId: string | undefined;
  /** When an answer last took a list up, ms of `performance.now`. */
  private toldAt = Number.NEGATIVE_INFINITY;
  /** A connect that was said again: a client may give all of them one id. */
  private saidAgain: string | undefined;

  constructor({ lists, by }: Editions = { lists: {} }) {
    this.known = new Map(Object.entries(lists));
    this.connectId = by;
  }

  get editions(): Editions {
    return { lists: Object.fromEntries(this.known), by: this.connectId };
  }

  get isTelling(): boolean {
    return this.underWay.size > 0;
  }

  knows(channel: string, edition: string | undefined): boolean {
    return edition !== undefined && this.known.get(channel) === edition;
  }

  answering(messages: readonly Published[]): void {
    for (const { channel, edition } of messages) {
      if (edition === undefined) continue;
      this.underWay.set(channel, edition);
      this.toldAt = performance.now();
    }
  }

  /** The answer to the connect with that id has gone out. */
  answered(connectId: string | undefined): void {
    // One that told nothing is not asked for again for a list.
    if (this.underWay.size > 0) this.connectId = connectId === this.saidAgain ? undefined : connectId;
    for (const [channel, edition] of this.underWay) this.known.set(channel, edition);
    this.underWay.clear();
  }

  /** The client had come to another node already, that many ms ago: nobody may read an answer of since then. */
  cameElsewhere(ago: number): void {
    if (performance.now() - this.toldAt < ago) this.givenUp();
  }

  /** An answer may be lost, and who knows what before it. */
  givenUp(): void {
    this.known.clear();
    this.underWay.clear();
    this.connectId = undefined;
  }

  /** Whether the connect with that id told the last list, and comes again: then that answer was lost. */
  repeats(connectId: string): boolean {
    if (connectId !== this.connectId) return false;
    this.givenUp();
    this.saidAgain = connectId;
    return true;
  }

  forget(channel: string): void {
    this.known.delete(channel);
    this.underWay.delete(channel);
  }
}
