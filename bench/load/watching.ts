/** What clients see of a room in which exactly certain users are, by all that we know. */
import type { UserList } from './signed-in.js';

export interface Seen {
  /** Seconds until the lists of all were right and stayed so. Infinite where at the end they are not. */
  right: number;
  /** Users who were there all the time, and were missing in a list that somebody saw. */
  missing: number;
  /** Users who had gone, and are in somebody's list at the end. */
  leftOver: number;
}

export class Watching<Who> {
  private readonly begin = performance.now();
  private readonly missing = new Set<number>();
  private readonly wrong = new Map<Who, UserList>();
  private rightAt: number;

  /** `last`: what each has seen last. */
  constructor(
    private readonly present: ReadonlySet<number>,
    last: ReadonlyMap<Who, UserList>,
  ) {
    this.rightAt = this.begin;
    for (const [who, list] of last) this.hear(who, list);
  }

  hear(who: Who, list: UserList): void {
    const wereWrong = this.wrong.size > 0;
    const listed = new Set(list.user_list);
    const missing = [...this.present].filter((uid) => !listed.has(uid));
    for (const uid of missing) this.missing.add(uid);
    if (missing.length === 0 && listed.size === this.present.size) this.wrong.delete(who);
    else this.wrong.set(who, list);
    if (wereWrong && this.wrong.size === 0) this.rightAt = performance.now();
  }

  get seen(): Seen {
    const left = [...this.wrong.values()].flatMap((list) => list.user_list);
    const leftOver = new Set(left.filter((uid) => !this.present.has(uid)));
    const right = this.wrong.size === 0 ? (this.rightAt - this.begin) / 1_000 : Number.POSITIVE_INFINITY;
    return { right, missing: this.missing.size, leftOver: leftOver.size };
  }
}
