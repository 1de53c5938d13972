/** What clients have said of their pages, as it is kept: each with the time until which it held. */
import type { Insertable } from 'kysely';
import type { Database } from './database.js';
import type { Tables } from './tables.js';
import { upsert } from './upsert.js';
import type { Said, SaidBy } from './visible-time.js';

export type SaidOf = Said & { clientId: string };

/** Clients in one question: each is asked for twice. */
const STEP = 2_000;

/** What these clients have said since then, and the last of each before. */
export async function saidSince(
  database: Database,
  clientIds: Iterable<string>,
  since: number,
): Promise<SaidBy> {
  const said = new Map<string, Said[]>();
  const all = [...new Set(clientIds)];
  for (let start = 0; start < all.length; start += STEP) {
    const rows = await rowsSince(database, all.slice(start, start + STEP), since);
    for (const { clientId, started_at, hidden } of rows) {
      add(said, clientId, { at: started_at, hidden: hidden === 1 });
    }
  }
  return said;
}

function rowsSince({ tables }: Database, clientIds: string[], since: number) {
  const rows = tables
    .selectFrom('faye_online_visibility')
    .select(['clientId', 'started_at', 'hidden'])
    .where('clientId', 'in', clientIds);
  // Two questions, as an index answers each: whoever says much has many rows.
  return rows
    .where('ended_at', 'is', null)
    .unionAll(rows.where('ended_at', '>', since))
    .execute();
}

/** Those of them that are new, whatever is there already of their clients. */
export function freshOf(said: readonly SaidOf[], known: SaidBy): SaidOf[] {
  const fresh = new Map<string, SaidOf>();
  for (const one of said) {
    const isKnown = known.get(one.clientId)?.some(({ at }) => at === one.at);
    if (!isKnown) fresh.set(`${one.at} ${one.clientId}`, one);
  }
  return [...fresh.values()];
}

export function withFresh(known: SaidBy, fresh: readonly SaidOf[]): SaidBy {
  const all = new Map([...known].map(([clientId, said]) => [clientId, [...said]]));
  for (const { clientId, at, hidden } of fresh) add(all, clientId, { at, hidden });
  return all;
}

/** `all`: what their clients have said since, and the last before, with the fresh. */
export async function writeSaid(database: Database, fresh: readonly SaidOf[], all: SaidBy): Promise<void> {
  const clientIds = new Set(fresh.map(({ clientId }) => clientId));
  const rows = [...clientIds].flatMap((clientId) => rowsOf(clientId, all.get(clientId) ?? []));
  await upsert(database, 'faye_online_visibility', rows, ['clientId', 'started_at'], ['ended_at']);
}

function rowsOf(clientId: string, said: readonly Said[]): Insertable<Tables['faye_online_visibility']>[] {
  const sorted = [...said].sort((a, b) => a.at - b.at);
  return sorted.map(({ at, hidden }, index) => ({
    clientId,
    started_at: at,
    ended_at: sorted[index + 1]?.at ?? null,
    hidden: hidden ? 1 : 0,
  }));
}

function add(said: Map<string, Said[]>, clientId: string, one: Said): void {
  const known = said.get(clientId);
  if (known) known.push(one);
  else said.set(clientId, [one]);
}
