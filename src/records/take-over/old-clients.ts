/** Makes stays of the gem's log rows, given in the order of time. */
import type { Insertable } from 'kysely';
import type { Tables } from '../tables.js';

type StayRow = Insertable<Tables['faye_online_stays']>;

export interface OldStep {
  status: number;
  uid: string;
  t: number;
  channel_id: number;
  clientId: string;
}

/** Neither could be told by the gem. */
const UNKNOWN = { epoch: '', node: '' };

export class OldClients {
  private readonly open = new Map<string, OldStep>();
  /** By channel and user: the time of the last row. */
  private readonly last = new Map<string, number>();

  /**
   * Stays that ended in these rows. Rows of one moment, and the gem wrote seconds, may come in any order: a client that
   * is in goes first, and one that is not comes first.
   */
  take(rows: readonly OldStep[]): StayRow[] {
    const ended: StayRow[] = [];
    for (const group of byMoment(rows)) {
      const waiting = [...group];
      while (waiting.length > 0) {
        const fitting = waiting.findIndex(({ status }) => status === (this.open.has(keyOf(group)) ? 0 : 1));
        const [row] = waiting.splice(Math.max(fitting, 0), 1);
        if (row) ended.push(...this.step(row));
      }
    }
    return ended;
  }

  /** Stays that did not end: nobody stopped them as a server died. They end with the last that is known of their user. */
  rest(): StayRow[] {
    return [...this.open.values()].map((step) => ended(step, this.lastOf(step) ?? step.t, 'lost'));
  }

  /** When the log last told of a user in a channel, in milliseconds since 1970. */
  lastOf({ uid, channel_id }: { uid: string; channel_id: number }): number | undefined {
    return this.last.get(`${channel_id} ${uid}`);
  }

  /** By uid, when the log last told of them. */
  get sightings(): Map<string, number> {
    const sightings = new Map<string, number>();
    for (const [key, t] of this.last) {
      const uid = key.slice(key.indexOf(' ') + 1);
      sightings.set(uid, Math.max(t, sightings.get(uid) ?? 0));
    }
    return sightings;
  }

  private step(row: OldStep): StayRow[] {
    this.last.set(`${row.channel_id} ${row.uid}`, row.t);
    const key = keyOf([row]);
    const open = this.open.get(key);
    if (row.status === 1) {
      if (!open) this.open.set(key, row);
      return [];
    }
    this.open.delete(key);
    // Of a stay without length nothing is to be told, and the next may begin in the same second.
    return open && open.t < row.t ? [ended(open, row.t, 'out')] : [];
  }
}

const keyOf = ([row]: readonly OldStep[]): string => `${row?.channel_id} ${row?.clientId}`;

function ended({ channel_id, clientId, uid, t }: OldStep, ended_at: number, ending: 'out' | 'lost'): StayRow {
  const visible = { visible_ms: ended_at - t, visible_since: null };
  return { channel_id, clientId, uid, started_at: t, ended_at, ending, ...visible, ...UNKNOWN };
}

/** The rows of each client and moment, in the order in which they come first. */
function byMoment(rows: readonly OldStep[]): OldStep[][] {
  const groups = new Map<string, OldStep[]>();
  for (const row of rows) {
    const key = `${row.t} ${keyOf([row])}`;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()];
}
