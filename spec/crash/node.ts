/** One node of the run, in a process of its own: a server, and the consumer of the journal that writes what it tells. */

import { createLog } from '../../src/log.js';
import type { Journal, JournalEntry } from '../../src/presence/journal.js';
import { Recorder } from '../../src/records/recorder.js';
import { partitionsOf } from '../../src/redis/partitions.js';
import { createServer } from '../../src/server.js';
import { openStore } from '../support/redis-store.js';
import {
  type FromNode,
  IDLE,
  NAMESPACE,
  type NodeOptions,
  type Point,
  TIMINGS,
  type ToNode,
} from './wire.js';

const BOUNDLESS = 1_000_000;

// Without the run nobody would ever end it.
process.on('disconnect', () => process.exit(1));

let dieAt: Point | undefined;
process.on('message', (message: ToNode) => {
  dieAt = message.dieAt;
});

/** Dies there if it is to: nothing that comes after it is done. What is said of a page may be written twice unseen. */
async function pass(point: Point, entries: readonly JournalEntry[]): Promise<void> {
  if (dieAt !== point || !entries.some((entry) => 'channel' in entry)) return;
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => {});
}

/** A journal that dies as it is told, and gives up on other consumers early. */
function deadly(journal: Journal): Journal {
  const read = async (entries: JournalEntry[]) => {
    await pass('before the commit', entries);
    return entries;
  };
  return {
    open: (group) => journal.open(group),
    read: async (...args) => read(await journal.read(...args)),
    takeOver: async (group, consumer, idleMs) =>
      read(await journal.takeOver(group, consumer, Math.min(idleMs, IDLE))),
    async acknowledge(group, entries) {
      await pass('before the acknowledgement', entries);
      await journal.acknowledge(group, entries);
      await pass('after the acknowledgement', entries);
    },
    lag: (group) => journal.lag(group),
    dropped: () => journal.dropped(),
    closeGroup: (group) => journal.closeGroup(group),
  };
}

async function main({ redis, database }: NodeOptions): Promise<void> {
  const log = createLog('warn', true);
  const store = openStore({
    source: redis,
    partitions: (connections) => partitionsOf(connections, NAMESPACE),
    window: { base: 50, perUser: 0, max: 50 },
    log,
  });
  await store.open();
  const { epoch } = await store.channels.snapshot('/nowhere', 1);
  const recorder = new Recorder({
    url: database,
    journal: deadly(store.journal),
    node: `node-${process.pid}`,
    epochs: () => [epoch],
    log,
  });
  recorder.start();
  const server = createServer({
    ...TIMINGS,
    host: '127.0.0.1',
    port: 0,
    redis,
    namespace: NAMESPACE,
    authentication: { trust: true },
    demo: false,
    rates: { messagesPerClient: BOUNDLESS, messagesPerAddress: BOUNDLESS, handshakesPerAddress: BOUNDLESS },
    logLevel: 'warn',
  });
  const { url } = await server.start();
  const ready: FromNode = { ready: url.replace('localhost', '127.0.0.1') };
  process.send?.(ready);
}

await main(JSON.parse(process.argv[2] ?? '{}') as NodeOptions);
