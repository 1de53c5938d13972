/** What Prometheus is told of records. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { RecordsState } from '../records/records.js';

const GAUGES = {
  records_lag: ['Entries of the journal that are yet to be written to the database', ({ lag }) => lag],
  records_trouble: ['1 while nothing can be written to the database', ({ trouble }) => (trouble ? 1 : 0)],
} satisfies Figures;

const COUNTERS = {
  records_written_total: ['Entries of the journal that this node has written', ({ written }) => written],
  records_set_aside_total: [
    'Entries that the database could not store, and that this node has left out',
    ({ setAside }) => setAside,
  ],
  records_dropped_total: [
    'Entries that were dropped before they were written, as the journal was full',
    ({ dropped }) => dropped,
  ],
} satisfies Figures;

type Figures = Record<string, readonly [help: string, of: (state: RecordsState) => number]>;

export function recordsMetrics(
  registers: Registry[],
  prefix: string,
  state: () => RecordsState | undefined,
): void {
  for (const [name, [help, of]] of Object.entries<Figures[string]>(GAUGES)) {
    new Gauge({
      name: prefix + name,
      help,
      registers,
      collect() {
        const now = state();
        if (now) this.set(of(now));
      },
    });
  }
  for (const [name, [help, of]] of Object.entries<Figures[string]>(COUNTERS)) {
    new Counter({
      name: prefix + name,
      help,
      registers,
      collect() {
        const now = state();
        this.reset();
        if (now) this.inc(of(now));
      },
    });
  }
}
