/**
 * Looks at a server whose visitors have gone: honest clients still work and see the truth, and it holds no more than it
 * did at the first look.
 */
import { until } from '../support/until.js';
import { type Observer, WATCHED } from './observer.js';
import type { Oracle } from './oracle.js';
import { OBSERVED } from './people.js';
import type { ServerProcess } from './server-process.js';
import type { Measure } from './wire.js';

/** Milliseconds in which clients without a sign of life are gone, and what was counted for them is forgotten. */
const GONE = 30_000;
/** Bytes by which the heap may differ: caches of the runtime, what rate limits remember for 10 s. */
const HEAP_SLACK = 12 * 2 ** 20;
const RSS_LIMIT = 600 * 2 ** 20;
/** By how many each total may differ, once it has had the time: an honest client may have opened a connection more. */
const TOTALS_SLACK: Record<string, number> = {
  entries: 250,
  sockets: 2,
  requests: 24,
  responses: 24,
  timers: 80,
  promises: 400,
};
/** Channels that an honest client subscribes to. */
const CHANNELS = 6;

export class Looks {
  readonly measures: Measure[] = [];

  constructor(
    private readonly server: ServerProcess,
    private readonly oracle: Oracle,
  ) {}

  /** Undefined where the server is no more. */
  async look(observers: readonly Observer[]): Promise<Measure | undefined> {
    await Promise.all(observers.map((observer) => observer.works()));
    await this.showsTheTruth(observers);
    await this.emptied(observers.length);
    const measure = await this.measured();
    if (!measure) return undefined;
    const excess = this.excess(measure);
    const { largest } = measure;
    if (excess) this.oracle.violate('visitors left something behind', { excess, largest });
    this.measures.push(measure);
    return measure;
  }

  /** Nothing is held but what so many honest clients need: where there are none, nothing at all. */
  async emptied(clients: number): Promise<void> {
    let held: Measure['held'] | undefined;
    const isEmpty = async () => {
      held = await this.server.ask({ ask: 'held' });
      return !held || Object.entries(held).every(([kind, number]) => number <= clients * mayHold(kind));
    };
    await until(isEmpty, 'visitors to be gone', GONE).catch(() =>
      this.oracle.violate('everybody has gone, and something is held', held),
    );
  }

  private async showsTheTruth(observers: readonly Observer[]): Promise<void> {
    const truth = asText(WATCHED.map((channel) => (channel === OBSERVED ? ['observer', 'poller'] : [])));
    const isShown = () => observers.every((observer) => asText(shownTo(observer)) === truth);
    await until(isShown, 'the lists', GONE).catch(() => {
      for (const observer of observers)
        this.oracle.violate('a list is not the truth', { way: observer.way, shown: shownTo(observer) });
    });
    const known = await this.server.ask({ ask: 'lists', channels: WATCHED });
    if (known && asText(known) !== truth)
      this.oracle.violate('the server believes visitors to be there', known);
  }

  /** The first measure without an excess, or the last one. */
  private async measured(): Promise<Measure | undefined> {
    let measure: Measure | undefined;
    const isFine = async () => {
      measure = await this.server.ask({ ask: 'measure' });
      return !measure || !this.excess(measure);
    };
    // What it still has too much of is told by whoever asked.
    await until(isFine, 'the heap to be what it was', GONE).catch(() => {});
    return measure;
  }

  /** What there is more of than at the first look. */
  private excess({ rss, heapUsed, totals }: Measure): string | undefined {
    const [base] = this.measures;
    if (rss > RSS_LIMIT) return `${rss} bytes of memory`;
    if (!base) return undefined;
    if (heapUsed > base.heapUsed + HEAP_SLACK) return `${heapUsed - base.heapUsed} bytes of heap`;
    const before = (kind: string) => base.totals[kind] ?? 0;
    const grown = Object.entries(totals).find(
      ([kind, total]) => total > before(kind) + (TOTALS_SLACK[kind] ?? 0),
    );
    return grown && `${grown[1]} ${grown[0]}, ${before(grown[0])} before`;
  }
}

const mayHold = (kind: string): number => (kind === 'channels' ? CHANNELS : 1);

const shownTo = ({ lists }: Observer): unknown[][] =>
  WATCHED.map((channel) => lists.get(channel) ?? ['nothing']);

const asText = (lists: unknown[][]): string => JSON.stringify(lists.map((list) => [...list].sort()));
