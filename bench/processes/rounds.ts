/** Runs every peer once, then every peer again: what disturbs the machine for a while disturbs them all. */
import type { Options } from '../options.js';
import type { Peer } from '../peers.js';
import { progress } from '../progress.js';
import { Child } from './child.js';
import { Served } from './served.js';
import type { ServerOptions } from './server-options.js';

export interface Run<P extends Peer> {
  peer: P;
  served: Served;
  load: Child;
}

interface Turns<P> {
  name: string;
  options: Options;
  peers: readonly P[];
  /** How often this one is run, where not as often as all. */
  runsOf?: (peer: P) => number;
}

export interface Rounds<P extends Peer, T> extends Turns<P> {
  server: ServerOptions;
  /** Server processes that share one Redis. Default 1. */
  nodes?: number;
  /** Its load, a file of bench/load. */
  load: (peer: P) => string;
  measure: (run: Run<P>) => Promise<T>;
}

/** The figures of each run, by peer. */
export function rounds<P extends Peer, T>(what: Rounds<P, T>): Promise<Map<P, T[]>> {
  return inTurn(what, (peer, round) => once(what, peer, round));
}

export async function inTurn<P extends { name: string }, T>(
  what: Turns<P>,
  run: (peer: P, round: number) => Promise<T>,
): Promise<Map<P, T[]>> {
  const { options, runsOf = () => options.runs } = what;
  const peers = what.peers.filter(({ name }) => new RegExp(options.only).test(name));
  const figures = new Map(peers.map((peer) => [peer, [] as T[]]));
  for (let round = 1; round <= options.runs; round += 1) {
    for (const peer of peers) {
      if (round > runsOf(peer)) continue;
      progress(`${what.name} ${round}/${options.runs}: ${peer.name}`);
      figures.get(peer)?.push(await run(peer, round));
    }
  }
  return figures;
}

async function once<P extends Peer, T>(what: Rounds<P, T>, peer: P, round: number): Promise<T> {
  const profile = `${what.name}-${peer.name.replace(/\W+/g, '-')}-${round}`;
  const { nodes = 1, options, server } = what;
  const served = await Served.start(peer, server, nodes, options.profile ? profile : undefined);
  const load = new Child(`load/${what.load(peer)}`);
  try {
    return await what.measure({ peer, served, load });
  } finally {
    await load.stop();
    await served.stop();
  }
}
