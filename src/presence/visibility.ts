/**
 * Whether the page of a client is hidden or shown, as the client says it (`/faye_online/visibility`). One that has said
 * nothing counts as shown: a stock Faye client knows no way to say it.
 *
 * Invariant: the journal has each change of a client's visibility once, with the time since when it is so, and the last of
 * them is what the client said last. It belongs to the client and not to a channel: the owner's write has it in the client's record
 * and in the journal in one step, whichever channels the client is in. A stay is visible where its client was not hidden, which the
 * two times tell; so nothing can come between a change and an enter or a leave.
 *
 * Where Redis loses its data, the owner writes again what it knows, with the time since when it is so. It is journalled again, as the
 * entry may have been lost too: readers take one of the same client and time for the same.
 */
export interface Visibility {
  hidden: boolean;
  /** Since when, by what the client said last: milliseconds since 1970. No two of a client are the same; later ones are higher. */
  since: number;
}
