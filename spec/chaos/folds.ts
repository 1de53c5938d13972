/**
 * Judges that lists and announcements fold: a list that a tab was shown, and after it the joins and leaves of each
 * announcement that was heard, is every later list that a tab was shown. Where an announcement was missed it begins anew with
 * the next list.
 *
 * An announcement does not tell where in the list those belong who join: in a new epoch it tells of who had been there
 * before. So it is the users that are compared, and the order of those who stay.
 */
import type { Announcement } from '../../src/presence/store.js';
import type { UserList } from '../../src/views/user-list.js';

/** Of one channel and epoch, by version. */
interface Known {
  lists: Map<number, string[]>;
  announcements: Map<number, Announcement>;
}

export class Folds {
  /** Lists that were compared with what they should be. */
  compared = 0;
  private readonly known = new Map<string, Known>();

  /** That one version is one list is judged elsewhere. */
  saw(channel: string, { epoch, version, user_list, truncated }: UserList): void {
    if (!truncated) this.of(channel, epoch).lists.set(version, user_list.map(String));
  }

  announces(announcement: Announcement): void {
    this.of(announcement.channel, announcement.epoch).announcements.set(announcement.version, announcement);
  }

  /** What does not fold. A list may be shown before its announcement is heard: to be asked once all is quiet. */
  judge(): string[] {
    return [...this.known].flatMap(([place, known]) =>
      this.fold(known).map((wrong) => `${place} does not fold: ${wrong}`),
    );
  }

  private fold({ lists, announcements }: Known): string[] {
    const wrong: string[] = [];
    const versions = new Set([...lists.keys(), ...announcements.keys()]);
    let folded: Folded | undefined;
    for (const version of [...versions].sort((one, other) => one - other)) {
      const announcement = announcements.get(version);
      if (announcement && folded?.version === version - 1) wrong.push(...folded.apply(announcement));
      else folded = undefined;
      const list = lists.get(version);
      if (!list) continue;
      if (folded) {
        this.compared += 1;
        wrong.push(...folded.compare(list));
      }
      folded = new Folded(version, list);
    }
    return wrong;
  }

  private of(channel: string, epoch: string): Known {
    const place = `${channel} of ${epoch}`;
    const known = this.known.get(place) ?? { lists: new Map(), announcements: new Map() };
    this.known.set(place, known);
    return known;
  }
}

/** What a list has become. */
class Folded {
  private readonly from: number;
  private readonly came = new Set<string>();
  private readonly stayed: Set<string>;

  constructor(
    public version: number,
    list: readonly string[],
  ) {
    this.from = version;
    this.stayed = new Set(list);
  }

  apply({ version, count, joins, leaves }: Announcement): string[] {
    this.version = version;
    const wrong: string[] = [];
    for (const uid of leaves.map((user) => String(user.uid))) {
      if (!this.stayed.delete(uid) && !this.came.delete(uid))
        wrong.push(`${uid} leaves by ${version}, and was not in it`);
    }
    for (const uid of joins.map((user) => String(user.uid))) {
      if (this.stayed.has(uid) || this.came.has(uid)) wrong.push(`${uid} joins by ${version}, and was in it`);
      else this.came.add(uid);
    }
    const users = this.stayed.size + this.came.size;
    if (users !== count)
      wrong.push(`${version} announces ${count} users, from ${this.from} on it is ${users}`);
    return wrong;
  }

  compare(list: readonly string[]): string[] {
    const is = text(list);
    const users = [...this.stayed, ...this.came];
    if (text([...users].sort()) !== text([...list].sort()))
      return [`${this.version} is [${is}], from ${this.from} on it is [${text(users)}]`];
    const order = text(list.filter((uid) => this.stayed.has(uid)));
    if (order === text([...this.stayed])) return [];
    return [`${this.version} is [${is}], in ${this.from} the order was [${text([...this.stayed])}]`];
  }
}

const text = (uids: readonly string[]): string => uids.join(' ');
