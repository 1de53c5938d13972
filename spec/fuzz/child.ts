/** The server under fuzz, in a process of its own: `node --expose-gc --import tsx child.ts <profile>`. */
import { isRecord } from '../../src/bayeux/is-record.js';
import type { Config } from '../../src/config/index.js';
import { createServer, type FayeOnlineServer } from '../../src/server.js';
import { type Counted, countHeap } from './heap.js';
import { heldBy } from './held.js';
import { SECRET, SERVER_TOKEN } from './people.js';
import {
  type Answers,
  type FromServer,
  type Measure,
  type Profile,
  profileOf,
  type ToServer,
} from './wire.js';

const BOUNDLESS = 1_000_000;

const OPEN: Config = {
  rates: { messagesPerClient: BOUNDLESS, messagesPerAddress: BOUNDLESS, handshakesPerAddress: BOUNDLESS },
  compression: true,
  jsonp: true,
};

const config = (profile: Profile): Config => ({
  host: '127.0.0.1',
  port: 0,
  records: { url: 'none' },
  // Short, so that what has gone is gone soon, and longer than a busy machine stands still while it counts the heap.
  timeout: 6,
  // Longer than the honest clients take to come back, should the load that this process' peer makes cut them off.
  grace: 3,
  gc: 1,
  leaveDelay: 0.2,
  expiryGrace: 1,
  trustProxy: 1,
  origins: ['https://app.example'],
  // Whatever the server itself finds worth an error, one of the fuzz's inputs has caused.
  logLevel: 'error',
  authentication: { jwt: { secret: SECRET }, serverToken: SERVER_TOKEN },
  ...(profile !== 'default' && OPEN),
  ...(profile === 'faye-memory' && { engine: profile }),
});

const send = (message: FromServer): void => void process.send?.(message);

function fault(what: string, detail: unknown): void {
  const text = detail instanceof Error ? (detail.stack ?? detail.message) : String(detail);
  send({ report: 'fault', what, detail: text });
}

process.on('uncaughtException', (error) => fault('an uncaught exception', error));
process.on('unhandledRejection', (reason) => fault('an unhandled rejection', reason));
process.on('warning', (warning) => fault('a warning', warning));
// Without the fuzz nobody would ever end it.
process.on('disconnect', () => process.exit(1));

function measured(counted: Counted, server: FayeOnlineServer): Measure {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapUsed, rss, held: heldBy(server), ...counted, counters: server.counters };
}

async function answer(
  question: ToServer,
  server: FayeOnlineServer,
  port: number,
): Promise<Answers[ToServer['ask']]> {
  if (question.ask === 'ready') return { port };
  if (question.ask === 'measure') return measured(await countHeap(), server);
  if (question.ask === 'held') return heldBy(server);
  if (question.ask === 'lists')
    return Promise.all(
      question.channels.map(async (channel) =>
        (await server.presence.list(channel)).users.map(({ uid }) => uid),
      ),
    );
  if (question.ask === 'stop') await server.stop();
  return null;
}

async function main(profile: Profile): Promise<void> {
  const server = createServer(config(profile));
  server.presence.on('join', (channel, { uid, uname }) =>
    send({ report: 'joined', channel, uid, uname, at: Date.now() }),
  );
  const { url } = await server.start();
  const port = Number(new URL(url).port);
  process.on('message', (question: ToServer) => {
    if (!isRecord(question)) return;
    answer(question, server, port).then(
      (found) => send({ id: question.id, answer: found }),
      (error) => {
        fault('a question could not be answered', error);
        send({ id: question.id, answer: undefined });
      },
    );
  });
  send({ id: 0, answer: { port } });
}

await main(profileOf(process.argv[2]));
