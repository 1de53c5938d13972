/**
 * What a journal tells of a day at a site: users open pages in rooms, some of them several, hide and show them, and close them.
 * As with the server, a page is a client, which is in its room and in its time channel. The same each time.
 */
import type { NewEntry } from '../../src/presence/journal.js';

export const USERS = 5_000;
export const ROOMS = 100;
/** Pages that are open at a time, once so many have come. */
export const PAGES = 2_000;
export const EPOCH = 'bench';

/** Of all that happens, this share is a page that is hidden or shown. */
const VISIBILITY = 0.2;
/** Where it is neither, and there are fewer pages than PAGES, one is opened rather than closed. */
const OPENED = 0.9;
/** Milliseconds from one to the next. */
const PAUSE = 10;

interface Page {
  clientId: string;
  uid: number;
  room: string;
  hidden: boolean;
}

/** Without end. `from` is in milliseconds since 1970. */
export function* transitions(from: number): Generator<NewEntry> {
  const random = dice();
  const below = (count: number) => Math.floor(random() * count);
  const pages: Page[] = [];
  for (let at = from; ; at += PAUSE) {
    const index = below(pages.length);
    const page = pages[index];
    const isGrowing = random() < (pages.length < PAGES ? OPENED : 0.5);
    if (page && random() < VISIBILITY) {
      page.hidden = !page.hidden;
      yield visibility(page, at);
    } else if (!page || isGrowing) {
      const opened = {
        clientId: clientId(below),
        uid: below(USERS),
        room: `/rooms/${below(ROOMS)}`,
        hidden: false,
      };
      pages.push(opened);
      yield* memberships('in', opened, at);
    } else {
      pages.splice(index, 1);
      yield* memberships('out', page, at);
    }
  }
}

export function take<T>(from: Iterator<T>, count: number): T[] {
  return Array.from({ length: count }, () => from.next().value as T);
}

function memberships(type: 'in' | 'out', page: Page, at: number): NewEntry[] {
  const { clientId, uid, room } = page;
  const user = type === 'in' ? { user: { uid, uname: `user ${uid}` } } : {};
  // Who writes has no use for `transition`.
  const entry = { epoch: EPOCH, type, uid: String(uid), clientId, at, transition: false, ...user };
  return [room, `${room}/time`].map((channel) => ({ ...entry, channel }));
}

const visibility = ({ clientId, uid, hidden }: Page, at: number): NewEntry => ({
  epoch: EPOCH,
  type: hidden ? 'hidden' : 'shown',
  uid: String(uid),
  clientId,
  at,
});

/** As long and as random as Faye's. */
const clientId = (below: (count: number) => number): string =>
  Array.from({ length: 31 }, () => below(36).toString(36)).join('');

/** Numbers from 0 to 1, the same each time: Lehmer's generator. */
function dice(): () => number {
  const modulus = 2 ** 31 - 1;
  let last = 1;
  return () => {
    last = (last * 48_271) % modulus;
    return last / modulus;
  };
}
