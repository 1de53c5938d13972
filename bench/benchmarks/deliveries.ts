/** What the deliveries of some seconds cost, by how many messages were in flight. */
import type { Published } from '../load/fanout.js';
import { medians } from '../measure.js';
import type { Peer } from '../peers.js';
import type { Run } from '../processes/rounds.js';
import type { Usage } from '../processes/served.js';

export const SUBSCRIBERS = 1_000;
export const POLLERS = 100;
export const IN_FLIGHT = [1, 8] as const;

export type Way = Peer & { polling?: true };

export interface Figures {
  /** Microseconds of the servers' CPU per delivery. */
  cpu: number;
  /** Microseconds of Redis' CPU per delivery. */
  redisCpu: number;
  /** Redis commands that the servers sent per delivery. */
  commands: number;
  /** Those that Redis counted, with those of scripts. */
  redisCommands: number;
  /** Deliveries a second. */
  rate: number;
  deliveries: number;
  /** Share of one core that the load took. */
  load: number;
}

export type ByFlight = Record<(typeof IN_FLIGHT)[number], Figures>;

export async function measure({ peer, served, load }: Run<Way>, seconds: number): Promise<ByFlight> {
  const { dialect, options, polling } = peer;
  const count = polling ? POLLERS : SUBSCRIBERS;
  await load.ask('connect', { ports: served.ports, dialect, compression: options?.compression, count });
  const figures: Partial<ByFlight> = {};
  for (const inFlight of IN_FLIGHT) {
    await load.ask('publish', { inFlight, seconds: seconds / 3 });
    const before = await served.usage();
    const published = await load.ask<Published>('publish', { inFlight, seconds });
    figures[inFlight] = perDelivery(before, await served.usage(), published);
  }
  return figures as ByFlight;
}

function perDelivery(before: Usage, after: Usage, { deliveries, seconds, loadCpu }: Published): Figures {
  const each = (field: keyof Usage) => (after[field] - before[field]) / deliveries;
  return {
    cpu: each('cpu'),
    redisCpu: each('redisCpu'),
    commands: each('commands'),
    redisCommands: each('redisCommands'),
    rate: deliveries / seconds,
    deliveries,
    load: loadCpu / seconds / 1e6,
  };
}

export function summed(runs: ByFlight[]): ByFlight {
  return { 1: medians(runs.map((run) => ({ ...run[1] }))), 8: medians(runs.map((run) => ({ ...run[8] }))) };
}
