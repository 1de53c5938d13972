/**
 * Which lists a client that polls got last, so that a node it goes to does not send it the same again: a poll that is answered at
 * once on each node in turn, by what its client has, would never end.
 *
 * What a poll is answered with counts once that answer has gone out, and until a poll is abandoned, or sent again: an answer may
 * get lost on its way. What goes out by a stream does not count: it may be lost with it, and a client comes to a new stream once.
 */
import type { Published } from './backplane.js';

/** What goes on with a client, from node to node. */
export interface DeliveredEtags {
  /** By channel. */
  readonly lists: Readonly<Record<string, string>>;
  /** The id of the connect that was answered with the last. A client that got no answer sends it again, with that id. */
  readonly by?: string | undefined;
}

export class DeliveredLists {
  /** What the answer under way carries. */
  private readonly underWay = new Map<string, string>();
  private readonly known: Map<string, string>;
  private connectId: string | undefined;
  /** When an answer last took a list up, ms of `performance.now`. */
  private deliveredAt = Number.NEGATIVE_INFINITY;
  /** A connect that was sent again: a client may give all of them one id. */
  private retried: string | undefined;

  constructor({ lists, by }: DeliveredEtags = { lists: {} }) {
    this.known = new Map(Object.entries(lists));
    this.connectId = by;
  }

  get etags(): DeliveredEtags {
    return { lists: Object.fromEntries(this.known), by: this.connectId };
  }

  get isDelivering(): boolean {
    return this.underWay.size > 0;
  }

  knows(channel: string, etag: string | undefined): boolean {
    return etag !== undefined && this.known.get(channel) === etag;
  }

  answering(messages: readonly Published[]): void {
    for (const { channel, etag } of messages) {
      if (etag === undefined) continue;
      this.underWay.set(channel, etag);
      this.deliveredAt = performance.now();
    }
  }

  /** The answer to the connect with that id has gone out. */
  answered(connectId: string | undefined): void {
    // One that brought no list is not asked for again for a list.
    if (this.underWay.size > 0) this.connectId = connectId === this.retried ? undefined : connectId;
    for (const [channel, etag] of this.underWay) this.known.set(channel, etag);
    this.underWay.clear();
  }

  /** The client had come to another node already, that many ms ago: nobody may read an answer of since then. */
  cameElsewhere(ago: number): void {
    if (performance.now() - this.deliveredAt < ago) this.abandoned();
  }

  /** An answer may be lost, and who knows what before it. */
  abandoned(): void {
    this.known.clear();
    this.underWay.clear();
    this.connectId = undefined;
  }

  /** Whether the connect with that id brought the last list, and comes again: then that answer was lost. */
  isRetry(connectId: string | undefined): boolean {
    if (connectId === undefined || connectId !== this.connectId) return false;
    this.abandoned();
    this.retried = connectId;
    return true;
  }

  /** Whether an answer took up a list after that time, ms of `performance.now`. */
  isNewerThan(at: number): boolean {
    return this.deliveredAt > at;
  }

  forget(channel: string): void {
    this.known.delete(channel);
    this.underWay.delete(channel);
  }
}
