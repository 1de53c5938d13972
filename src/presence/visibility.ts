/**
 * Whether the page of a client is hidden or shown, as the client says it (`/faye_online/visibility`). One that has said
 * nothing counts as shown: a stock Faye client knows no way to say it.
 *
 * Invariant: the journal has each change of a client's visibility once, with the time since when it is so, and the last of
 * them is what the client said last. It is the client's and not a channel's, so it is one field of the client's record and
 * one entry of the journal, written by one script in the client's partition, whichever channels the client is in, enters or
 * leaves meanwhile; the membership costs nothing more by it, and no list changes. What it means for a stay follows from the
 * two times: a stay is visible where its client was not hidden. So there is nothing that an enter, a leave or a move could
 * come between:
 * - it is said, and the client enters: the entry is older than the stay, and holds for it;
 * - the client is in another room by then: the same, for both stays;
 * - with Redis Cluster the two are in journals of their own, read in any order: their times tell it;
 * - it is said while the client ends: refused where the record is ending or gone, or the stay ends after it.
 *
 * What could lose it, or go back to what was said before:
 * - two nodes write at once, as the client's messages reach both: each write is after all before it, by the record, and the
 *   last to be written counts. The client's library says the next only after an answer to the last;
 * - the client goes to another node: the record has it, and that node learns it as it means to enter;
 * - it is said to a node that does not have the client: the node that has it hears it, by the script itself;
 * - Redis loses its data, or is older: the client's node says again what it knows, with the time since when it is so, as it
 *   says the stay again. Where the record knows something later, that stays, and the node learns it. It is journalled
 *   again, as the entry may have been lost too: readers take one of the same client and time for the same.
 */
export interface Visibility {
  hidden: boolean;
  /** Since when, by what the client said last: milliseconds since 1970. No two of a client are the same; later ones are higher. */
  since: number;
}

/** The one that was said later. */
export function laterOf(one: Visibility | null, other: Visibility | null): Visibility | null {
  if (!one || !other) return one ?? other;
  return other.since > one.since ? other : one;
}
