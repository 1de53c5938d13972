/**
 * When clients were in channels, as the journal tells it.
 *
 * What must hold, in whichever order the entries come: each in has one stay, which the out that followed it ends. Entries
 * of one channel are in order, but readers share them: one that takes over what another had got, and did not write,
 * writes it after what came later. So an out may come before its in.
 *
 *   in, nobody in             a stay begins
 *   in, the client is in      in the same epoch its out is late, and another stay begins; in another one Redis had lost
 *                             its data, the client came again, and its stay goes on
 *   in, its out was early     the stay that the out had left behind gets its begin
 *   in, its stay is known     its node has told of it before: it changes nothing
 *   out, the client is in     its stay ends
 *   out, nobody in            an early one: it leaves an empty stay behind
 *   out of a lost stay        its end is written already
 */
import type { Selectable } from 'kysely';
import type { Tables } from './tables.js';

/** One that has no `id` is not in the database yet. */
export type Stay = Omit<Selectable<Tables['faye_online_stays']>, 'id'> & { id?: number };

export interface LoginRow {
  status: 0 | 1;
  uid: string;
  t: number;
  channel_id: number;
  clientId: string;
}

/** What a client did. */
export interface Movement {
  channel_id: number;
  clientId: string;
  uid: string;
  /** Milliseconds since 1970. */
  at: number;
  epoch: string;
  node: string;
}

/** A stay as it was, and as it is; one that began has no before. */
export interface StayChange {
  before: Stay | undefined;
  after: Stay;
}

export class Stays {
  /** What is to be added to the login log. */
  readonly log: LoginRow[] = [];
  private readonly ofClient = new Map<string, Stay[]>();
  private readonly changed = new Map<Stay, Stay | undefined>();

  /** All stays, in the channels in question, of the clients that are about to move. */
  constructor(known: readonly Stay[]) {
    for (const stay of known) this.of(stay).push(stay);
  }

  enter(movement: Movement): void {
    const { at, uid, epoch, node } = movement;
    const stays = this.of(movement);
    const goesOn = stays.find((stay) => stay.ended_at === null && stay.epoch !== epoch);
    if (goesOn) {
      this.change(goesOn, { epoch, node });
      return;
    }
    const early = first(stays.filter((stay) => stay.ending === 'early' && stay.started_at >= at));
    const same = stays.find((stay) => stay.started_at === at);
    // Two stays can't begin at the same moment: this one began by the word of its node, before its entry was read.
    const isKnown = same !== undefined && same.ended_at !== at;
    if (early) this.change(early, { started_at: at, ending: 'out', uid, epoch, node });
    else if (isKnown) return;
    // Back within the millisecond in which it came and went.
    else if (same) this.change(same, { ended_at: null, ending: null, epoch, node });
    else this.begin({ ...movement, ended_at: null, ending: null });
    this.write(1, movement, at);
  }

  leave(movement: Movement): void {
    const { at } = movement;
    const stays = this.of(movement);
    const open = stays.filter((stay) => stay.ended_at === null);
    // The end of a client whose node died lies where that was last alive, which may be before the client came.
    const ending = last(open.filter((stay) => stay.started_at <= at)) ?? first(open);
    const lost = last(stays.filter((stay) => stay.ending === 'lost'));
    if (ending) this.end(ending, at, 'out');
    else if (lost) this.change(lost, { ending: 'out' });
    else if (!stays.some((stay) => stay.started_at === at)) {
      this.begin({ ...movement, ended_at: at, ending: 'early' });
      this.write(0, movement, at);
    }
  }

  /** Ends a stay of which nobody can tell when it ended. */
  lose(stay: Stay, at: number): void {
    this.end(stay, at, 'lost');
  }

  /**
   * A client is in since then, as its node said a while ago. It may be known, or given up for lost, or never heard of;
   * or it has gone meanwhile, which is not to be undone.
   */
  resume(movement: Movement): void {
    const { at, epoch, node } = movement;
    const stays = this.of(movement);
    if (stays.some((stay) => stay.ending === 'out' && stay.ended_at !== null && stay.ended_at >= at)) return;
    const known = stays.find((stay) => stay.ended_at === null);
    const lost = last(stays.filter((stay) => stay.ending === 'lost'));
    if (known) this.change(known, { epoch, node });
    else if (lost) {
      this.write(1, movement, lost.ended_at ?? movement.at);
      this.change(lost, { ended_at: null, ending: null, epoch, node });
    } else this.enter(movement);
  }

  get changes(): StayChange[] {
    return [...this.changed].map(([after, before]) => ({ before, after }));
  }

  private end(stay: Stay, at: number, ending: 'out' | 'lost'): void {
    const ended_at = Math.max(at, stay.started_at);
    this.change(stay, { ended_at, ending });
    this.write(0, stay, ended_at);
  }

  private begin({ channel_id, clientId, uid, at, ended_at, ending, epoch, node }: Movement & End): void {
    const seen = { visible_ms: 0, visible_since: null };
    const stay = { channel_id, clientId, uid, started_at: at, ended_at, ending, epoch, node, ...seen };
    this.of(stay).push(stay);
    this.changed.set(stay, undefined);
  }

  private change(stay: Stay, change: Partial<Stay>): void {
    if (!this.changed.has(stay)) this.changed.set(stay, { ...stay });
    Object.assign(stay, change);
  }

  private write(
    status: 0 | 1,
    { uid, channel_id, clientId }: Omit<LoginRow, 'status' | 't'>,
    t: number,
  ): void {
    this.log.push({ status, uid, t, channel_id, clientId });
  }

  private of({ clientId, channel_id }: { clientId: string; channel_id: number }): Stay[] {
    const key = `${channel_id} ${clientId}`;
    const stays = this.ofClient.get(key) ?? [];
    this.ofClient.set(key, stays);
    return stays;
  }
}

type End = Pick<Stay, 'ended_at' | 'ending'>;

const first = (stays: Stay[]): Stay | undefined => sorted(stays)[0];
const last = (stays: Stay[]): Stay | undefined => sorted(stays).at(-1);
const sorted = (stays: Stay[]): Stay[] => [...stays].sort((a, b) => a.started_at - b.started_at);
