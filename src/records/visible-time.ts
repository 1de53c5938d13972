/**
 * When clients' pages were visible, as they said: of stays, the time in which their client was not hidden.
 *
 * What must hold, in whichever order it is read: what a client says holds from its moment until that of the next. So a
 * stay's visible time follows from the stay and from what its client has said, and needs nothing else.
 */
import { clip, type Interval, union } from './intervals.js';
import { intervalOf, type OnlineTime, timeAfter } from './online-time.js';
import type { Stay } from './stays.js';

/** What a client said of its page. */
export interface Said {
  /** Milliseconds since 1970; no two of a client are the same. */
  at: number;
  hidden: boolean;
}

/** By clientId. */
export type SaidBy = ReadonlyMap<string, readonly Said[]>;

/** When the page was visible within a stay. Before its client has said anything it is: a stock client can't say it. */
export function visibleIn(stay: Interval, said: readonly Said[]): Interval[] {
  const first = { at: Number.NEGATIVE_INFINITY, hidden: false };
  const all = [first, ...said].sort((a, b) => a.at - b.at);
  const shown = all.flatMap(({ at, hidden }, index) =>
    hidden ? [] : { from: at, to: all[index + 1]?.at ?? Number.POSITIVE_INFINITY },
  );
  return union(clip(shown, stay));
}

/** Stays, and what their clients have said, as they were and as they are. */
export interface Seen {
  stays: readonly Stay[];
  said: SaidBy;
}

/**
 * The visible time of some stays, where nothing of them is different before `since`. Of what was said before, only the last
 * that each client said by then is needed.
 */
export function visibleAfter(time: OnlineTime, since: number, before: Seen, after: Seen): OnlineTime {
  return timeAfter(time, since, visibleSince(since, before), visibleSince(since, after));
}

function visibleSince(since: number, { stays, said }: Seen): Interval[] {
  const visible = stays.flatMap((stay) => {
    const words = said.get(stay.clientId);
    return words ? visibleIn(intervalOf(stay), words) : intervalOf(stay);
  });
  return clip(visible, { from: since, to: Number.POSITIVE_INFINITY });
}
