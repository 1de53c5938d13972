/**
 * Reads the journal as a group of its own that acknowledges nothing, so that all of a round stays in it. Of each client in
 * each channel there is an in, then an out, and so on; each says rightly whether the user came or went with it.
 *
 * Exempt are rounds in which Redis lost data: its journal went too, from the last save on or from the beginning.
 */
import type { Servers } from './servers.js';

interface Entry {
  type: string;
  channel: string;
  uid: string;
  clientId: string;
  transition: boolean;
}

const GROUP = 'chaos';

export class Journal {
  /** A stream a partition, in which a channel's entries are in order. */
  private readonly streams: readonly string[];

  constructor(private readonly servers: Servers) {
    this.streams = servers.namespaces.map((namespace) => `/${namespace}/journal`);
  }

  async begin(): Promise<void> {
    await this.servers.ask(async (redis) => {
      for (const stream of this.streams) {
        await redis.del(stream);
        await redis.xgroup('CREATE', stream, GROUP, '$', 'MKSTREAM');
      }
    });
  }

  /** What is wrong for good, and what is where these are in, as `channel clientId`, which may come right. */
  async wrong(present: Iterable<string>): Promise<{ forGood: string[]; yet: string[] }> {
    const streams = await this.servers.ask((redis) =>
      Promise.all(this.streams.map((stream) => redis.xrange(stream, '-', '+'))),
    );
    const entries = streams.flat();
    const replay = new Replay();
    for (const [, fields] of entries) replay.add(entryOf(fields));
    return { forGood: replay.wrong, yet: replay.wrongAtTheEnd(new Set(present)) };
  }
}

class Replay {
  readonly wrong: string[] = [];
  /** `channel clientId`. */
  private readonly present = new Set<string>();
  private readonly clientsOf = new Map<string, number>();

  add({ type, channel, uid, clientId, transition }: Entry): void {
    const stay = `${channel} ${clientId}`;
    const comes = type === 'in';
    if (this.present.has(stay) === comes)
      this.wrong.push(`the journal has two ${type}s in a row of ${uid} in ${stay}`);
    if (comes) this.present.add(stay);
    else this.present.delete(stay);
    const user = `${channel} ${uid}`;
    const before = this.clientsOf.get(user) ?? 0;
    const after = before + (comes ? 1 : -1);
    this.clientsOf.set(user, after);
    if (transition !== (comes ? before === 0 : after === 0))
      this.wrong.push(
        `the journal says wrongly of ${uid}'s ${type} of ${channel} whether it is a transition`,
      );
  }

  wrongAtTheEnd(present: ReadonlySet<string>): string[] {
    return [
      ...[...this.present]
        .filter((stay) => !present.has(stay))
        .map((stay) => `the journal lacks an out of ${stay}`),
      ...[...present]
        .filter((stay) => !this.present.has(stay))
        .map((stay) => `the journal lacks an in of ${stay}`),
    ];
  }
}

function entryOf(fields: readonly string[]): Entry {
  const field = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
  return {
    type: field('type'),
    channel: field('channel'),
    uid: field('uid'),
    clientId: field('clientId'),
    transition: field('transition') === '1',
  };
}
