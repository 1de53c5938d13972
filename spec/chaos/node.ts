/** One node of the run, in a process of its own: `node --import tsx node.ts <options as JSON>`. */
import { Cluster } from 'ioredis';
import type { RedisConfig } from '../../src/config/types.js';
import { createServer, type FayeOnlineServer } from '../../src/server.js';
import { heldBy } from './held.js';
import { trace } from './trace.js';
import {
  type Answers,
  type FromNode,
  NAMESPACE,
  type NodeOptions,
  PARTITIONS,
  type RedisOptions,
  TIMINGS,
  type ToNode,
} from './wire.js';

const BOUNDLESS = 1_000_000;

const send = (message: FromNode): void => void process.send?.(message);

// Without the run nobody would ever end it.
process.on('disconnect', () => process.exit(1));

async function answer(question: ToNode, server: FayeOnlineServer): Promise<Answers[ToNode['ask']]> {
  if (question.ask === 'held') return heldBy(server);
  if (question.ask === 'stop') {
    await server.stop();
    return null;
  }
  return Promise.all(
    question.channels.map(async (channel) =>
      (await server.presence.list(channel)).users.map(({ uid }) => String(uid)),
    ),
  );
}

function configOf(redis: RedisOptions): RedisConfig {
  if (typeof redis === 'string') return redis;
  const host = '127.0.0.1';
  const natMap = Object.fromEntries(redis.map(({ port, way }) => [`${host}:${port}`, { host, port: way }]));
  const client = new Cluster(Object.values(natMap), { natMap, lazyConnect: true });
  return { client, partitions: PARTITIONS };
}

async function main({ redis, engine, traced }: NodeOptions): Promise<void> {
  const server = createServer({
    ...TIMINGS,
    host: '127.0.0.1',
    port: 0,
    redis: configOf(redis),
    ...(engine && { engine }),
    namespace: NAMESPACE,
    authentication: { trust: true },
    demo: false,
    rates: { messagesPerClient: BOUNDLESS, messagesPerAddress: BOUNDLESS, handshakesPerAddress: BOUNDLESS },
    records: { url: 'none' },
    logLevel: 'debug',
  });
  if (traced) trace(server);
  const { url } = await server.start();
  process.on('message', (question: ToNode) => {
    const { id } = question;
    answer(question, server).then(
      (found) => {
        send({ id, answer: found });
        if (question.ask === 'stop') process.exit(0);
      },
      (error: unknown) => send({ id, error: String(error) }),
    );
  });
  send({ ready: url.replace('localhost', '127.0.0.1') });
}

await main(JSON.parse(process.argv[2] ?? '{}') as NodeOptions);
