/** A journal that is the same in each process: tabs that come and go, in batches as a reader gets them. */
import type { JournalEntry } from '../../src/presence/journal.js';
import { Entries } from './entries.js';

export const BATCHES = 40;
export const USERS = 7;
export const CHANNEL = '/courses/5/lessons/1';

const SIZE = 50;
const T = 1_700_000_000_000;

/** Each tab is in for 30 s, and one comes each second. */
const STAY = 30;

export function history(): JournalEntry[][] {
  const entries = new Entries();
  const all: JournalEntry[] = [];
  for (let second = 0; all.length < BATCHES * SIZE; second += 1) {
    const at = T + second * 1_000;
    const gone = second - STAY;
    if (gone >= 0) all.push(entries.out(gone % USERS, `tab${gone}`, CHANNEL, at));
    all.push(entries.in(second % USERS, `tab${second}`, CHANNEL, at));
  }
  return Array.from({ length: BATCHES }, (_, index) => all.slice(index * SIZE, (index + 1) * SIZE));
}
