/**
 * Nodes' signs of life, and what becomes of the stays of those that gave none any more.
 *
 * While Redis keeps its data, the out of a dead node's client comes by the journal, with the moment at which the node was
 * last alive. Where everything died, or Redis' data with it, nobody can tell any more: the stay is of an epoch that is
 * over, and ends at the last sign of life of its node.
 */
import type { OpenDatabase } from './database.js';
import { oneAtATime } from './one-at-a-time.js';
import { Stays } from './stays.js';
import { upsert } from './upsert.js';
import { writeStays } from './write-stays.js';

/** Milliseconds between two signs of life: so much a stay may be wrong after a crash. */
export const SIGN_OF_LIFE = 6_000;
/** Milliseconds without one after which a node is dead, and will not resume what it held. */
export const SILENCE = 30_000;

/** Stays that end in one transaction. */
const STEP = 500;

/** To be said by each node every `SIGN_OF_LIFE` ms, and once as it stops. `at` is in milliseconds since 1970. */
export async function signOfLife(database: OpenDatabase, node: string, at: number): Promise<void> {
  await upsert(database, 'faye_online_nodes', [{ node, seen_at: at }], ['node'], ['seen_at']);
}

/**
 * Ends the stays that nobody goes on with: those of epochs that are over, whose nodes were not heard of for `SILENCE` ms.
 * For each node to call now and then, the first time as it starts. Returns how many there were.
 */
export function loseStaysOfTheDead(
  database: OpenDatabase,
  epochs: readonly string[],
  now: number,
): Promise<number> {
  return loseStays(database, { epochs, of: { silentSince: now - SILENCE } });
}

/** Of a node that stops, and with which all goes that it held: its stays end then. */
export function endStaysOf(database: OpenDatabase, node: string, at: number): Promise<number> {
  return loseStays(database, { epochs: null, of: { node, at } });
}

export interface Lost {
  /** Those that go on, whose stays are nobody's concern; null where none does. */
  epochs: readonly string[] | null;
  /** One node, whose stays ended then; or all that were silent since then, whose stays end with their last sign. */
  of: { node: string; at: number } | { silentSince: number };
}

export async function loseStays(database: OpenDatabase, lost: Lost): Promise<number> {
  // Where no epoch is known, none is known to be over.
  if (lost.epochs?.length === 0) return 0;
  let count = 0;
  for (;;) {
    const step = await loseSome(database, lost);
    count += step;
    if (step < STEP) return count;
  }
}

function loseSome(database: OpenDatabase, { epochs, of }: Lost): Promise<number> {
  return oneAtATime(database, async (within) => {
    const open = within.tables
      .selectFrom('faye_online_stays as stay')
      .leftJoin('faye_online_nodes as node', 'node.node', 'stay.node')
      .selectAll('stay')
      .select('node.seen_at as seen_at')
      .where('stay.ended_at', 'is', null)
      .$if(epochs !== null, (stays) => stays.where('stay.epoch', 'not in', epochs ?? []))
      .limit(STEP);
    const rows = await ('node' in of
      ? open.where('stay.node', '=', of.node)
      : open.where(({ or, eb }) =>
          or([eb('node.seen_at', 'is', null), eb('node.seen_at', '<', of.silentSince)]),
        )
    ).execute();

    const stays = new Stays([]);
    // One whose node gave no sign at all ends as it began.
    for (const { seen_at, ...stay } of rows) stays.lose(stay, 'at' in of ? of.at : (seen_at ?? 0));
    await writeStays(within, stays);
    return rows.length;
  });
}
