/** `GET /metrics` for Prometheus: for whoever has the admin token; where there is none, for programs on this machine. */
import type { IncomingMessage } from 'node:http';
import { Router } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { bearerToken, sameSecret } from '../authentication/server-token.js';
import type { RecordsState } from '../records/records.js';
import { recordsMetrics } from './records-metrics.js';

/** What there is to know at a moment. */
export interface Sample {
  clients: number;
  users: number;
  channels: number;
  streams: number;
  bytesOut: number;
  framesOut: number;
  /** How often each thing has happened since the start. */
  events: Record<string, number>;
  /** Undefined where they are off. */
  records: RecordsState | undefined;
}

export interface MetricsOptions {
  adminToken: string | undefined;
  sample(): Sample;
}

const PREFIX = 'faye_online_';

const GAUGES = {
  clients: 'Clients that this node remembers who they are',
  users: 'Users of those clients',
  channels: 'Channels and patterns that clients of this node subscribe to',
  streams: 'Open WebSockets and EventSources',
} satisfies Partial<Record<keyof Sample, string>>;

const COUNTERS = {
  bytesOut: ['bytes_out_total', 'Bytes written to WebSockets and EventSources'],
  framesOut: ['frames_out_total', 'Frames written to WebSockets and EventSources'],
} as const satisfies Partial<Record<keyof Sample, readonly [string, string]>>;

export function metrics(options: MetricsOptions): Router {
  // Taken once a scrape, which all metrics then read: it looks at each client.
  let sample = options.sample();
  const registry = registryOf(() => sample);
  const router = Router();
  router.get('/metrics', async (request, response) => {
    if (!mayRead(request, options.adminToken)) {
      response.status(401).set('WWW-Authenticate', 'Bearer').type('text/plain').send('Unauthorized');
      return;
    }
    sample = options.sample();
    response
      .set('Cache-Control', 'no-store')
      .type(registry.contentType)
      .send(await registry.metrics());
  });
  return router;
}

function registryOf(sample: () => Sample): Registry {
  const registry = new Registry();
  const registers = [registry];
  // The process' CPU, memory and event-loop delay.
  collectDefaultMetrics({ register: registry });
  for (const [key, help] of Object.entries(GAUGES) as [keyof typeof GAUGES, string][]) {
    new Gauge({
      name: PREFIX + key,
      help,
      registers,
      collect() {
        this.set(sample()[key]);
      },
    });
  }
  for (const [key, [name, help]] of Object.entries(COUNTERS) as [keyof typeof COUNTERS, [string, string]][]) {
    new Counter({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(sample()[key]);
      },
    });
  }
  new Counter({
    name: `${PREFIX}events_total`,
    help: 'Joins, leaves, windows, refusals, dropped messages, slow readers',
    labelNames: ['event'],
    registers,
    collect() {
      this.reset();
      for (const [event, count] of Object.entries(sample().events)) this.inc({ event }, count);
    },
  });
  if (sample().records) recordsMetrics(registers, PREFIX, () => sample().records);
  return registry;
}

/** A request that a proxy passed on comes from this machine too: it is not from a program here. */
function mayRead(request: IncomingMessage, adminToken: string | undefined): boolean {
  const token = bearerToken(request.headers.authorization);
  if (adminToken !== undefined) return token !== undefined && sameSecret(token, adminToken);
  const { headers, socket } = request;
  const isPassedOn =
    headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined || headers.via !== undefined;
  return !isPassedOn && /^(127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? '');
}
